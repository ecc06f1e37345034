// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulated kernel's interfaces, down to the device.

use fwgate_wire::cxl::ReturnCode;
use fwgate_wire::cxl::features::feature_uuid;

use super::{PATIENCE, Rig};
use crate::device::{Completed, Options};
use crate::kernel::{EmulatedInterface, KernelError};

fn run(
    rig: &mut Rig,
    interface: EmulatedInterface,
    opcode: u16,
    input: &[u8],
) -> Result<(Completed, Vec<u8>), KernelError> {
    let mut reply = vec![1, 2, 3];
    let deadline = rig.device.deadline_in(PATIENCE);
    let completed = rig.device.run_by_kernel(interface, opcode, input, &mut reply, deadline)?;
    Ok((completed, reply))
}

#[test]
fn scrub_by_sysfs_sets_the_feature_on_the_device() {
    let mut rig = Rig::with(Options::cxl1());
    let mut input = feature_uuid::PATROL_SCRUB.as_bytes().to_vec();
    input.extend_from_slice(&[0, 0, 0, 0, 0, 0, 1]);
    input.resize(32, 0);
    input.extend_from_slice(&[36, 1]);
    let (completed, _) = run(&mut rig, EmulatedInterface::EdacScrub, 0x0502, &input).unwrap();
    assert_eq!(completed.return_code, ReturnCode::SUCCESS);
    let mut input = feature_uuid::PATROL_SCRUB.as_bytes().to_vec();
    input.extend_from_slice(&[0, 0, 4, 0, 0]);
    assert_eq!(rig.ok(0x0501, &input), [1, 36, 1, 1]);
}

#[test]
fn a_command_that_the_kernel_refuses_does_not_reach_the_device() {
    let mut rig = Rig::with(Options::cxl1());
    let error = run(&mut rig, EmulatedInterface::Memdev, 0x4103, &[0; 16]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the emulated kernel refused with errno 16: exclusive to the nvdimm driver while it is bound"
    );
    let long = vec![0; 2049];
    let error = run(&mut rig, EmulatedInterface::NvdimmLabels, 0x4103, &long).unwrap_err();
    assert!(matches!(error, KernelError::Errno { errno: 22, .. }));
    assert_eq!(rig.device.commands_taken(), 0);
}

#[test]
fn a_device_that_nobody_drives_has_no_interface() {
    let mut rig = Rig::new();
    assert_eq!(rig.device.interfaces(), []);
    assert_eq!(Rig::with(Options::cxl1()).device.interfaces().len(), 14);
    let error = run(&mut rig, EmulatedInterface::CxlSanitize, 0x4400, &[]).unwrap_err();
    assert!(matches!(error, KernelError::Errno { errno: 6, .. }), "{error}");
    assert_eq!(rig.device.commands_taken(), 0);
}

#[test]
fn sanitize_by_sysfs_starts_the_devices_own_and_labels_are_written() {
    let mut rig = Rig::with(Options::cxl1());
    let labels = [4, 0, 0, 0, 0, 0, 0, 0, 7, 8];
    run(&mut rig, EmulatedInterface::NvdimmLabels, 0x4103, &labels).unwrap();
    let read = [4, 0, 0, 0, 2, 0, 0, 0];
    let (_, reply) = run(&mut rig, EmulatedInterface::NvdimmLabels, 0x4102, &read).unwrap();
    assert_eq!(reply, [7, 8]);
    let (completed, _) = run(&mut rig, EmulatedInterface::CxlSanitize, 0x4400, &[]).unwrap();
    assert!(completed.background);
}

#[test]
fn a_driven_device_has_its_time_and_shutdown_state_set() {
    let mut rig = Rig::with(Options::cxl1());
    assert_ne!(rig.ok(0x0300, &[]), [0; 8]);
    assert_eq!(rig.ok(0x4203, &[]), [1]);
    let mut rig = Rig::new();
    assert_eq!(rig.ok(0x0300, &[]), [0; 8]);
    assert_eq!(rig.ok(0x4203, &[]), [0]);
}
