//! Spaced reads that agree: one describe of EC2 may be behind (EC2 API reference, "Eventual consistency").

use berth_plan::SinceBoot;
use std::time::Duration;

/// How many reads must agree, how far apart, and how many have so far.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    needed: u32,
    spaced: Duration,
    reads: u32,
    last: Option<SinceBoot>,
}

impl Agreement {
    /// So many reads, each at least `spaced` after the one before.
    pub(crate) const fn new(needed: u32, spaced: Duration) -> Self {
        Self { needed, spaced, reads: 0, last: None }
    }

    /// One more read says so, at `now` by `Host::since_boot`; whether enough do. One that follows too soon does not count.
    pub(crate) fn agrees(&mut self, now: SinceBoot) -> bool {
        if self.last.is_none_or(|last| now.since(last) >= self.spaced) {
            self.reads += 1;
            self.last = Some(now);
        }
        self.reads >= self.needed
    }

    /// A read says otherwise: the count begins anew.
    pub(crate) fn disagrees(&mut self) {
        (self.reads, self.last) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_agree_when_enough_of_them_are_spaced_and_none_says_otherwise() {
        let mut agreement = Agreement::new(2, Duration::from_secs(5));
        assert!(!agreement.agrees(SinceBoot::from_millis(1_000)));
        assert!(!agreement.agrees(SinceBoot::from_millis(5_999)), "too soon after the first");
        assert!(agreement.agrees(SinceBoot::from_millis(6_000)));
        agreement.disagrees();
        assert!(!agreement.agrees(SinceBoot::from_millis(60_000)));
        assert!(agreement.agrees(SinceBoot::from_millis(65_000)));
    }
}
