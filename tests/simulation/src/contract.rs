//! The contract of the claims port: what every store keeps to, the model of this crate as much as a real one.
//!
//! A store is handed over empty for each case, as a [`Store`]. What a case does it does by the port alone; the store's own bytes
//! are touched only where two versions of berth meet.

mod cases;

use crate::claims::{Records, node};
use crate::runs::Caller;
use crate::world::World;
use crate::zookeeper::{Op, Refused};
use async_trait::async_trait;
use berth_lifecycle::ports::Claims;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

/// A future of one thread.
pub type Deed<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One run of berth at a store, with a session of its own.
pub struct Run {
    claims: Arc<dyn Claims>,
    end: Deed<'static>,
}

impl Run {
    /// `end` ends its session; once it is awaited, all that hung on the session is gone.
    pub fn new(claims: Arc<dyn Claims>, end: impl Future<Output = ()> + 'static) -> Self {
        Self { claims, end: Box::pin(end) }
    }

    async fn end(self) {
        self.end.await;
    }
}

impl Deref for Run {
    type Target = dyn Claims;

    fn deref(&self) -> &Self::Target {
        self.claims.as_ref()
    }
}

/// A store of one cluster.
#[async_trait(?Send)]
pub trait Store {
    /// A run on an instance.
    fn run(&self, instance: &str) -> Run;

    /// Writes the bytes of the claim of a slot, as another version of berth would.
    async fn put(&self, slot: u32, bytes: &str);

    /// The bytes of the claim of a slot.
    async fn bytes(&self, slot: u32) -> String;
}

/// Whether a store keeps to the contract: all cases, one after the other, each on a store that is `made` for it.
///
/// # Panics
/// Where it does not.
pub async fn holds<S: Store>(mut made: impl AsyncFnMut(&'static str) -> S) {
    for (name, case) in cases::ALL {
        println!("case {name}");
        case(&made(name).await).await;
    }
}

/// The store of a simulated world.
pub struct Modelled(pub Arc<World>);

#[async_trait(?Send)]
impl Store for Modelled {
    fn run(&self, instance: &str) -> Run {
        let caller = Arc::new(Caller::bystander(&self.0, instance));
        let end = {
            let caller = caller.clone();
            async move { caller.give_up_session() }
        };
        Run::new(Arc::new(Records(caller)), end)
    }

    async fn put(&self, slot: u32, bytes: &str) {
        self.0.with(|s| {
            let (session, wall, path) = (s.zk.connect("another version", 1), s.wall(), node("slots", slot));
            let op = match s.zk.nodes.get(&path) {
                Some(now) => Op::Set(path, bytes.into(), now.version),
                None => Op::Create { path, data: bytes.into(), ephemeral: false },
            };
            let put: Result<i64, Refused> = s.zk.multi(session, &[op], wall);
            put.expect("the version was just read");
        });
    }

    async fn bytes(&self, slot: u32) -> String {
        self.0.with(|s| String::from_utf8_lossy(&s.zk.nodes[&node("slots", slot)].data).into_owned())
    }
}
