// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gate refused, as the errno that a program which knows only the kernel understands.
//!
//! *Invariants*: a refusal is never 0; a code has one errno for each node.
//!
//! *Not here*: the reason in words, which the journal and `fwgate explain` have.
//!
//! *Spec*: DESIGN "Front ends"; where the kernel itself refuses for the same reason, its own errno.

use fwgate_policy::reason::Code;

use super::Errno;

/// Which node's errnos.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Node {
    /// fwctl of a CXL device.
    FwctlCxl,
    /// A CXL memory device.
    Memdev,
}

/// Why the gate did not send, or did not get an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The judge refused; its headline.
    Denied(Code),
    /// The judge sent it to the kernel's own interface.
    Redirected,
    /// The gate's deadline passed.
    Deadline,
    /// The record could not be written, or the gate failed.
    GateFailed,
    /// The device is gone.
    Gone,
}

/// The errno of a refusal.
#[must_use]
pub fn errno(node: Node, refusal: Refusal) -> Errno {
    match (node, refusal) {
        (Node::FwctlCxl, Refusal::Redirected) => Errno::PERM,
        (Node::Memdev, Refusal::Redirected) => Errno::BUSY,
        (_, Refusal::Deadline) => Errno::TIMEDOUT,
        (_, Refusal::GateFailed) => Errno::IO,
        (Node::FwctlCxl, Refusal::Gone) => Errno::NODEV,
        (Node::Memdev, Refusal::Gone) => Errno::NXIO,
        (Node::FwctlCxl, Refusal::Denied(code)) => match code {
            // The CXL driver has one errno for every row of its table.
            Code::Malformed
            | Code::Unreported
            | Code::ScopeTooLow
            | Code::FeatureFixed
            | Code::FeatureBackground
            | Code::FeatureNoEffect
            | Code::ReservedEffect
            | Code::NoPath => Errno::INVAL,
            Code::RateLimited => Errno::BUSY,
            _ => Errno::PERM,
        },
        (Node::Memdev, Refusal::Denied(code)) => match code {
            Code::Malformed => Errno::INVAL,
            Code::Unreported | Code::NoPath => Errno::NOTTY,
            Code::RateLimited => Errno::BUSY,
            _ => Errno::PERM,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_the_kernel_knows_have_the_errno_that_it_gives() {
        let fwctl = |code| errno(Node::FwctlCxl, Refusal::Denied(code));
        let memdev = |code| errno(Node::Memdev, Refusal::Denied(code));
        assert_eq!(
            (fwctl(Code::ScopeTooLow), memdev(Code::ScopeTooLow)),
            (Errno::INVAL, Errno::PERM)
        );
        assert_eq!(
            (fwctl(Code::Unreported), memdev(Code::Unreported)),
            (Errno::INVAL, Errno::NOTTY)
        );
        assert_eq!((fwctl(Code::Malformed), memdev(Code::Malformed)), (Errno::INVAL, Errno::INVAL));
        for code in
            [Code::RightMissing, Code::Lockdown, Code::SiteForbid, Code::Nak, Code::Advisory]
        {
            assert_eq!((fwctl(code), memdev(code)), (Errno::PERM, Errno::PERM), "{}", code.name());
        }
    }

    #[test]
    fn what_is_no_verdict_has_an_errno_of_its_own() {
        for (refusal, fwctl, memdev) in [
            (Refusal::Redirected, Errno::PERM, Errno::BUSY),
            (Refusal::Deadline, Errno::TIMEDOUT, Errno::TIMEDOUT),
            (Refusal::GateFailed, Errno::IO, Errno::IO),
            (Refusal::Gone, Errno::NODEV, Errno::NXIO),
        ] {
            assert_eq!(errno(Node::FwctlCxl, refusal), fwctl);
            assert_eq!(errno(Node::Memdev, refusal), memdev);
        }
    }

    #[test]
    fn no_code_becomes_success() {
        for code in Code::ALL {
            for node in [Node::FwctlCxl, Node::Memdev] {
                assert!(errno(node, Refusal::Denied(*code)).raw_os_error() > 0);
            }
        }
    }
}
