//! What is known of a holder that EC2 does not show: in how many spaced reads in a row, and how old its claim is.

use berth_plan::ec2::Picture;
use berth_plan::slot::holder::Absence;
use berth_plan::{InstanceId, SinceBoot, StoreTime};
use std::collections::BTreeMap;

/// Counted reads, and the clock of the claims store. This host's own clock may be wrong at boot and decides nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Absences {
    reads: BTreeMap<InstanceId, u32>,
    /// The store's time, and this host's when it was read.
    clock: Option<(StoreTime, SinceBoot)>,
}

impl Absences {
    /// Counts one more read.
    pub(crate) fn count(&mut self, picture: &Picture) {
        for id in &picture.asked {
            if picture.instances.contains_key(id) {
                self.reads.remove(id);
            } else {
                *self.reads.entry(id.clone()).or_default() += 1;
            }
        }
    }

    /// The store says that it is `store` now.
    pub(crate) fn clock(&mut self, store: StoreTime, since_boot: SinceBoot) {
        self.clock = Some((store, since_boot));
    }

    /// What is known of `holder`, whose claim was last changed at `claimed` by the store's clock.
    pub(crate) fn of(
        &self,
        holder: &InstanceId,
        claimed: Option<StoreTime>,
        since_boot: SinceBoot,
    ) -> Absence {
        let now = self.clock.map(|(store, then)| store + since_boot.since(then));
        Absence {
            claim_age: now.zip(claimed).map(|(now, claimed)| now.since(claimed)),
            reads: self.reads.get(holder).copied().unwrap_or(0),
        }
    }
}
