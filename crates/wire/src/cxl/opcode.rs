// SPDX-License-Identifier: MIT OR Apache-2.0
//! CXL command numbers.
//!
//! An opcode is a plain number; holding one says nothing about whether a device supports it.
//!
//! *Invariants*: all 65 536 values are representable; none is refused here.
//!
//! *Not here*: names, sizes and effects of commands (the command table).
//!
//! *Spec*: `drivers/cxl/cxlmem.h` @ v7.3, computexpresslink/libcxlmi `src/cxlmi/api-types.h`.

use core::fmt;

/// A CXL command number: command set in the high byte, command in the low byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opcode(pub u16);

impl Opcode {
    /// First opcode of the vendor range, which runs to FFFFh.
    pub const VENDOR_FIRST: Self = Self(0xc000);

    /// The command set (high byte).
    #[must_use]
    pub const fn set(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// The command within its set (low byte).
    #[must_use]
    pub const fn command(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// Whether the opcode is in the vendor range C000h to FFFFh.
    #[must_use]
    pub const fn is_vendor(self) -> bool {
        self.0 >= Self::VENDOR_FIRST.0
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04X}", self.0)
    }
}

impl From<u16> for Opcode {
    fn from(value: u16) -> Self {
        Self(value)
    }
}

impl From<Opcode> for u16 {
    fn from(value: Opcode) -> Self {
        value.0
    }
}

macro_rules! opcodes {
    ($($name:ident = $value:literal, $title:literal;)+) => {
        $(
            #[doc = concat!($title, ".")]
            pub const $name: Opcode = Opcode($value);
        )+
    };
}

opcodes! {
    IDENTIFY = 0x0001, "Identify (the component, not the memory device)";
    BACKGROUND_OPERATION_STATUS = 0x0002, "Background Operation Status";
    GET_RESPONSE_MESSAGE_LIMIT = 0x0003, "Get Response Message Limit";
    SET_RESPONSE_MESSAGE_LIMIT = 0x0004, "Set Response Message Limit";
    REQUEST_ABORT_BACKGROUND_OPERATION = 0x0005, "Request Abort Background Operation";
    GET_EVENT_RECORDS = 0x0100, "Get Event Records";
    CLEAR_EVENT_RECORDS = 0x0101, "Clear Event Records";
    GET_EVENT_INTERRUPT_POLICY = 0x0102, "Get Event Interrupt Policy";
    SET_EVENT_INTERRUPT_POLICY = 0x0103, "Set Event Interrupt Policy";
    GET_FW_INFO = 0x0200, "Get FW Info";
    TRANSFER_FW = 0x0201, "Transfer FW";
    ACTIVATE_FW = 0x0202, "Activate FW";
    GET_TIMESTAMP = 0x0300, "Get Timestamp";
    SET_TIMESTAMP = 0x0301, "Set Timestamp";
    GET_SUPPORTED_LOGS = 0x0400, "Get Supported Logs";
    GET_LOG = 0x0401, "Get Log";
    GET_LOG_CAPABILITIES = 0x0402, "Get Log Capabilities";
    CLEAR_LOG = 0x0403, "Clear Log";
    POPULATE_LOG = 0x0404, "Populate Log";
    GET_SUPPORTED_LOGS_SUB_LIST = 0x0405, "Get Supported Logs Sub-List";
    GET_SUPPORTED_FEATURES = 0x0500, "Get Supported Features";
    GET_FEATURE = 0x0501, "Get Feature";
    SET_FEATURE = 0x0502, "Set Feature";
    PERFORM_MAINTENANCE = 0x0600, "Perform Maintenance";
    IDENTIFY_MEMORY_DEVICE = 0x4000, "Identify Memory Device";
    GET_PARTITION_INFO = 0x4100, "Get Partition Info";
    SET_PARTITION_INFO = 0x4101, "Set Partition Info";
    GET_LSA = 0x4102, "Get LSA";
    SET_LSA = 0x4103, "Set LSA";
    GET_HEALTH_INFO = 0x4200, "Get Health Info";
    GET_ALERT_CONFIGURATION = 0x4201, "Get Alert Configuration";
    SET_ALERT_CONFIGURATION = 0x4202, "Set Alert Configuration";
    GET_SHUTDOWN_STATE = 0x4203, "Get Shutdown State";
    SET_SHUTDOWN_STATE = 0x4204, "Set Shutdown State";
    GET_POISON_LIST = 0x4300, "Get Poison List";
    INJECT_POISON = 0x4301, "Inject Poison";
    CLEAR_POISON = 0x4302, "Clear Poison";
    GET_SCAN_MEDIA_CAPABILITIES = 0x4303, "Get Scan Media Capabilities";
    SCAN_MEDIA = 0x4304, "Scan Media";
    GET_SCAN_MEDIA_RESULTS = 0x4305, "Get Scan Media Results";
    SANITIZE = 0x4400, "Sanitize";
    SECURE_ERASE = 0x4401, "Secure Erase";
    MEDIA_OPERATIONS = 0x4402, "Media Operations";
    GET_SECURITY_STATE = 0x4500, "Get Security State";
    SET_PASSPHRASE = 0x4501, "Set Passphrase";
    DISABLE_PASSPHRASE = 0x4502, "Disable Passphrase";
    UNLOCK = 0x4503, "Unlock";
    FREEZE_SECURITY_STATE = 0x4504, "Freeze Security State";
    PASSPHRASE_SECURE_ERASE = 0x4505, "Passphrase Secure Erase";
    SECURITY_SEND = 0x4600, "Security Send";
    SECURITY_RECEIVE = 0x4601, "Security Receive";
    PHYSICAL_PORT_CONTROL = 0x5102, "Physical Port Control";
    TUNNEL_MANAGEMENT_COMMAND = 0x5300, "Tunnel Management Command";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_vendor_range_starts_at_c000h() {
        assert!(!Opcode(0xbfff).is_vendor());
        assert!(Opcode(0xc000).is_vendor());
        assert!(Opcode(0xffff).is_vendor());
    }

    #[test]
    fn an_opcode_is_shown_with_four_upper_case_digits() {
        assert_eq!(Opcode(0xc001).to_string(), "0xC001");
        assert_eq!(Opcode(0x1).to_string(), "0x0001");
    }

    #[test]
    fn the_set_is_the_high_byte() {
        assert_eq!(SET_FEATURE.set(), 0x05);
        assert_eq!(SET_FEATURE.command(), 0x02);
    }
}
