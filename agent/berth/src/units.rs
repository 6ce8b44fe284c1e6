//! Sizes, durations, ages and dates as people write them.

use berth_plan::UnixTime;
use berth_plan::time::millis;
use std::time::{Duration, UNIX_EPOCH};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A duration, in the unit that leaves at most three digits: `40 ms`, `3.2 s`, `4 s`, `2 min`, `5 h`, `12 days`.
pub(crate) fn duration(length: Duration) -> String {
    let millis = millis(length);
    match millis {
        0..SECOND => format!("{millis} ms"),
        SECOND..10_000 if millis % SECOND >= 100 => {
            format!("{}.{} s", millis / SECOND, millis % SECOND / 100)
        }
        SECOND..120_000 => format!("{} s", millis / SECOND),
        120_000..7_200_000 => format!("{} min", millis / MINUTE),
        7_200_000..172_800_000 => format!("{} h", millis / HOUR),
        _ => format!("{} days", millis / DAY),
    }
}

/// A moment: `2026-11-27 14:02 UTC`.
pub(crate) fn date(at: UnixTime) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at.as_millis());
    let text = humantime::format_rfc3339_seconds(at).to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

/// A moment and how long ago that is: `2026-11-27 14:02 UTC (12 min ago)`. Clocks may differ: a moment to come has no age.
pub(crate) fn since(at: UnixTime, now: UnixTime) -> String {
    match now.since(at).as_secs() {
        _ if now < at => date(at),
        0 => format!("{} (now)", date(at)),
        age => format!("{} ({} ago)", date(at), duration(Duration::from_secs(age))),
    }
}

/// A moment to come and how long that is: `2026-11-27 14:32 UTC (in 18 min)`.
pub(crate) fn until(at: UnixTime, now: UnixTime) -> String {
    match at.since(now).as_secs() {
        0 => format!("{} (passed)", date(at)),
        left => format!("{} (in {})", date(at), duration(Duration::from_secs(left))),
    }
}

/// The size of a volume, which AWS counts in GiB: `100 GiB`, `2 TiB`.
pub(crate) fn size(gib: u32) -> String {
    if gib >= 1024 && gib.is_multiple_of(1024) { format!("{} TiB", gib / 1024) } else { format!("{gib} GiB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixTime = UnixTime::from_millis(1_795_788_120_000);

    #[test]
    fn durations_have_the_unit_that_fits() {
        let said = [40, 3_210, 4_040, 59_900, 119_999, 120_000, 7_199_999, 7_200_000, 200_000_000]
            .map(|millis| duration(Duration::from_millis(millis)));
        assert_eq!(said, ["40 ms", "3.2 s", "4 s", "59 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
    }

    #[test]
    fn moments_have_a_date_and_an_age() {
        assert_eq!(date(AT), "2026-11-27 14:02 UTC");
        assert_eq!(since(AT, AT + Duration::from_secs(12 * 60)), "2026-11-27 14:02 UTC (12 min ago)");
        assert_eq!(since(AT + Duration::from_millis(5), AT), "2026-11-27 14:02 UTC");
        assert_eq!(since(AT, AT + Duration::from_millis(3_900)), "2026-11-27 14:02 UTC (3 s ago)");
        assert_eq!(since(AT, AT + Duration::from_millis(5)), "2026-11-27 14:02 UTC (now)");
        assert_eq!(until(AT + Duration::from_secs(18 * 60), AT), "2026-11-27 14:20 UTC (in 18 min)");
        assert_eq!(until(AT, AT), "2026-11-27 14:02 UTC (passed)");
    }

    #[test]
    fn a_volume_is_as_large_as_aws_says() {
        assert_eq!(
            [1, 100, 1024, 1500, 16384].map(size),
            ["1 GiB", "100 GiB", "1 TiB", "1500 GiB", "16 TiB"]
        );
    }
}
