//! The lock: a queue of ephemeral nodes, the first one has it.

use crate::broker::CHROOT;
use crate::claims::{Outcome, lost_to, node, records, written};
use crate::runs::Caller;
use crate::session::{Away, SILENCE};
use crate::zookeeper::Op;
use async_trait::async_trait;
use berth_lifecycle::ports::{ClaimsError, Locked, Turn};
use berth_plan::records::{Intent, SlotRecords};
use berth_plan::time::millis;
use berth_plan::{BrokerId, StoreTime};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// Deletes what earlier runs of this instance left, then stands in the queue until it is the first, or the time has passed.
pub(crate) async fn queue(
    caller: &Arc<Caller>,
    dir: &'static str,
    intent: &Intent,
    within: Duration,
    waiting: &(dyn Fn(String) + Sync),
) -> Outcome<Box<Held>> {
    let began = caller.world.now();
    let mine = intent.instance.clone();
    caller
        .zookeeper("clean", None, move |s, session| {
            let of_mine = |data: &[u8]| Intent::read(data).is_ok_and(|intent| intent.instance == mine);
            let prefixes = ["intents", "lock", "leaving"].map(|dir| node(dir, ""));
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
            let (path, wall) = (node(dir, format!("n-{:010}", s.zk.zxid)), s.wall());
            let op = Op::Create { path: path.clone(), data, ephemeral: true };
            s.zk.multi(session, &[op], wall).map_err(|refused| lost_to(&path, refused))?;
            Ok::<_, ClaimsError>((path, session, wall))
        })
        .await?;
    let lock = Box::new(Held { caller: caller.clone(), path, session, taken_at });
    let mut told = String::new();
    loop {
        let first = caller.zookeeper("first in queue", Some(session), move |s, _| {
            let lock = format!("{CHROOT}/berth/orders/{dir}");
            let mut queue = s.zk.below(&lock);
            Ok::<_, ClaimsError>(
                queue.next().map(|(name, node)| (format!("{lock}/{name}"), node.data.clone())),
            )
        });
        match first.await? {
            Some((first, _)) if first == lock.path => return Ok(lock),
            None => return Err(Away("the lock node is gone").into()),
            Some((first, data)) => {
                let who = Intent::read(&data).map(|intent| intent.instance.to_string()).unwrap_or_default();
                let waited = caller.world.now() - began;
                if waited >= millis(within) {
                    lock.unlock().await;
                    return Err(ClaimsError::Busy { holder: who, waited: Duration::from_millis(waited) });
                }
                if told != who {
                    waiting(who.clone());
                    told = who;
                }
                let look_again = SILENCE.min(millis(within) - waited);
                caller.world.until(look_again, |s| (!s.zk.nodes.contains_key(&first)).then_some(())).await;
                caller.still().await;
            }
        }
    }
}

pub(crate) struct Held {
    caller: Arc<Caller>,
    path: String,
    session: u64,
    taken_at: u64,
}

#[async_trait]
impl Turn for Held {
    async fn end(self: Box<Self>) {
        self.unlock().await;
    }
}

#[async_trait]
impl Locked for Held {
    async fn records(&self) -> Outcome<BTreeMap<BrokerId, SlotRecords>> {
        self.caller.zookeeper("locked records", Some(self.session), |s, _| records(&s.zk)).await
    }

    fn taken_at(&self) -> StoreTime {
        StoreTime::from_millis(self.taken_at)
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
                Ok::<_, ClaimsError>(())
            });
            if unlocked.await.is_ok()
                || self.caller.world.with(|s| !s.zk.sessions.contains_key(&self.session))
            {
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
}
