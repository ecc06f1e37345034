// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who is shown the kernel's own way is told at once if that way is closed to them as well.

mod common;

use std::sync::Arc;

use common::{Scripted, request};
use fwgate_gate::journal::Journal;
use fwgate_gate::{Gate, Message, NoKernel, SiteAnswer, SitePolicy, SiteQuestion};
use fwgate_policy::{Grants, Known, Site, Subsystems};

/// Permits everything, but names no action.
#[derive(Debug)]
struct NoNames {
    named_action: bool,
}

impl SitePolicy for NoNames {
    fn ask(&self, _: &SiteQuestion<'_, '_>) -> SiteAnswer {
        let grants = Grants { named_action: self.named_action, ..Grants::EVERYTHING };
        SiteAnswer { site: Site::Permit, grants, rule: "test".to_owned() }
    }
}

/// Inject Poison on a device whose kernel does it by debugfs.
fn told(named_action: bool) -> (&'static str, Option<&'static str>, String) {
    let mut device = Scripted::new(&[(0x0400, 0), (0x0401, 0), (0x4000, 0), (0x4301, 0x0004)]);
    let around = device.around.get_mut().unwrap();
    around.driven = Known::Yes;
    around.drivers = Subsystems::CXL;
    around.interfaces = Some(vec!["cxl-poison-debugfs"]);
    device.path.lock().unwrap().admits_caller = false;
    let journal = Arc::new(Journal::in_memory());
    let gate = Gate::new(journal, Arc::new(NoNames { named_action }), Arc::new(NoKernel));
    let opened = gate.open(Arc::new(device)).unwrap();
    let mut inject = request(0x4301, None);
    inject.message = Message::Cxl { opcode: 0x4301, payload: vec![0; 8] };
    gate.explain(&opened, &inject, |why, _| {
        (why.verdict, why.interface_refusal, why.fix.clone().unwrap_or_default())
    })
    .unwrap()
}

#[test]
fn a_caller_who_would_be_refused_by_the_kernels_interface_too_is_told_so() {
    let (verdict, refusal, fix) = told(false);
    assert_eq!((verdict, refusal), ("redirect", Some("right-missing")));
    assert!(fix.ends_with("refused there too (`right-missing`)"), "{fix}");
}

#[test]
fn a_caller_who_may_use_the_kernels_interface_is_only_shown_it() {
    let (verdict, refusal, fix) = told(true);
    assert_eq!((verdict, refusal), ("redirect", None));
    assert!(!fix.contains("refused"), "{fix}");
}
