// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device answers to a CXL command.
//!
//! The code comes from the device and is not trusted: a device can answer anything.
//!
//! *Invariants*: all 65 536 values are representable; a value without a known name has none.
//!
//! *Not here*: the errno the kernel makes of a code (`docs`).
//!
//! *Spec*: `drivers/cxl/cxlmem.h` @ v7.3 (00h to 1Eh); QEMU `include/hw/cxl/cxl_device.h` and
//! libcxlmi (1Fh, 20h).

use core::fmt;

/// A CXL command return code, as the device gave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReturnCode(pub u16);

/// Whether sending the same command again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No; or not known, which is treated the same.
    No,
    /// Once, at once.
    Once,
    /// After what is in the way has ended: a background operation or a transfer.
    Later,
    /// Only if the caller wants it: the operation was cut short.
    CallerChoice,
}

macro_rules! codes {
    ($($konst:ident = $value:literal, $name:literal, $retry:ident, $meaning:literal;)+) => {
        impl ReturnCode {
            $(
                #[doc = concat!($name, ": ", $meaning, ".")]
                pub const $konst: Self = Self($value);
            )+

            /// The specification's name; `None` for a reserved or vendor value.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)+
                    _ => None,
                }
            }

            /// What the code means, in plain words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self.0 {
                    $($value => $meaning,)+
                    _ => "reserved or vendor value",
                }
            }

            /// Whether the same command can be sent again.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self.0 {
                    $($value => Retry::$retry,)+
                    _ => Retry::No,
                }
            }
        }

        #[cfg(test)]
        const ALL: &[(ReturnCode, &str)] = &[$((ReturnCode::$konst, $name)),+];
    };
}

codes! {
    SUCCESS = 0x00, "Success", No, "done";
    BACKGROUND_STARTED = 0x01, "Background Started", No, "accepted, running in the background";
    INVALID_INPUT = 0x02, "Invalid Input", No, "an input field is out of range";
    UNSUPPORTED = 0x03, "Unsupported", No, "opcode or option not implemented";
    INTERNAL_ERROR = 0x04, "Internal Error", No, "the device failed internally";
    RETRY_REQUIRED = 0x05, "Retry Required", Once, "temporary fault, one retry is suggested";
    BUSY = 0x06, "Busy", Later, "a background operation is running";
    MEDIA_DISABLED = 0x07, "Media Disabled", No, "needs media, and media is off";
    FW_TRANSFER_IN_PROGRESS = 0x08, "FW Transfer in Progress", Later,
        "another firmware package transfer is open";
    FW_TRANSFER_OUT_OF_ORDER = 0x09, "FW Transfer Out of Order", No,
        "package parts arrived out of order, transfer dropped";
    FW_VERIFICATION_FAILED = 0x0a, "FW Verification Failed", No, "package failed verification";
    INVALID_SLOT = 0x0b, "Invalid Slot", No, "slot number unusable for this request";
    ACTIVATION_FAILED_ROLLED_BACK = 0x0c, "Activation Failed, FW Rolled Back", No,
        "activation failed, the old firmware is back";
    ACTIVATION_FAILED_COLD_RESET = 0x0d, "Activation Failed, Cold Reset Required", No,
        "activation failed and a cold reset is needed";
    INVALID_HANDLE = 0x0e, "Invalid Handle", No, "event handle wrong or out of order";
    INVALID_PHYSICAL_ADDRESS = 0x0f, "Invalid Physical Address", No, "address out of range";
    INJECT_POISON_LIMIT = 0x10, "Inject Poison Limit Reached", No, "too many injected poisons";
    PERMANENT_MEDIA_FAILURE = 0x11, "Permanent Media Failure", No,
        "poison could not be cleared, the media is bad";
    ABORTED = 0x12, "Aborted", CallerChoice,
        "background operation ended by the device or by an abort request";
    INVALID_SECURITY_STATE = 0x13, "Invalid Security State", No,
        "not allowed in the present security state";
    INCORRECT_PASSPHRASE = 0x14, "Incorrect Passphrase", No, "wrong passphrase, which is counted";
    UNSUPPORTED_MAILBOX = 0x15, "Unsupported Mailbox or CCI", No,
        "valid command on the wrong mailbox or CCI";
    INVALID_PAYLOAD_LENGTH = 0x16, "Invalid Payload Length", No,
        "length wrong for the command or above the maximum";
    INVALID_LOG = 0x17, "Invalid Log", No, "log UUID unsupported or invalid";
    INTERRUPTED = 0x18, "Interrupted", CallerChoice, "cut short by an asynchronous event";
    UNSUPPORTED_FEATURE_VERSION = 0x19, "Unsupported Feature Version", No,
        "Set Feature version not accepted";
    UNSUPPORTED_FEATURE_SELECTION = 0x1a, "Unsupported Feature Selection Value", No,
        "Get Feature selection not available";
    FEATURE_TRANSFER_IN_PROGRESS = 0x1b, "Feature Transfer in Progress", Later,
        "another transfer for that feature is open";
    FEATURE_TRANSFER_OUT_OF_ORDER = 0x1c, "Feature Transfer Out of Order", No,
        "parts out of order, transfer dropped";
    RESOURCES_EXHAUSTED = 0x1d, "Resources Exhausted", No, "the device has no room";
    INVALID_EXTENT_LIST = 0x1e, "Invalid Extent List", No,
        "dynamic capacity extent list malformed";
    TRANSFER_OUT_OF_ORDER = 0x1f, "Transfer Out of Order", No,
        "multi-part transfer out of order";
    ABORT_NOT_SUPPORTED = 0x20, "Request Abort Not Supported", No,
        "the running background operation cannot be aborted";
}

impl ReturnCode {
    /// The last code in the table of Linux 7.3. That kernel reads its table without a bounds check, so
    /// a device in software must not answer above this to it.
    pub const LINUX_LAST: Self = Self(0x1e);

    /// Whether the code is 0.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }

    /// Whether sending the same command again can help without another command in between.
    #[must_use]
    pub const fn is_retriable(self) -> bool {
        !matches!(self.retry(), Retry::No)
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "0x{:02X} {name}", self.0),
            None => write!(f, "0x{:02X}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_known_codes_run_from_0_to_20h_without_a_gap() {
        assert_eq!(ALL.len(), 0x21);
        for (index, (code, name)) in ALL.iter().enumerate() {
            assert_eq!(usize::from(code.0), index);
            assert_eq!(code.name(), Some(*name));
        }
        assert_eq!(ReturnCode(0x21).name(), None);
        assert_eq!(ReturnCode(0xffff).meaning(), "reserved or vendor value");
    }

    #[test]
    fn only_passing_faults_are_retriable() {
        let retriable: std::vec::Vec<u16> =
            (0..=0xffff).filter(|code| ReturnCode(*code).is_retriable()).collect();
        assert_eq!(retriable, [0x05, 0x06, 0x08, 0x12, 0x18, 0x1b]);
        assert_eq!(ReturnCode::RETRY_REQUIRED.retry(), Retry::Once);
        assert_eq!(ReturnCode::BUSY.retry(), Retry::Later);
    }

    #[test]
    fn a_code_is_shown_with_its_name_when_it_has_one() {
        assert_eq!(ReturnCode(6).to_string(), "0x06 Busy");
        assert_eq!(ReturnCode(0x1234).to_string(), "0x1234");
    }
}
