//! What is known of a holder that EC2 does not show: in how many spaced reads in a row, and how old its claim is.

use berth_plan::ec2::Picture;
use berth_plan::slot::holder::Absence;
use berth_plan::{InstanceId, Millis};
use std::collections::BTreeMap;

/// Counted reads, and ZooKeeper's clock. This host's own clock may be wrong at boot and decides nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Absences {
    reads: BTreeMap<InstanceId, u32>,
    /// ZooKeeper's time, and the time since the kernel booted when it was read.
    clock: Option<(Millis, Millis)>,
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

    /// ZooKeeper says that it is `zookeeper` now.
    pub(crate) fn clock(&mut self, zookeeper: Millis, since_boot: Millis) {
        self.clock = Some((zookeeper, since_boot));
    }

    /// What is known of `holder`, whose claim was last changed at `claimed` by ZooKeeper's clock.
    pub(crate) fn of(&self, holder: &InstanceId, claimed: Option<Millis>, since_boot: Millis) -> Absence {
        let now = self.clock.map(|(zookeeper, then)| zookeeper + since_boot.saturating_sub(then));
        Absence {
            claim_age: now.zip(claimed).map(|(now, claimed)| now.saturating_sub(claimed)),
            reads: self.reads.get(holder).copied().unwrap_or(0),
        }
    }
}
