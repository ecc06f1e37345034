// SPDX-License-Identifier: MIT OR Apache-2.0
//! The road from a request to the mailbox registers and back, on both profiles.

use std::sync::Arc;
use std::time::Duration;

use core::ops::ControlFlow;
use fwgate_emulator::{CxlDevice, EmulatedCxl, FaultPlan, ManualTime, Options, firmware};
use fwgate_gate::journal::Journal;
use fwgate_gate::{
    Caller, Device, Failure, Firmware, Gate, InProcess, Kernel, Message, NoKernel, Opened, Request,
    Sent,
};
use fwgate_policy::Scope;

fn gate() -> Gate {
    let owner = Caller::this_process().uid;
    let host = Arc::new(NoKernel);
    Gate::new(Arc::new(Journal::in_memory()), Arc::new(InProcess::owned_by(owner)), host)
}

fn device(options: Options) -> Arc<CxlDevice> {
    let time = Arc::new(ManualTime::new(1));
    CxlDevice::new(EmulatedCxl::in_memory(options, time).unwrap())
}

fn request<R: fwgate_gate::Route>(
    route: R,
    opcode: u16,
    payload: &[u8],
    scope: Option<Scope>,
) -> Request<R> {
    Request {
        route,
        message: Message::Cxl { opcode, payload: payload.to_vec() },
        scope,
        caller: Arc::new(Caller::this_process()),
        deadline: Duration::from_millis(500),
    }
}

fn send(gate: &Gate, opened: &Opened, opcode: u16, payload: &[u8], scope: Option<Scope>) -> Sent {
    gate.send(opened, request(Firmware, opcode, payload, scope), &mut |_| {}).unwrap()
}

/// Sends a command that must be allowed and done; answers its reply.
fn done(gate: &Gate, opened: &Opened, opcode: u16, payload: &[u8]) -> Vec<u8> {
    let sent = send(gate, opened, opcode, payload, None);
    assert_eq!(sent.explanation.verdict, "allow", "{opcode:04X}: {:?}", sent.explanation.reasons);
    let outcome = sent.outcome.unwrap();
    assert_eq!(outcome.record.status, "done", "{opcode:04X}: {:?}", outcome.record);
    outcome.reply.to_vec()
}

#[test]
fn the_emulated_log_is_credible_and_every_opened_device_has_facts() {
    let gate = gate();
    let opened = gate.open(device(Options::cxl0())).unwrap();
    assert!(opened.facts().credible());
    assert!(opened.facts().features().unwrap().len() >= 16);
    assert!(!opened.facts().firmware().is_empty());
}

#[test]
fn opaque_reads_pass_at_debug_read_and_an_erase_needs_write_full() {
    let gate = gate();
    let opened = gate.open(device(Options::cxl0())).unwrap();
    let telemetry = done(&gate, &opened, 0xC000, &[]);
    assert!(telemetry.starts_with(b"FWGT"));
    let refused = send(&gate, &opened, 0xC003, &[], Some(Scope::DebugRead));
    assert_eq!(refused.explanation.headline(), "scope-too-low");
    assert!(refused.outcome.is_none());
    assert_eq!(done(&gate, &opened, 0xC000, &[])[4..8], telemetry[4..8]);
    let sent = send(&gate, &opened, 0xC003, &[], Some(Scope::DebugWriteFull));
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    assert_eq!(sent.explanation.granted_scope, Some("debug-write-full"));
}

#[test]
fn a_sub_operation_is_judged_by_its_own_row_and_an_unknown_one_by_the_worst() {
    let gate = gate();
    let opened = gate.open(device(Options::cxl0())).unwrap();
    let scope_of = |operation: u16| {
        let request = request(Firmware, 0xC005, &operation.to_le_bytes(), None);
        gate.explain(&opened, &request, |why, _| why.required_scope).unwrap()
    };
    assert_eq!(scope_of(0), "configuration");
    assert_eq!(scope_of(3), "debug-write-full");
    assert_eq!(scope_of(99), "debug-write-full");
}

