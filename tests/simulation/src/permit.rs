//! The replacement permit as a node: `R/permit`, persistent.

use crate::broker::CHROOT;
use crate::claims::{Outcome, Records, lost_to, next_revision, put};
use crate::fate::Life;
use crate::runs::Caller;
use crate::world::World;
use crate::zookeeper::Tree;
use async_trait::async_trait;
use berth_lifecycle::ports::{ClaimsError, Permits};
use berth_plan::StoreTime;
use berth_plan::records::{Permit, Revision, Versioned};
use std::sync::Arc;

/// Where it is.
pub fn node() -> String {
    format!("{CHROOT}/berth/orders/permit")
}

fn read(tree: &Tree) -> Outcome<Option<Versioned<Permit>>> {
    let Some(found) = tree.nodes.get(&node()) else { return Ok(None) };
    let value = Permit::read(&found.data);
    let value = value.map_err(|error| ClaimsError::Refused(format!("{}: {error}", node())))?;
    let revision = Revision::of_store(i64::from(found.version));
    Ok(Some(Versioned { value, revision, changed: StoreTime::from_millis(found.mtime) }))
}

#[async_trait]
impl Permits for Records {
    async fn permit(&self) -> Outcome<Option<Versioned<Permit>>> {
        self.0.zookeeper("permit", None, |s, _| read(&s.zk)).await
    }

    async fn write_permit(&self, permit: &Permit, revision: Option<Revision>) -> Outcome<Revision> {
        let data = permit.bytes();
        self.0
            .zookeeper("write permit", None, move |s, session| {
                let (path, wall) = (node(), s.wall());
                let op = put(path.clone(), data, revision);
                s.zk.multi(session, &[op], wall).map_err(|refused| lost_to(&path, refused))?;
                s.tell(format!("{path} written at {revision:?}"));
                Ok(next_revision(revision))
            })
            .await
    }
}

impl World {
    /// The permit as a run on this instance sees it, with what becomes of the run's calls.
    pub fn permits(self: &Arc<Self>, instance: &str, life: Life) -> Arc<dyn Permits> {
        let caller = Caller { life: Arc::new(life), ..Caller::bystander(self, instance) };
        Arc::new(Records(Arc::new(caller)))
    }
}
