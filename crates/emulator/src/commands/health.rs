// SPDX-License-Identifier: MIT OR Apache-2.0
//! Set 42h: health, alert thresholds and the shutdown state (4200h to 4204h).
//!
//! *Spec*: CXL r3.1 8.2.9.9.3.1 to 8.2.9.9.3.5. The critical thresholds are this device's own.

use fwgate_wire::cxl::ReturnCode;
use serde::{Deserialize, Serialize};

use super::events::Severity;
use crate::bytes::{Put as _, Reader};
use crate::engine::{Done, Engine, Handled};
use crate::store::BadField;

/// Alert bits 0 to 4: life used, over temperature, under temperature, corrected volatile errors, corrected
/// persistent errors.
const ALERTS: u8 = 0x1f;
const LIFE: u8 = 1 << 0;
const HOT: u8 = 1 << 1;
const COLD: u8 = 1 << 2;
/// Critical thresholds: percent of life, degrees Celsius.
const CRITICAL_LIFE: u8 = 90;
const CRITICAL_HOT: i16 = 85;
const CRITICAL_COLD: i16 = -10;

/// Health counters and thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Health {
    life_used: u8,
    temperature: i16,
    dirty_shutdowns: u32,
    corrected_volatile: u32,
    corrected_persistent: u32,
    /// Bit n: warning n is on.
    warnings: u8,
    warn_life: u8,
    warn_hot: i16,
    warn_cold: i16,
    warn_volatile: u16,
    warn_persistent: u16,
    /// 0 clean, 1 dirty.
    shutdown_state: u8,
}

impl Health {
    /// The kernel's nvdimm driver marks the shutdown state dirty when it binds, `drivers/cxl/pmem.c @ v7.3`.
    pub(crate) fn new(driven: bool) -> Self {
        Self {
            life_used: 3,
            temperature: 42,
            dirty_shutdowns: 0,
            corrected_volatile: 2,
            corrected_persistent: 1,
            warnings: LIFE | HOT,
            warn_life: 75,
            warn_hot: 70,
            warn_cold: 0,
            warn_volatile: 0,
            warn_persistent: 0,
            shutdown_state: u8::from(driven),
        }
    }

    pub(crate) fn check(&self) -> Result<(), BadField> {
        BadField::unless(
            self.life_used <= 100,
            "health.life_used",
            "expected percent",
            self.life_used,
        )?;
        BadField::unless(
            self.warnings & !ALERTS == 0,
            "health.warnings",
            "expected bits 0 to 4",
            self.warnings,
        )?;
        BadField::unless(
            self.shutdown_state <= 1,
            "health.shutdown_state",
            "expected 0 or 1",
            self.shutdown_state,
        )
    }

    pub(crate) fn temperature(&self) -> i16 {
        self.temperature
    }

    /// Power went while the state was dirty: that is counted.
    pub(crate) fn power_cycle(&mut self) {
        self.dirty_shutdowns = self.dirty_shutdowns.saturating_add(u32::from(self.shutdown_state));
    }

    /// The 18 bytes of Get Health Info.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        // Health status, media status: nothing to report.
        out.put(&[0, 0]);
        // Additional status: bits 1:0 life used, bits 3:2 temperature; 0 normal, 1 warning.
        let hot = self.warnings & HOT != 0 && self.temperature >= self.warn_hot;
        let cold = self.warnings & COLD != 0 && self.temperature <= self.warn_cold;
        let old = self.warnings & LIFE != 0 && self.life_used >= self.warn_life;
        out.put_u8(u8::from(old) | u8::from(hot || cold) << 2);
        out.put_u8(self.life_used);
        out.put(&self.temperature.to_le_bytes());
        out.put_u32(self.dirty_shutdowns);
        out.put_u32(self.corrected_volatile);
        out.put_u32(self.corrected_persistent);
    }
}

/// 4200h.
pub(crate) fn info(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    engine.state.health.put(reply);
    Ok(Done::Now)
}

/// 4201h: which warnings are on, which can be set, critical thresholds, warning thresholds.
pub(crate) fn alerts(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    let health = &engine.state.health;
    reply.put(&[health.warnings, ALERTS, CRITICAL_LIFE, health.warn_life]);
    for degrees in [CRITICAL_HOT, CRITICAL_COLD, health.warn_hot, health.warn_cold] {
        reply.put(&degrees.to_le_bytes());
    }
    reply.put_u16(health.warn_volatile);
    reply.put_u16(health.warn_persistent);
    Ok(Done::Now)
}

/// 4202h: the first byte says which warnings to change, the second which of those to switch on.
pub(crate) fn set_alerts(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let (which, enable, life) = (reader.u8()?, reader.u8()?, reader.u8()?);
    reader.u8()?;
    let hot = i16::from_le_bytes(reader.array()?);
    let cold = i16::from_le_bytes(reader.array()?);
    let (volatile, persistent) = (reader.u16()?, reader.u16()?);
    let on = which & enable;
    let wrong = (which | enable) & !ALERTS != 0
        || on & LIFE != 0 && life >= CRITICAL_LIFE
        || on & HOT != 0 && hot >= CRITICAL_HOT
        || on & COLD != 0 && cold <= CRITICAL_COLD;
    if wrong {
        return Err(ReturnCode::INVALID_INPUT);
    }
    let health = &mut engine.change().health;
    health.warnings = health.warnings & !which | on;
    for (bit, value, field) in
        [(HOT, hot, &mut health.warn_hot), (COLD, cold, &mut health.warn_cold)]
    {
        if on & bit != 0 {
            *field = value;
        }
    }
    if on & LIFE != 0 {
        health.warn_life = life;
    }
    if on & 1 << 3 != 0 {
        health.warn_volatile = volatile;
    }
    if on & 1 << 4 != 0 {
        health.warn_persistent = persistent;
    }
    let mut now = Vec::new();
    health.put(&mut now);
    if now.get(2).is_some_and(|status| *status != 0) {
        engine.log(Severity::Warning, "an alert threshold is passed");
    }
    Ok(Done::Now)
}

/// 4203h.
pub(crate) fn shutdown_state(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    reply.put_u8(engine.state.health.shutdown_state);
    Ok(Done::Now)
}

/// 4204h.
pub(crate) fn set_shutdown_state(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let state = Reader::new(input).u8()?;
    if state > 1 {
        return Err(ReturnCode::INVALID_INPUT);
    }
    engine.change().health.shutdown_state = state;
    Ok(Done::Now)
}
