// SPDX-License-Identifier: MIT OR Apache-2.0
//! What EDAC offers for a memdev: patrol scrub, error check scrub, memory repair.
//!
//! *Invariants*: a Set Feature is done only if the attributes say all of it. The kernel always saves
//! across resets and uses its own version of a feature; a command that says otherwise is refused.
//!
//! *Spec*: `drivers/edac/{scrub,ecs,mem_repair}.c`, `drivers/cxl/core/edac.c @ v7.3`.

pub(super) mod ecs;
pub(super) mod repair;
pub(super) mod scrub;

use std::path::Path;

use fwgate_gate::SubmitError;
use fwgate_wire::cxl::features::{
    FeatureSelection, FeatureTransfer, GetFeatureRequest, SetFeatureRequest,
};
use uuid::Uuid;

use super::acts::nothing;
use super::attribute;
use super::errno::{self, Rules, no_way};

pub(super) const GET_FEATURE: u16 = 0x0501;
pub(super) const SET_FEATURE: u16 = 0x0502;
/// "Saved across reset" in the flags of a Set Feature.
const SAVED: u32 = 1 << 3;

/// The data of a Set Feature, whole and saved, for this feature.
pub(super) fn set_data(payload: &[u8], uuid: Uuid) -> Result<&[u8], SubmitError> {
    let request = SetFeatureRequest::parse(payload).map_err(|error| nothing(error.to_string()))?;
    let header = request.header();
    if header.uuid() != uuid {
        return Err(no_way(format!("the attributes do not set the feature {}", header.uuid())));
    }
    if header.flags().transfer() != FeatureTransfer::Full || header.offset.get() != 0 {
        return Err(no_way("the kernel sets the whole feature at once"));
    }
    if header.flags().0 & !7 != SAVED {
        return Err(no_way(
            "the kernel saves the setting across resets, always: the command must say so (flag bit 3)",
        ));
    }
    Ok(request.data())
}

/// The part that a Get Feature asks for, of the current value of this feature.
pub(super) fn get_part(payload: &[u8], uuid: Uuid) -> Result<core::ops::Range<usize>, SubmitError> {
    let request = GetFeatureRequest::parse(payload).map_err(|error| nothing(error.to_string()))?;
    if request.uuid() != uuid {
        return Err(no_way(format!("the attributes do not show the feature {}", request.uuid())));
    }
    if request.selection() != FeatureSelection::Current {
        return Err(no_way("the attributes show the current value, neither default nor saved one"));
    }
    let start = usize::from(request.offset.get());
    Ok(start..start.saturating_add(usize::from(request.count.get())))
}

/// Reads a number from an attribute, for which the kernel asks the device.
pub(super) fn number(folder: &Path, file: &str, rules: &Rules) -> Result<u64, SubmitError> {
    let path = folder.join(file);
    attribute::number(&path).map_err(|failed| errno::error(&path, failed, rules))
}

/// Writes a number to an attribute.
pub(super) fn put(
    folder: &Path,
    file: &str,
    number: u64,
    rules: &Rules,
) -> Result<(), SubmitError> {
    let path = folder.join(file);
    attribute::put(&path, &number.to_string()).map_err(|failed| errno::error(&path, failed, rules))
}

/// Settings of one command that the kernel sends as several, each of which acts.
#[derive(Debug, Default)]
pub(super) struct Steps {
    done: Vec<&'static str>,
}

impl Steps {
    /// Notes a step that was done; the error of one that failed says which were done before.
    pub(super) fn note(
        &mut self,
        name: &'static str,
        result: Result<(), SubmitError>,
    ) -> Result<(), SubmitError> {
        let error = match result {
            Ok(()) => {
                self.done.push(name);
                return Ok(());
            }
            Err(error) => error,
        };
        if self.done.is_empty() {
            return Err(error);
        }
        let done = self.done.join("`, `");
        Err(SubmitError::Transport {
            what: format!("`{done}` was set, and then `{name}` was not: {error}"),
            may_have_run: true,
        })
    }
}
