// SPDX-License-Identifier: MIT OR Apache-2.0
//! `identify`: what a device says it is.

use std::time::Duration;

use fwgate_policy::Protocol;

use crate::cli::typed::DeviceArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::Job;
use crate::message;
use crate::output::Ui;
use crate::output::table::pairs;

/// Runs `identify`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &DeviceArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("identify")?;
    let mut job = Job::open(ui, &args.device, "identify", timeout)?;
    let message = match job.opened().facts().identity().protocol {
        Protocol::Cxl => message::cxl(0x4000, []),
        Protocol::NvmeAdmin | Protocol::NvmeIo => message::identify_controller(),
        Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => {
            return Err(job.wrong_language("identify", "CXL memory devices and NVMe controllers"));
        }
    };
    let result = job.ask_decoded(&message).map(Some);
    job.finish(ui, "fwgate.identify/1", result, |identity, width| pairs(width, 0, &identity.rows()))
}
