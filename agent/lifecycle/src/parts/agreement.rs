//! Spaced reads that agree: one describe of EC2 may be behind (EC2 API reference, "Eventual consistency").

use berth_plan::Millis;

/// How many reads must agree, how far apart, and how many have so far.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    needed: u32,
    spaced: Millis,
    reads: u32,
    last: Option<Millis>,
}

impl Agreement {
    /// So many reads, each at least `spaced` milliseconds after the one before.
    pub(crate) const fn new(needed: u32, spaced: Millis) -> Self {
        Self { needed, spaced, reads: 0, last: None }
    }

    /// One more read says so, at `now` by `Host::since_boot`; whether enough do. One that follows too soon does not count.
    pub(crate) fn agrees(&mut self, now: Millis) -> bool {
        if self.last.is_none_or(|last| now.saturating_sub(last) >= self.spaced) {
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
        let mut agreement = Agreement::new(2, 5_000);
        assert!(!agreement.agrees(1_000));
        assert!(!agreement.agrees(5_999), "too soon after the first");
        assert!(agreement.agrees(6_000));
        agreement.disagrees();
        assert!(!agreement.agrees(60_000));
        assert!(agreement.agrees(65_000));
    }
}