#[test]
fn a_carried_command_is_judged_as_what_it_is() {
    let gate = gate();
    let opened = gate.open(device(Options::cxl0())).unwrap();
    let carry = |inner: u16| inner.to_le_bytes();
    let erase = send(&gate, &opened, 0xC007, &carry(0xC003), Some(Scope::DebugRead));
    assert_eq!(erase.explanation.headline(), "scope-too-low");
    let unknown = send(&gate, &opened, 0xC007, &carry(0xCFFF), None);
    assert_eq!(unknown.explanation.headline(), "unreported");
    assert_eq!(unknown.explanation.reasons[0].depth, 1);
    let sanitize = send(&gate, &opened, 0xC007, &carry(0x4400), None);
    assert_eq!(sanitize.explanation.headline(), "security-state");
    // Five levels, one more than is looked into.
    let mut deep = Vec::new();
    for _ in 0..5 {
        deep.extend_from_slice(&carry(0xC007));
    }
    deep.extend_from_slice(&carry(0xC000));
    let refused = send(&gate, &opened, 0xC007, &deep, None);
    assert_eq!(refused.explanation.headline(), "tunnel-too-deep");
}

#[test]
fn what_lies_about_its_effects_is_allowed_as_it_reports() {
    // The judge cannot know better from the log alone: that is what `qualify` will be for.
    let gate = gate();
    let opened = gate.open(device(Options::cxl0())).unwrap();
    let sent = send(&gate, &opened, 0xC006, &[7, 0, 0, 0], Some(Scope::DebugRead));
    assert_eq!(sent.explanation.verdict, "allow");
    assert_eq!(sent.explanation.required_scope, "debug-read");
}

#[test]
fn a_background_operation_runs_to_its_end_or_is_said_to_run() {
    let gate = gate();
    let device = device(Options::cxl0());
    let opened = gate.open(device.clone() as Arc<dyn Device>).unwrap();
    // Time stands still: it cannot end.
    let sent = send(&gate, &opened, 0xC004, &[], None);
    let outcome = sent.outcome.unwrap();
    assert_eq!(outcome.record.status, "running");
    assert_eq!(outcome.record.background.unwrap().percent, Some(0));
    // Another one is refused by the device, not by the gate.
    let busy = send(&gate, &opened, 0xC004, &[], None).outcome.unwrap();
    assert_eq!((busy.failure, busy.record.return_code), (Some(Failure::Device), Some(6)));
    // It can be aborted.
    done(&gate, &opened, 0x0005, &[]);
    let ended = opened.background().unwrap();
    assert_eq!((ended.running, ended.return_code), (false, Some(0x12)));
}

#[test]
fn a_firmware_image_goes_in_parts_and_its_activation_voids_the_facts() {
    let gate = gate();
    let device = device(Options { background_us: 0, ..Options::cxl0() });
    let opened = gate.open(device.clone() as Arc<dyn Device>).unwrap();
    let before = opened.facts().firmware();
    // Header: full transfer to slot 2; then the package, larger than the mailbox.
    let mut image = vec![0u8; 128];
    image[1] = 2;
    image.extend(firmware::package("FW 9.9", &[0x5A; 5000]));
    done(&gate, &opened, 0x0201, &image);
    done(&gate, &opened, 0x0202, &[1, 2]);
    device.control(|device| device.power_cycle()).unwrap();
    let stale = send(&gate, &opened, 0xC000, &[], None).outcome.unwrap();
    assert_eq!(stale.failure, Some(Failure::FactsChanged));
    // Identify is a sourced read and goes on; so does everything once the facts are read again.
    done(&gate, &opened, 0x4000, &[]);
    let again = gate.open(device as Arc<dyn Device>).unwrap();
    assert_ne!(again.facts().firmware(), before);
    assert_eq!(again.facts().firmware(), "FW 9.9");
    done(&gate, &again, 0xC000, &[]);
}

