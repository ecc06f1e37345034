// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a reply shows to who receives it.
//!
//! A command that changes nothing may still hand out another user's data or a key; so this is
//! judged beside the effects and never derived from them.
//!
//! *Not here*: what a caller may be shown (`right`).

use core::fmt;

/// How much a reply shows, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Disclosure {
    /// Nothing beyond success or failure.
    None = 0,
    /// What the device is: model, serial, firmware, capabilities, logs of capabilities.
    Identity = 1,
    /// How the device is: temperature, wear, counters, configuration.
    Health = 2,
    /// Objects that other users or drivers own: addresses, labels, keys' names.
    OthersObjects = 3,
    /// Memory or state dumps, which may hold user data.
    Dump = 4,
    /// Keys, passphrases, values that grant something; and whatever is not known.
    Secret = 5,
}

impl Disclosure {
    /// All levels, least first.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Identity, Self::Health, Self::OthersObjects, Self::Dump, Self::Secret];

    /// The level's name, as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Identity => "identity",
            Self::Health => "health",
            Self::OthersObjects => "others-objects",
            Self::Dump => "dump",
            Self::Secret => "secret",
        }
    }

    /// The level of that name, if there is one.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl fmt::Display for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
