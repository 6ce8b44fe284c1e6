//! Intents and records as nodes: `R/intents/<id>`, `R/slots/<id>`, `R/faults/<id>`.

use crate::broker::CHROOT;
use crate::laws;
use crate::lock::queue;
use crate::runs::Caller;
use crate::session::Away;
use crate::world::State;
use crate::zookeeper::{Op, Refused, Tree};
use async_trait::async_trait;
use berth_lifecycle::ports::{Claims, ClaimsError, Locked, Turn};
use berth_plan::BrokerId;
use berth_plan::StoreTime;
use berth_plan::records::{Claim, FaultRecord, Intent, Revision, SlotRecords, Unreadable, Versioned};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a call of ZooKeeper brings.
pub type Outcome<T> = Result<T, ClaimsError>;

/// A node of the cluster.
pub fn node(kind: &str, id: impl std::fmt::Display) -> String {
    format!("{CHROOT}/berth/orders/{kind}/{id}")
}

pub(crate) fn lost_to(path: &str, refused: Refused) -> ClaimsError {
    match refused {
        Refused::SessionExpired => Away("the session expired").into(),
        other => ClaimsError::Conflict(format!("{path}: {other:?}")),
    }
}

pub(crate) fn records(tree: &Tree) -> Outcome<BTreeMap<BrokerId, SlotRecords>> {
    let mut all: BTreeMap<BrokerId, SlotRecords> = BTreeMap::new();
    for kind in ["slots", "intents", "faults"] {
        let prefix = format!("{CHROOT}/berth/orders/{kind}");
        for (name, _) in tree.below(&prefix) {
            if let Ok(id) = name.parse() {
                all.insert(id, one(tree, id)?);
            }
        }
    }
    Ok(all)
}

/// The records of one slot; one that cannot be read is told as such.
pub fn one(tree: &Tree, id: BrokerId) -> Outcome<SlotRecords> {
    let read = |kind: &str| tree.nodes.get(&node(kind, id));
    let mut records = SlotRecords::default();
    let mut unreadable = |kind: &str, error: Unreadable| {
        records.unreadable = Some(format!("{}: {error}", node(kind, id)));
    };
    let claim = read("slots").and_then(|found| {
        let value = Claim::read(&found.data).map_err(|error| unreadable("slots", error)).ok()?;
        Some(Versioned {
            value,
            revision: Revision::of_store(i64::from(found.version)),
            changed: StoreTime::from_millis(found.mtime),
        })
    });
    let intent = read("intents")
        .and_then(|found| Intent::read(&found.data).map_err(|error| unreadable("intents", error)).ok());
    let fault = read("faults")
        .and_then(|found| FaultRecord::read(&found.data).map_err(|error| unreadable("faults", error)).ok());
    (records.claim, records.intent, records.fault) = (claim, intent, fault);
    Ok(records)
}

/// A node's data version.
fn version_of(revision: Revision) -> i32 {
    i32::try_from(revision.in_store()).unwrap_or(i32::MAX)
}

pub(crate) fn put(path: String, data: Vec<u8>, revision: Option<Revision>) -> Op {
    match revision {
        Some(revision) => Op::Set(path, data, version_of(revision)),
        None => Op::Create { path, data, ephemeral: false },
    }
}

pub(crate) fn written(
    s: &mut State,
    session: u64,
    ops: &[Op],
    path: &str,
    revision: Option<Revision>,
) -> Outcome<Revision> {
    let wall = s.wall();
    let before = s.zk.nodes.get(path).and_then(|node| Claim::read(&node.data).ok());
    s.zk.multi(session, ops, wall).map_err(|refused| lost_to(path, refused))?;
    laws::claim_written(s, path, before.as_ref(), ops);
    s.tell(format!("{path} written at {revision:?}, {} parts", ops.len()));
    Ok(next_revision(revision))
}

/// The revision of a node that was written at this one.
pub(crate) fn next_revision(revision: Option<Revision>) -> Revision {
    Revision::of_store(revision.map_or(0, |r| r.in_store() + 1))
}

pub(crate) struct Records(pub(crate) Arc<Caller>);

