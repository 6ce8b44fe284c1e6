//! Lock, intents and records as nodes: `R/lock/`, `R/intents/<id>`, `R/slots/<id>`, `R/faults/<id>`.

use crate::broker::CHROOT;
use crate::fate::{Death, Fate, Mishap};
use crate::runs::{Caller, SESSION};
use crate::world::State;
use crate::zookeeper::{Op, Refused, Tree};
use async_trait::async_trait;
use berth_lifecycle::ports::{Claims, ClaimsError, Locked, Written};
use berth_plan::claim::{Claim, FaultRecord, Intent, SlotRecords, Versioned};
use berth_plan::{BrokerId, Millis};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How long a call to an ensemble that does not answer takes to fail.
const SILENCE: Millis = 6_000;

type Outcome<T> = Result<T, ClaimsError>;

/// A node of the cluster.
pub fn node(kind: &str, id: impl std::fmt::Display) -> String {
    format!("{CHROOT}/berth/orders/{kind}/{id}")
}

fn away(why: &str) -> ClaimsError {
    ClaimsError::Away(why.to_owned())
}

fn lost_to(path: &str, refused: Refused) -> ClaimsError {
    match refused {
        Refused::SessionExpired => away("the session expired"),
        other => ClaimsError::Conflict(format!("{path}: {other:?}")),
    }
}

impl Caller {
    /// A call of ZooKeeper on the run's session, which is made anew where it expired; on `bound`, where that is given.
    pub(crate) async fn zookeeper<T>(
        &self,
        name: &'static str,
        bound: Option<u64>,
        deed: impl FnOnce(&mut State, u64) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let fate = self.life.point(name);
        let takes = self.way(|rules| rules.zookeeper_takes);
        if let Fate::Killed(death) = fate {
            if let Death::InFlight(after) = death {
                self.world.with(|s| {
                    let session = bound.unwrap_or_else(|| self.session(s));
                    s.later(after.min(SESSION - 1), move |s| {
                        if s.zk.sessions.contains_key(&session) {
                            drop(deed(s, session));
                        }
                    });
                });
            }
            return self.gone().await;
        }
        sleep(Duration::from_millis(takes)).await;
        self.still().await;
        let reached = self.world.with(|s| s.zk.reaches(&self.instance));
        if !reached {
            sleep(Duration::from_millis(SILENCE)).await;
            self.still().await;
            return Err(away("no answer"));
        }
        self.world.with(|s| {
            let session = match bound {
                Some(session) if s.zk.sessions.contains_key(&session) => session,
                Some(_) => return Err(away("the session expired")),
                None => self.session(s),
            };
            match fate {
                Fate::Mishap(Mishap::Lost | Mishap::Late(_)) => {
                    drop(deed(s, session));
                    Err(away("the reply was lost"))
                }
                Fate::Mishap(Mishap::SessionExpired) => {
                    s.end_session(Some(session));
                    Err(away("the session expired"))
                }
                Fate::Mishap(Mishap::Throttled | Mishap::ServerError | Mishap::Reset) => Err(away("not reachable")),
                _ => deed(s, session),
            }
        })
    }

    fn session(&self, s: &mut State) -> u64 {
        let mut mine = self.session.lock().expect("no holder of this lock panics");
        match *mine {
            Some(session) if s.zk.sessions.contains_key(&session) => session,
            _ => *mine.insert(s.zk.connect(&self.instance, SESSION)),
        }
    }

    /// A session with an unknown outcome in it is given up: what it may have made goes with it.
    fn give_up_session(&self) {
        let session = self.session.lock().expect("no holder of this lock panics").take();
        self.world.with(|s| if s.zk.reaches(&self.instance) { s.end_session(session) } else { s.silence(session) });
    }
}

