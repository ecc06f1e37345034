// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the kernel itself would let a caller in at a node or a file.
//!
//! The answer is taken for a right that the caller has anyway, so it is yes only where that is
//! certain.
//!
//! *Invariants*: read and write are both needed, and search in each folder on the way. An access
//! control list is not evaluated: with one, only the owner and root are let in.
//!
//! *Spec*: `acl_permission_check`, `generic_permission` in `fs/namei.c @ v7.3`.

use fwgate_gate::Caller;

use crate::discover::{Access, Bits};

/// Whether this caller may open a node with this access for reading and writing.
pub(crate) fn admits(access: &Access, caller: &Caller) -> bool {
    is_root(caller)
        || (allows(&access.node, caller, 0o6)
            && access.folders.iter().all(|folder| allows(folder, caller, 0o1)))
}

/// Whether a file's owner and mode give these rights.
fn allows(file: &Bits, caller: &Caller, rights: u32) -> bool {
    // The kernel looks at one class only: an owner without rights has none as a member.
    let shift = if file.uid == caller.uid {
        6
    } else if file.acl {
        return false;
    } else if file.gid == caller.gid || caller.groups.contains(&file.gid) {
        3
    } else {
        0
    };
    file.mode >> shift & rights == rights
}

/// Root of the machine: user 0 with capabilities that count, never user 0 alone.
pub(crate) const fn is_root(caller: &Caller) -> bool {
    caller.uid == 0 && caller.capabilities.sys_admin
}

#[cfg(test)]
mod tests {
    use super::*;
    use fwgate_policy::Capabilities;

    fn caller(uid: u32, gid: u32, groups: &[u32], sys_admin: bool) -> Caller {
        let capabilities = Capabilities { sys_admin, sys_rawio: false };
        Caller::stand_in(uid, gid, groups.to_vec(), capabilities)
    }

    #[test]
    fn the_one_class_that_the_kernel_looks_at_counts() {
        let node = |mode, acl| Access {
            node: Bits { uid: 7, gid: 70, mode, acl },
            folders: vec![Bits { uid: 0, gid: 0, mode: 0o755, acl: false }],
        };
        for (mode, who, admitted) in [
            (0o600, caller(7, 1, &[], false), true),
            (0o600, caller(8, 70, &[], false), false),
            (0o660, caller(8, 70, &[], false), true),
            (0o660, caller(8, 1, &[2, 70], false), true),
            (0o640, caller(8, 70, &[], false), false),
            (0o006, caller(8, 1, &[], false), true),
            // The owner is not looked at as a member, nor a member as anyone.
            (0o066, caller(7, 70, &[], false), false),
            (0o606, caller(8, 70, &[], false), false),
            (0o000, caller(0, 0, &[], true), true),
            // User 0 of a namespace of its own is a user like others.
            (0o600, caller(0, 0, &[], false), false),
        ] {
            assert_eq!(admits(&node(mode, false), &who), admitted, "{mode:o} {who:?}");
        }
        assert!(!admits(&node(0o666, true), &caller(8, 70, &[], false)), "a list may take away");
        assert!(admits(&node(0o600, true), &caller(7, 1, &[], false)));
    }

    #[test]
    fn a_folder_that_may_not_be_searched_keeps_everyone_but_root_from_its_nodes() {
        let node = Bits { uid: 7, gid: 70, mode: 0o666, acl: false };
        let outer = Bits { uid: 0, gid: 0, mode: 0o755, acl: false };
        for (mode, acl, admitted) in [
            (0o755, false, true),
            (0o711, false, true),
            (0o700, false, false),
            (0o755, true, false),
        ] {
            let inner = Bits { uid: 0, gid: 0, mode, acl };
            let access = Access { node, folders: vec![inner, outer] };
            assert_eq!(admits(&access, &caller(7, 70, &[], false)), admitted, "{mode:o} {acl}");
            assert!(admits(&access, &caller(0, 0, &[], true)));
        }
    }
}
