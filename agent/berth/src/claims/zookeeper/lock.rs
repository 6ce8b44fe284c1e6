//! The lock, and the turn to leave: each a queue of ephemeral sequential nodes, each watching the one before it (ZooKeeper recipes, "Locks").

use super::records::{data, records_of};
use crate::zookeeper::{Failure, Paths, called, is_over};
use async_trait::async_trait;
use berth_lifecycle::ports::{ClaimsError, Locked, Turn};
use berth_plan::records::{Intent, SlotRecords};
use berth_plan::{BrokerId, StoreTime};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use zookeeper_client::{Acls, Client, CreateMode, Error};

/// How long one place in the queue is waited for before the queue is read again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How often the end of a place is sent where the answer does not come, and how far apart.
const DELETES: u32 = 20;
const DELETE_AGAIN: Duration = Duration::from_secs(1);

/// For how long the queue is stood in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    began: Instant,
    within: Duration,
}

impl Patience {
    /// It begins now.
    pub(super) fn of(within: Duration) -> Self {
        Self { began: Instant::now(), within }
    }

    fn left(self) -> Duration {
        self.within.saturating_sub(self.began.elapsed())
    }
}

/// The first place of a queue, held by one session.
pub(super) struct Lock {
    client: Client,
    paths: Paths,
    dir: String,
    node: String,
    taken_at: StoreTime,
}

impl Lock {
    /// Queues and waits for its turn; a turn that does not come in time leaves no node behind.
    pub(super) async fn taken(
        client: Client,
        paths: Paths,
        dir: String,
        intent: &Intent,
        patience: Patience,
        waiting: &(dyn Fn(String) + Sync),
    ) -> Result<Self, ClaimsError> {
        let prefix = format!("{dir}/n-");
        let options = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
        let what = format!("queue at {dir}");
        let (stat, sequence) = called(&what, client.create(&prefix, &intent.bytes(), &options)).await?;
        let node = format!("{prefix}{sequence}");
        let taken_at = StoreTime::from_millis(u64::try_from(stat.ctime).unwrap_or(0));
        let lock = Self { client, paths, dir, node, taken_at };
        match lock.turn(patience, waiting).await {
            Ok(()) => Ok(lock),
            Err(error) => {
                Box::new(lock).unlock().await;
                Err(error)
            }
        }
    }

    async fn turn(&self, patience: Patience, waiting: &(dyn Fn(String) + Sync)) -> Result<(), ClaimsError> {
        let dir = &self.dir;
        let me = self.node.rsplit('/').next().unwrap_or_default();
        loop {
            let mut queue = called(&format!("list {dir}"), self.client.list_children(dir)).await?;
            queue.sort_unstable();
            let place = queue.iter().position(|node| node == me);
            let (first, before) = match place {
                Some(0) => return Ok(()),
                Some(place) => (&queue[0], &queue[place - 1]),
                None => {
                    return Err(ClaimsError::Away(
                        "the node in the lock's queue went with its session".to_owned(),
                    ));
                }
            };
            let path = format!("{dir}/{before}");
            let (mut holder, _, watcher) =
                match called(&format!("watch {path}"), self.client.get_and_watch_data(&path)).await {
                    Ok(found) => found,
                    Err(Failure::Certain(Error::NoNode, _)) => continue,
                    Err(failure) => return Err(failure.into()),
                };
            if first != before {
                // The one before me waits too.
                match data(&self.client, format!("{dir}/{first}")).await? {
                    Some((bytes, _)) => holder = bytes,
                    None => continue,
                }
            }
            let holder = Intent::read(&holder)
                .map_or_else(|_| "another berth".to_owned(), |intent| intent.instance.to_string());
            if patience.left().is_zero() {
                let waited = patience.began.elapsed();
                return Err(ClaimsError::Busy { holder, waited });
            }
            waiting(holder);
            let _ = timeout(LOOK_AGAIN.min(patience.left()), watcher.changed()).await;
            if is_over(&self.client) {
                return Err(ClaimsError::Away("the session ended in the lock's queue".to_owned()));
            }
        }
    }
}

#[async_trait]
impl Turn for Lock {
    async fn end(self: Box<Self>) {
        self.unlock().await;
    }
}

#[async_trait]
impl Locked for Lock {
    async fn records(&self) -> Result<BTreeMap<BrokerId, SlotRecords>, ClaimsError> {
        Ok(records_of(&self.client, &self.paths).await?)
    }

    fn taken_at(&self) -> StoreTime {
        self.taken_at
    }

    async fn intend(&self, id: BrokerId, intent: &Intent) -> Result<(), ClaimsError> {
        let path = self.paths.intent(id);
        let what = format!("write the intent of slot {id}");
        let options = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
        let mut writer = self.client.new_multi_writer();
        let prepared = writer
            .add_check_version(&self.node, 0)
            .and_then(|()| writer.add_create(&path, &intent.bytes(), &options));
        prepared.map_err(|error| ClaimsError::Refused(format!("{what}: {error}")))?;
        let failure = match called(&what, writer.commit()).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        // Read back by token and owner: the reply may have been lost after the commit.
        if let Ok((data, stat)) = called(&format!("read {path}"), self.client.get_data(&path)).await
            && stat.ephemeral_owner == self.client.session_id().0
            && Intent::read(&data).is_ok_and(|seen| seen == *intent)
        {
            return Ok(());
        }
        Err(failure.into())
    }

    async fn unlock(self: Box<Self>) {
        let what = format!("delete {}", self.node);
        // A node that stays is in the way of the whole cluster for as long as the session lives: hours, in a slow boot.
        for _ in 0..DELETES {
            match called(&what, self.client.delete(&self.node, None)).await {
                Ok(()) | Err(Failure::Certain(Error::NoNode, _)) => return,
                Err(_) if is_over(&self.client) => return,
                Err(_) => sleep(DELETE_AGAIN).await,
            }
        }
        tracing::warn!(node = %self.node, "the node stays in the queue until the session ends");
    }
}
