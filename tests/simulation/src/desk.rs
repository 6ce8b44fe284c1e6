//! An operator's machine: it reaches ZooKeeper and nothing else.

use crate::runs::Caller;
use crate::world::World;
use crate::{claims, registrations};
use berth_lifecycle::stories::slot::Desk;
use berth_plan::UnixTime;
use std::sync::Arc;

impl World {
    /// What `berth slot` works with, now.
    pub fn desk(self: &Arc<Self>) -> Desk {
        let caller = Arc::new(Caller::bystander(self, "ops"));
        Desk {
            claims: Arc::new(claims::Records(caller.clone())),
            registrations: Arc::new(registrations::Brokers(caller)),
            at: UnixTime::from_millis(self.with(|s| s.wall())),
            by: "root@ops".to_owned(),
        }
    }
}
