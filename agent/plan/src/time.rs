//! Three clocks that must not be compared with each other, each with a type of its own. A length of time is a [`Duration`].

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

macro_rules! clock {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The moment this many milliseconds after the clock's zero.
            pub const fn from_millis(millis: u64) -> Self {
                Self(millis)
            }

            /// Milliseconds after the clock's zero.
            pub const fn as_millis(self) -> u64 {
                self.0
            }

            /// How long after `earlier` this is; nothing where it is before.
            pub fn since(self, earlier: Self) -> Duration {
                Duration::from_millis(self.0.saturating_sub(earlier.0))
            }
        }

        impl Add<Duration> for $name {
            type Output = Self;

            /// Saturates at the end of the clock.
            fn add(self, length: Duration) -> Self {
                Self(self.0.saturating_add(millis(length)))
            }
        }

        impl Sub<Duration> for $name {
            type Output = Self;

            /// Saturates at the clock's zero.
            fn sub(self, length: Duration) -> Self {
                Self(self.0.saturating_sub(millis(length)))
            }
        }

        /// Milliseconds, as [`FromStr`] reads them.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

clock! {
    /// Time since this host's kernel booted, suspend included (CLOCK_BOOTTIME). It never jumps, and says nothing on another
    /// host or after a reboot: deadlines and waits are told by it.
    SinceBoot
}

clock! {
    /// Unix time by a host's own clock. It may be wrong or jump: for what people read, never to decide who holds a slot.
    UnixTime
}

clock! {
    /// Unix time by the clock of the claims store, the only one on which the instances agree.
    StoreTime
}

/// A length of time in whole milliseconds, as records and files have it.
pub fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_lies_ahead_is_no_time_ago() {
        let (early, late) = (SinceBoot::from_millis(5), SinceBoot::from_millis(1_005));
        assert_eq!(late.since(early), Duration::from_secs(1));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early + Duration::MAX, SinceBoot::from_millis(u64::MAX));
    }

    #[test]
    fn a_moment_stands_in_records_and_files_as_its_milliseconds() {
        let at = UnixTime::from_millis(1_795_788_120_000);
        assert_eq!(serde_json::to_string(&at).unwrap(), "1795788120000");
        assert_eq!(at.to_string().parse(), Ok(at));
    }
}
