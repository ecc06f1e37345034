// SPDX-License-Identifier: MIT OR Apache-2.0
//! `health`: how a device is: Get Health Info of CXL, the SMART page of NVMe.

use std::time::Duration;

use fwgate_policy::Protocol;

use crate::cli::typed::DeviceArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::Job;
use crate::message;
use crate::output::Ui;
use crate::output::table::pairs;

/// The SMART page, and the bytes of it.
const SMART: (u8, u32) = (0x02, 512);

/// Runs `health`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &DeviceArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("health")?;
    let mut job = Job::open(ui, &args.device, "health", timeout)?;
    let message = match job.opened().facts().identity().protocol {
        Protocol::Cxl => message::cxl(0x4200, []),
        // Of the whole controller.
        Protocol::NvmeAdmin | Protocol::NvmeIo => message::log_page(SMART.0, u32::MAX, SMART.1),
        Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => {
            return Err(job.wrong_language("health", "CXL memory devices and NVMe controllers"));
        }
    };
    let result = job.ask_decoded(&message).map(Some);
    job.finish(ui, "fwgate.health/1", result, |health, width| pairs(width, 0, &health.rows()))
}