fn records(tree: &Tree) -> Outcome<BTreeMap<BrokerId, SlotRecords>> {
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

/// The records of one slot.
pub fn one(tree: &Tree, id: BrokerId) -> Outcome<SlotRecords> {
    let read = |kind: &str| (node(kind, id), tree.nodes.get(&node(kind, id)));
    let unreadable = |place: String| move |source| ClaimsError::Record { place, source };
    let mut records = SlotRecords::default();
    if let (place, Some(found)) = read("slots") {
        let value = Claim::read(&found.data).map_err(unreadable(place))?;
        records.claim = Some(Versioned { value, version: found.version, changed: found.mtime });
    }
    if let (place, Some(found)) = read("intents") {
        records.intent = Some(Intent::read(&found.data).map_err(unreadable(place))?);
    }
    if let (place, Some(found)) = read("faults") {
        records.fault = Some(FaultRecord::read(&found.data).map_err(unreadable(place))?);
    }
    Ok(records)
}

fn put(path: String, data: Vec<u8>, version: Option<i32>) -> Op {
    match version {
        Some(version) => Op::Set(path, data, version),
        None => Op::Create { path, data, ephemeral: false },
    }
}

fn written(s: &mut State, session: u64, ops: &[Op], path: &str, version: Option<i32>) -> Outcome<Written> {
    let wall = s.wall();
    let zxid = s.zk.multi(session, ops, wall).map_err(|refused| lost_to(path, refused))?;
    s.tell(format!("{path} written: {ops:?}").chars().take(400).collect::<String>());
    Ok(Written { version: version.map_or(0, |v| v + 1), zxid })
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
        waiting: &(dyn Fn(String) + Sync),
    ) -> Outcome<Box<dyn Locked>> {
        let locked = queue(&self.0, intent, waiting).await;
        if matches!(locked, Err(ClaimsError::Away(_))) {
            self.0.give_up_session();
        }
        locked
    }

    async fn hold(
        &self,
        id: BrokerId,
        claim: &Claim,
        version: Option<i32>,
        intent: &Intent,
    ) -> Outcome<Written> {
        let (data, intended) = (claim.bytes(), intent.bytes());
        self.0
            .zookeeper("hold", None, move |s, session| {
                let (mine, path) = (node("intents", id), node("slots", id));
                if s.zk.nodes.get(&mine).is_none_or(|node| node.data != intended) {
                    return Err(ClaimsError::Conflict(format!("{mine} is not mine")));
                }
                let ops = [Op::CheckOwn(mine.clone()), put(path.clone(), data, version), Op::Delete(mine)];
                written(s, session, &ops, &path, version)
            })
            .await
    }

    async fn write(&self, id: BrokerId, claim: &Claim, version: Option<i32>) -> Outcome<Written> {
        let data = claim.bytes();
        self.0
            .zookeeper("write", None, move |s, session| {
                let path = node("slots", id);
                written(s, session, &[put(path.clone(), data, version)], &path, version)
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

    async fn record_fault(&self, id: BrokerId, fault: &FaultRecord) -> Outcome<()> {
        let data = fault.bytes();
        self.0
            .zookeeper("record fault", None, move |s, session| {
                let path = node("faults", id);
                let version = s.zk.nodes.get(&path).map(|node| node.version);
                written(s, session, &[put(path.clone(), data, version)], &path, version).map(drop)
            })
            .await
    }
}

/// Deletes what earlier runs of this instance left, then stands in the queue until it is the first.
async fn queue(
    caller: &Arc<Caller>,
    intent: &Intent,
    waiting: &(dyn Fn(String) + Sync),
) -> Outcome<Box<dyn Locked>> {
    let mine = intent.instance.clone();
    caller
        .zookeeper("clean", None, move |s, session| {
            let of_mine = |data: &[u8]| Intent::read(data).is_ok_and(|intent| intent.instance == mine);
            let prefixes = [format!("{CHROOT}/berth/orders/intents/"), format!("{CHROOT}/berth/orders/lock/")];
            let old: Vec<Op> = (s.zk.nodes.iter())
                .filter(|(path, node)| prefixes.iter().any(|p| path.starts_with(p)) && of_mine(&node.data))
                .map(|(path, _)| Op::Delete(path.clone()))
                .collect();
            let wall = s.wall();
            s.zk.multi(session, &old, wall).map(drop).map_err(|refused| lost_to("lock", refused))
        })
        .await?;
    let data = intent.bytes();
    let (path, session, taken_at) = caller
        .zookeeper("queue", None, move |s, session| {
            let (path, wall) = (node("lock", format!("n-{:010}", s.zk.zxid)), s.wall());
            let op = Op::Create { path: path.clone(), data, ephemeral: true };
            s.zk.multi(session, &[op], wall).map_err(|refused| lost_to(&path, refused))?;
            Ok((path, session, wall))
        })
        .await?;
    let mut told = String::new();
    loop {
        let first = caller.zookeeper("first in queue", Some(session), |s, _| {
            let lock = format!("{CHROOT}/berth/orders/lock");
            let mut queue = s.zk.below(&lock);
            Ok(queue.next().map(|(name, node)| (format!("{lock}/{name}"), node.data.clone())))
        });
        match first.await? {
            Some((first, _)) if first == path => break,
            None => return Err(away("the lock node is gone")),
            Some((first, data)) => {
                let who = Intent::read(&data).map(|intent| intent.instance.to_string()).unwrap_or_default();
                if told != who {
                    waiting(who.clone());
                    told = who;
                }
                caller.world.until(SILENCE, |s| (!s.zk.nodes.contains_key(&first)).then_some(())).await;
                caller.still().await;
            }
        }
    }
    Ok(Box::new(Held { caller: caller.clone(), path, session, taken_at }))
}

struct Held {
    caller: Arc<Caller>,
    path: String,
    session: u64,
    taken_at: Millis,
}

#[async_trait]
impl Locked for Held {
    async fn records(&self) -> Outcome<BTreeMap<BrokerId, SlotRecords>> {
        self.caller.zookeeper("locked records", Some(self.session), |s, _| records(&s.zk)).await
    }

    fn taken_at(&self) -> Millis {
        self.taken_at
    }

    async fn intend(&self, id: BrokerId, intent: &Intent) -> Outcome<()> {
        let (lock, data) = (self.path.clone(), intent.bytes());
        self.caller
            .zookeeper("intend", Some(self.session), move |s, session| {
                let path = node("intents", id);
                let ops = [Op::CheckOwn(lock), Op::Create { path: path.clone(), data, ephemeral: true }];
                written(s, session, &ops, &path, None).map(drop)
            })
            .await
    }

    async fn unlock(self: Box<Self>) {
        loop {
            let path = self.path.clone();
            let unlocked = self.caller.zookeeper("unlock", Some(self.session), move |s, session| {
                let wall = s.wall();
                let _ = s.zk.multi(session, &[Op::Delete(path)], wall);
                Ok(())
            });
            if unlocked.await.is_ok() || self.caller.world.with(|s| !s.zk.sessions.contains_key(&self.session)) {
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
}
