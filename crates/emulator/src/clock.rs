// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time an emulated device lives in.
//!
//! *Invariants*: time does not run backwards within one source; a pause moves it forward.
//!
//! *Not here*: deadlines of the gate.
//!
//! *Spec*: none.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where an emulated device gets its time from. The device calls it; callers of the device may share it.
pub trait TimeSource: Debug + Send + Sync {
    /// Microseconds since 1970. Never less than an earlier answer of the same source.
    fn now_us(&self) -> u64;

    /// Waits about `us` microseconds, or makes it look so.
    fn pause(&self, us: u64);
}

/// The host's clock: read once, then carried on by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct WallTime {
    base_us: u64,
    started: Instant,
}

impl WallTime {
    /// Starts at the host's present time.
    #[must_use]
    pub fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { base_us: micros(since), started: Instant::now() }
    }
}

impl Default for WallTime {
    fn default() -> Self {
        Self::new()
    }
}

impl TimeSource for WallTime {
    fn now_us(&self) -> u64 {
        self.base_us.saturating_add(micros(self.started.elapsed()))
    }

    fn pause(&self, us: u64) {
        std::thread::sleep(Duration::from_micros(us));
    }
}

/// Time that stands still until it is moved. Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualTime(Arc<AtomicU64>);

impl ManualTime {
    /// Starts at `us` microseconds since 1970.
    #[must_use]
    pub fn new(us: u64) -> Self {
        Self(Arc::new(AtomicU64::new(us)))
    }

    /// Moves time forward by `us` microseconds.
    pub fn advance(&self, us: u64) {
        self.0.fetch_add(us, Ordering::SeqCst);
    }
}

impl TimeSource for ManualTime {
    fn now_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn pause(&self, us: u64) {
        self.advance(us);
    }
}

/// The same time as the mailbox driver wants it.
#[derive(Clone, Debug)]
pub(crate) struct DriverClock(pub(crate) Arc<dyn TimeSource>);

impl fwgate_wire::cxl::Clock for DriverClock {
    fn now_us(&mut self) -> u64 {
        self.0.now_us()
    }

    fn pause(&mut self, us: u64) {
        self.0.pause(us);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_time_moves_only_when_it_is_moved_and_is_shared_by_clones() {
        let time = ManualTime::new(5);
        let other = time.clone();
        assert_eq!(time.now_us(), 5);
        other.advance(10);
        time.pause(1);
        assert_eq!(other.now_us(), 16);
    }

    #[test]
    fn wall_time_goes_forward_over_a_pause() {
        let time = WallTime::new();
        let before = time.now_us();
        time.pause(200);
        assert!(time.now_us() >= before + 200);
    }
}