#[test]
fn on_a_driven_device_the_kernels_ground_is_redirected_to_its_interface() {
    let gate = gate();
    let device = device(Options::cxl1());
    let opened = gate.open(device.clone() as Arc<dyn Device>).unwrap();
    let inject = 0x1000u64.to_le_bytes();
    let sent = send(&gate, &opened, 0x4301, &inject, None);
    assert_eq!(
        (sent.explanation.verdict, sent.explanation.headline()),
        ("redirect", "kernel-owned")
    );
    assert!(sent.explanation.interface.is_some());
    assert_eq!(sent.explanation.interface_refusal, None);
    assert!(sent.outcome.is_none());
    // Whose scope is too low would be refused there as well, and is told so at once.
    let low = send(&gate, &opened, 0x4301, &inject, Some(Scope::DebugRead));
    assert_eq!(low.explanation.verdict, "deny");
    // The same by the kernel's own interface is allowed, done, and on record.
    let interfaces = device.interfaces();
    let key = "cxl-poison-debugfs";
    let debugfs = interfaces.iter().find(|interface| interface.key() == key).unwrap();
    let route = Kernel { interface: "cxl-poison-debugfs" };
    let sent = gate
        .run(&opened, debugfs, request(route, 0x4301, &inject, None), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(sent.explanation.verdict, "allow", "{:?}", sent.explanation.reasons);
    assert_eq!(sent.explanation.path, Some("kernel-interface"));
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    // A record made out for one interface does not open another.
    let scrub = interfaces.iter().find(|interface| interface.key() == "edac-scrub").unwrap();
    let sent = gate
        .run(&opened, scrub, request(route, 0x4301, &inject, None), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(sent.outcome.unwrap().record.status, "failed");
    // Opaque commands of the same device are nobody's ground but the driver's, which agreed.
    done(&gate, &opened, 0xC000, &[]);
}

#[test]
fn the_emulated_kernel_sends_an_image_in_parts_as_the_real_one_does() {
    let gate = gate();
    let time = Arc::new(ManualTime::new(1));
    let emulated = EmulatedCxl::in_memory(Options::cxl1(), time.clone()).unwrap();
    let device = CxlDevice::new(emulated);
    let opened = gate.open(device.clone() as Arc<dyn Device>).unwrap();
    let interfaces = device.interfaces();
    let key = "firmware-upload";
    let upload = interfaces.iter().find(|interface| interface.key() == key).unwrap();
    let mut image = vec![0; 128];
    image[1] = 2;
    image.extend(firmware::package("FW 9.9", &[0x5A; 5000]));
    let before = device.control(|device| device.commands_taken());
    let route = Kernel { interface: "firmware-upload" };
    let deadline = Duration::from_secs(10);
    let asked = Request { deadline, ..request(route, 0x0201, &image, None) };
    let mut progress = |_| {
        time.advance(1_000_000);
        ControlFlow::Continue(())
    };
    let sent = gate.run(&opened, upload, asked, &mut progress).unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!(outcome.record.status, "done", "{:?}", outcome.record);
    let taken = device.control(|device| device.commands_taken()) - before;
    assert!(taken > 1, "{taken} commands for {} bytes", image.len());
}

#[test]
fn on_a_device_that_nobody_drives_no_ground_is_owned() {
    let gate = gate();
    let opened = gate.open(device(Options::cxl0())).unwrap();
    let sent = send(&gate, &opened, 0x4301, &0x1000u64.to_le_bytes(), None);
    assert_eq!(sent.explanation.verdict, "allow", "{:?}", sent.explanation.reasons);
}

#[test]
fn security_state_is_refused_on_both_profiles() {
    let gate = gate();
    for options in [Options::cxl0(), Options::cxl1()] {
        let opened = gate.open(device(options)).unwrap();
        let sent = send(&gate, &opened, 0x4400, &[], None);
        assert_eq!(sent.explanation.headline(), "security-state");
        assert!(sent.outcome.is_none());
    }
}

fn with_faults(plan: &str) -> Arc<CxlDevice> {
    let faults = Some(FaultPlan::parse(plan).unwrap());
    device(Options { faults, ..Options::cxl0() })
}

/// Commands that reading the facts takes.
fn probes() -> u64 {
    let device = device(Options::cxl0());
    gate().open(device.clone() as Arc<dyn Device>).unwrap();
    device.control(|device| device.commands_taken())
}

#[test]
fn a_faulty_reply_is_a_transport_failure_and_nothing_is_sent_twice() {
    let after = probes();
    for (kind, runs) in [
        (r#""never""#, 1),
        (r#"{"long":{"claim":2000000}}"#, 1),
        (r#"{"wrong-opcode":{"echo":"0xC001"}}"#, 1),
        (r#""doorbell-stuck""#, 0),
        (r#""gone""#, 0),
    ] {
        let gate = gate();
        let opcode = if runs == 1 { r#""opcode":"0xC000","# } else { "" };
        let after = if runs == 1 { 0 } else { after };
        let device =
            with_faults(&format!(r#"{{"rules":[{{{opcode}"after":{after},"kind":{kind}}}]}}"#));
        let opened = gate.open(device.clone() as Arc<dyn Device>).unwrap();
        let taken = device.control(|device| device.commands_taken());
        let outcome = send(&gate, &opened, 0xC000, &[], None).outcome.unwrap();
        assert_eq!(outcome.failure, Some(Failure::Transport), "{kind}: {:?}", outcome.record);
        assert!(outcome.reply.is_empty(), "{kind}");
        let ran = device.control(|device| device.commands_taken()) - taken;
        assert_eq!(ran, runs, "{kind}");
    }
}

#[test]
fn a_truncated_log_gives_no_facts_and_nothing_is_sent() {
    let gate = gate();
    let plan = r#"{"rules":[{"opcode":"0x0401","kind":{"log-truncated":{"bytes":6}}}]}"#;
    let error = gate.open(with_faults(plan)).unwrap_err();
    assert!(error.to_string().contains("command effects log"), "{error}");
}

#[test]
fn duplicate_rows_make_the_log_incredible_and_opaque_commands_dear() {
    let gate = gate();
    let plan = r#"{"rules":[{"opcode":"0x0401","kind":"duplicate-rows"}]}"#;
    let opened = gate.open(with_faults(plan)).unwrap();
    assert!(!opened.facts().credible());
    let sent = send(&gate, &opened, 0xC000, &[], Some(Scope::DebugRead));
    assert_eq!(sent.explanation.headline(), "scope-too-low");
}

#[test]
fn a_log_that_changes_after_an_activation_raises_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let gate = gate().remembering(fwgate_gate::KnownLogs::new(folder.path().to_owned()));
    let plan = r#"{"rules":[],"log_after_activation":[{"opcode":"0xC006","effects":"0x0002"}]}"#;
    let faults = Some(FaultPlan::parse(plan).unwrap());
    let device = device(Options { faults, background_us: 0, ..Options::cxl0() });
    let opened = gate.open(device.clone() as Arc<dyn Device>).unwrap();
    assert_eq!(opened.alert(), None);
    let before = request(Firmware, 0xC006, &[7, 0, 0, 0], None);
    let scope = |opened: &Opened, asked| gate.explain(opened, asked, |why, _| why.required_scope);
    assert_eq!(scope(&opened, &before).unwrap(), "debug-read");
    let mut image = vec![0u8; 128];
    image[1] = 2;
    image.extend(firmware::package("FW 9.9", &[0x5A; 100]));
    done(&gate, &opened, 0x0201, &image);
    done(&gate, &opened, 0x0202, &[1, 2]);
    device.control(|device| device.power_cycle()).unwrap();
    let again = gate.open(device as Arc<dyn Device>).unwrap();
    assert!(again.alert().unwrap().contains("to `FW 9.9`"), "{:?}", again.alert());
    assert_eq!(scope(&again, &before).unwrap(), "debug-write-full");
}