#[async_trait]
impl Claims for Records {
    async fn records(&self) -> Outcome<BTreeMap<BrokerId, SlotRecords>> {
        self.0.zookeeper("records", None, |s, _| records(&s.zk)).await
    }

    async fn record(&self, id: BrokerId) -> Outcome<SlotRecords> {
        self.0.zookeeper("record", None, move |s, _| one(&s.zk, id)).await
    }

    async fn lock(
        &self,
        intent: &Intent,
        within: Duration,
        waiting: &(dyn Fn(String) + Sync),
    ) -> Outcome<Box<dyn Locked>> {
        let locked = queue(&self.0, "lock", intent, within, waiting).await;
        if matches!(locked, Err(ClaimsError::Away(_))) {
            self.0.give_up_session();
        }
        locked.map(|place| place as Box<dyn Locked>)
    }

    async fn turn(
        &self,
        intent: &Intent,
        within: Duration,
        waiting: &(dyn Fn(String) + Sync),
    ) -> Outcome<Box<dyn Turn>> {
        let turn = queue(&self.0, "leaving", intent, within, waiting).await;
        if matches!(turn, Err(ClaimsError::Away(_))) {
            self.0.give_up_session();
        }
        turn.map(|place| place as Box<dyn Turn>)
    }

    async fn hold(
        &self,
        id: BrokerId,
        claim: &Claim,
        revision: Option<Revision>,
        intent: &Intent,
    ) -> Outcome<Revision> {
        let (data, intended) = (claim.bytes(), intent.bytes());
        self.0
            .zookeeper("hold", None, move |s, session| {
                let (mine, path) = (node("intents", id), node("slots", id));
                if s.zk.nodes.get(&mine).is_none_or(|node| node.data != intended) {
                    return Err(ClaimsError::Conflict(format!("{mine} is not mine")));
                }
                let ops = [Op::CheckOwn(mine.clone()), put(path.clone(), data, revision), Op::Delete(mine)];
                written(s, session, &ops, &path, revision)
            })
            .await
    }

    async fn write(&self, id: BrokerId, claim: &Claim, revision: Option<Revision>) -> Outcome<Revision> {
        let data = claim.bytes();
        self.0
            .zookeeper("write", None, move |s, session| {
                let path = node("slots", id);
                written(s, session, &[put(path.clone(), data, revision)], &path, revision)
            })
            .await
    }

    async fn drop_intent(&self, id: BrokerId, intent: &Intent) -> Outcome<()> {
        let intended = intent.bytes();
        self.0
            .zookeeper("drop intent", None, move |s, session| {
                let (path, wall) = (node("intents", id), s.wall());
                if s.zk.nodes.get(&path).is_some_and(|node| node.data == intended) {
                    let deleted = s.zk.multi(session, &[Op::Delete(path.clone())], wall);
                    deleted.map_err(|refused| lost_to(&path, refused))?;
                }
                Ok(())
            })
            .await
    }

    async fn record_fault(
        &self,
        id: BrokerId,
        fault: &FaultRecord,
        revision: Option<Revision>,
    ) -> Outcome<()> {
        let data = fault.bytes();
        self.0
            .zookeeper("record fault", None, move |s, session| {
                let (path, slot) = (node("faults", id), node("slots", id));
                let at = match revision {
                    Some(revision) => Op::Check(slot, version_of(revision)),
                    None => put(slot, Claim::vacant().bytes(), None),
                };
                let revision = s.zk.nodes.get(&path).map(|node| Revision::of_store(i64::from(node.version)));
                written(s, session, &[at, put(path.clone(), data, revision)], &path, revision).map(drop)
            })
            .await
    }

    async fn lift_fault(&self, id: BrokerId, claim: &Claim, revision: Option<Revision>) -> Outcome<Revision> {
        let data = claim.bytes();
        self.0
            .zookeeper("lift fault", None, move |s, session| {
                let (fault, path) = (node("faults", id), node("slots", id));
                let lifted = s.zk.nodes.contains_key(&fault).then_some(Op::Delete(fault));
                let ops: Vec<Op> = [put(path.clone(), data, revision)].into_iter().chain(lifted).collect();
                written(s, session, &ops, &path, revision)
            })
            .await
    }
}
