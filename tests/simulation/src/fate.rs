//! What becomes of one call of a run: it goes well, it meets a mishap, or the run is killed there.
//!
//! Every call of a port is one numbered point. "Killed at the n-th" means that its effect does not happen, or that it
//! was on the wire already and happens later, when nobody waits for it any more.

use crate::world::Millis;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// How a run is killed at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Before the call was sent.
    Clean,
    /// After it was sent: it is carried out so many milliseconds later.
    InFlight(Millis),
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// Done, and the reply is lost.
    Lost,
    /// The reply is lost, and it is done so many milliseconds later.
    Late(Millis),
    /// Not done: throttled (ZooKeeper: not reachable).
    Throttled,
    /// Not done: a server error.
    ServerError,
    /// Not done: no connection.
    Reset,
    /// A describe shows the state of so many milliseconds ago.
    Stale(Millis),
    /// The ZooKeeper session is gone.
    SessionExpired,
}

/// Whether a call of this name changes something at AWS or in ZooKeeper: one that may be in flight.
pub fn changes_something(name: &str) -> bool {
    let nodes = [
        "clean",
        "queue",
        "intend",
        "unlock",
        "hold",
        "write",
        "drop intent",
        "record fault",
        "write permit",
    ];
    nodes.contains(&name) || (is_of_aws(name) && !name.starts_with("Describe"))
}

/// Whether it is a call of AWS: the region's actions are named as AWS names them.
pub fn is_of_aws(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Whether it is a call of ZooKeeper.
pub fn is_of_zookeeper(name: &str) -> bool {
    let reads =
        ["records", "record", "locked records", "first in queue", "all registrations", "registration"];
    let more = ["cluster", "assignments", "partitions", "min in sync", "permit"];
    reads.contains(&name) || more.contains(&name) || (changes_something(name) && !is_of_aws(name))
}

/// What becomes of a call.
pub(crate) enum Fate {
    Well,
    Mishap(Mishap),
    Killed(Death),
}

#[derive(Default)]
struct Book {
    calls: Vec<&'static str>,
    kill: Option<(usize, Death)>,
    mishaps: BTreeMap<usize, Mishap>,
}

/// The life of one run.
#[derive(Default)]
pub struct Life {
    book: Mutex<Book>,
    dead: AtomicBool,
    /// Told when the run is killed.
    pub(crate) died: Notify,
}

impl Life {
    /// A run that is killed at a point.
    pub fn killed_at(self, call: usize, death: Death) -> Self {
        self.book.lock().expect("no holder of this lock panics").kill = Some((call, death));
        self
    }

    /// A run whose call of this number meets a mishap.
    pub fn mishap_at(self, call: usize, mishap: Mishap) -> Self {
        self.book.lock().expect("no holder of this lock panics").mishaps.insert(call, mishap);
        self
    }

    /// The names of the calls so far.
    pub fn calls(&self) -> Vec<&'static str> {
        self.book.lock().expect("no holder of this lock panics").calls.clone()
    }

    /// Whether it was killed.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// A mishap from outside, after so many calls more.
    pub fn befall_soon(&self, mishap: Mishap, after: usize) {
        let mut book = self.book.lock().expect("no holder of this lock panics");
        let call = book.calls.len() + after;
        book.mishaps.insert(call, mishap);
    }

    /// Kills it after so many calls more.
    pub fn kill_soon(&self, death: Death, after: usize) {
        let mut book = self.book.lock().expect("no holder of this lock panics");
        book.kill = Some((book.calls.len() + after, death));
    }

    /// Kills it.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
    }

    /// One call begins.
    pub(crate) fn point(&self, name: &'static str) -> Fate {
        let mut book = self.book.lock().expect("no holder of this lock panics");
        let number = book.calls.len();
        book.calls.push(name);
        match (book.kill, book.mishaps.remove(&number)) {
            (Some((at, death)), _) if at == number => Fate::Killed(death),
            (_, Some(mishap)) => Fate::Mishap(mishap),
            _ => Fate::Well,
        }
    }
}
