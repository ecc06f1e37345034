// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's taint: set, read back, and not touched where the kernel would panic.

use fwgate_gate::HostKernel as _;
use fwgate_linux::host::{Taint, TaintError};
use fwgate_policy::PathKind;

use crate::tree::Tree;

fn tainted(tree: &Tree) -> String {
    std::fs::read_to_string(tree.at("proc/sys/kernel/tainted")).unwrap()
}

#[test]
fn the_mark_is_written_and_read_back() {
    let tree = Tree::new();
    let taint = Taint::new(&tree.roots());
    assert_eq!(taint.tainted(), Some(false));
    assert_eq!(taint.set(PathKind::NvmeIoctl), Ok(()));
    assert_eq!(tainted(&tree), "524288\n");
    assert_eq!(taint.tainted(), Some(true));
}

#[test]
fn a_mark_that_is_there_is_not_written_again() {
    let tree = Tree::new();
    tree.file("proc/sys/kernel/tainted", "528384\n");
    assert_eq!(Taint::new(&tree.roots()).set(PathKind::NvmeIoctl), Ok(()));
    assert_eq!(tainted(&tree), "528384\n");
}

#[test]
fn fwctl_sets_the_mark_by_itself() {
    let tree = Tree::new();
    assert_eq!(Taint::new(&tree.roots()).taint(PathKind::Fwctl), Ok(()));
    assert_eq!(tainted(&tree), "0\n");
}

#[test]
fn nothing_is_written_where_the_kernel_would_panic() {
    for path in [PathKind::Fwctl, PathKind::NvmeIoctl, PathKind::Memdev, PathKind::Raw] {
        let tree = Tree::new();
        tree.file("proc/cmdline", "quiet panic_on_taint=0x80000 ro\n");
        let taint = Taint::new(&tree.roots());
        assert_eq!(taint.set(path), Err(TaintError::Panics { bit: 19 }));
        assert!(taint.taint(path).unwrap_err().contains("panic_on_taint"));
        assert_eq!(tainted(&tree), "0\n");
    }
}

#[test]
fn raw_is_refused_where_its_warning_would_make_the_kernel_panic() {
    let tree = Tree::new();
    tree.file("proc/cmdline", "panic_on_taint=200\n");
    let taint = Taint::new(&tree.roots());
    assert_eq!(taint.set(PathKind::Raw), Err(TaintError::Panics { bit: 9 }));
    assert_eq!(taint.set(PathKind::Memdev), Ok(()));
    let tree = Tree::new();
    tree.file("proc/sys/kernel/panic_on_warn", "1\n");
    let taint = Taint::new(&tree.roots());
    assert_eq!(taint.set(PathKind::Raw), Err(TaintError::PanicsOnWarning));
    assert_eq!(taint.set(PathKind::Memdev), Ok(()));
}

#[test]
fn a_kernel_that_cannot_be_asked_is_not_tainted() {
    for file in ["proc/cmdline", "proc/sys/kernel/tainted"] {
        let tree = Tree::new();
        tree.remove(file);
        let error = Taint::new(&tree.roots()).set(PathKind::NvmeIoctl).unwrap_err();
        assert!(matches!(error, TaintError::Unreadable(_)), "{file}: {error}");
    }
    let tree = Tree::new();
    tree.file("proc/sys/kernel/tainted", "-1\n");
    assert_eq!(Taint::new(&tree.roots()).tainted(), None);
}

#[test]
fn the_mark_is_not_written_through_a_link_out_of_procfs() {
    let tree = Tree::new();
    tree.file("elsewhere", "0\n").remove("proc/sys/kernel/tainted");
    tree.link("proc/sys/kernel/tainted", "../../../elsewhere");
    let error = Taint::new(&tree.roots()).set(PathKind::NvmeIoctl).unwrap_err();
    assert!(matches!(error, TaintError::Unreadable(_)), "{error}");
    assert_eq!(std::fs::read_to_string(tree.at("elsewhere")).unwrap(), "0\n");
}
