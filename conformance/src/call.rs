// SPDX-License-Identifier: MIT OR Apache-2.0
//! One ioctl with the memory it is made on, and what came of it.
//!
//! *Invariants*: an ioctl that could make the kernel write outside the arena is told apart ([`Call::is_safe`]) and
//! never made.

use core::fmt;

use fwgate_gate::abi::WritableMemory as _;
use fwgate_wire::fwctl::{FWCTL_INFO, FWCTL_RPC};
use fwgate_wire::memdev::{QUERY_COMMANDS, SEND_COMMAND};

use crate::memory::{BIG, Own, offset};

/// Which node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Node {
    /// `/dev/fwctl/fwctlN`.
    Fwctl,
    /// `/dev/cxl/memN`.
    Memdev,
}

/// One ioctl.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// Of which node.
    pub node: Node,
    /// Its number.
    pub number: u32,
    /// Its argument.
    pub arg: u64,
    /// What is in memory then, over the pattern, in this order.
    pub places: Vec<(u64, Vec<u8>)>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ioctl {:#x} arg {:#x}", self.node, self.number, self.arg)?;
        for (at, bytes) in &self.places {
            write!(f, "; {at:#x}:")?;
            for byte in bytes.iter().take(96) {
                write!(f, " {byte:02x}")?;
            }
            if bytes.len() > 96 {
                write!(f, " ... {} bytes", bytes.len())?;
            }
        }
        Ok(())
    }
}

/// What it returned.
pub type Returned = Result<i32, i32>;

/// Marks on the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// Tainted by fwctl: bit 19.
    pub fwctl: bool,
    /// A warning was printed: bit 9. RAW does it once.
    pub warned: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Value, or errno.
    pub returned: Returned,
    /// The arena's first part afterwards, and its big one where the ioctl could reach it.
    pub small: Vec<u8>,
    /// See `small`.
    pub big: Option<Vec<u8>>,
    /// The host's marks afterwards.
    pub marks: Marks,
}

impl Outcome {
    /// The byte at that address afterwards, where it was looked at.
    #[must_use]
    pub fn byte(&self, at: u64) -> Option<u8> {
        if at >= BIG {
            let into = usize::try_from(at - BIG).ok()?;
            return self.big.as_ref()?.get(into).copied();
        }
        self.small.get(offset(at)?).copied()
    }

    /// As many bytes from there as were looked at.
    #[must_use]
    pub fn bytes(&self, at: u64, length: usize) -> Vec<u8> {
        let to = (at..).take(length);
        to.map_while(|at| self.byte(at)).collect()
    }

    /// The 32-bit word there, where it was looked at.
    #[must_use]
    pub fn word(&self, at: u64) -> Option<u32> {
        Some(u32::from_ne_bytes(self.bytes(at, 4).try_into().ok()?))
    }
}

impl Call {
    /// Puts what is in memory then into it; what does not fall on writable pages is left out.
    pub fn place(&self, memory: &mut Own) {
        for (at, bytes) in &self.places {
            memory.write(*at, bytes);
        }
    }

    /// The addresses that the kernel would follow.
    #[must_use]
    pub fn pointers(&self, memory: &Own) -> Vec<u64> {
        let at: &[u64] = match self.number {
            FWCTL_INFO => &[16],
            FWCTL_RPC => &[16, 24],
            SEND_COMMAND => &[24, 40],
            _ => &[],
        };
        let mut pointers = vec![self.arg];
        for at in at {
            if let Some(bytes) = memory.all(self.arg.wrapping_add(*at), 8) {
                pointers.extend(<[u8; 8]>::try_from(bytes).map(u64::from_ne_bytes));
            }
        }
        pointers
    }

    /// Whether it names no memory but the arena's. Page 0 cannot be mapped, and the upper half is the kernel's.
    #[must_use]
    pub fn is_safe(&self, memory: &Own) -> bool {
        let safe = |at: &u64| *at < 4096 || *at >= 1 << 63 || offset(*at).is_some();
        self.pointers(memory).iter().all(safe)
    }

    /// Whether it can reach the arena's big part.
    #[must_use]
    pub fn reaches_big(&self, memory: &Own) -> bool {
        let big = |at: &u64| *at >= BIG && offset(*at).is_some();
        self.pointers(memory).iter().any(big) || self.places.iter().any(|(at, _)| big(at))
    }

    /// Whether the node knows the number.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        match self.node {
            Node::Fwctl => matches!(self.number, FWCTL_INFO | FWCTL_RPC),
            Node::Memdev => matches!(self.number, QUERY_COMMANDS | SEND_COMMAND),
        }
    }
}
