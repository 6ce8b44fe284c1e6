//! The world: one region, one ZooKeeper, the hosts, and what will happen by itself.
//!
//! Everything is one state behind one lock. Whoever touches it first lets it catch up with the clock, and afterwards
//! the laws are checked; so they hold after every event or the violation is on record.

use crate::content::Content;
use crate::host::Host;
use crate::runs::Runs;
use crate::scene::Rules;
use crate::zookeeper::Tree;
use crate::{laws, react};
use region::model::Region;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};

/// Milliseconds of the simulation's clock, or a length of time by it.
pub type Millis = u64;

type Deed = Box<dyn FnOnce(&mut State) + Send>;

/// All that is true.
pub struct State {
    /// Now.
    pub now: Millis,
    /// EC2, Auto Scaling, CloudFormation.
    pub region: Region,
    /// ZooKeeper.
    pub zk: Tree,
    /// One host per instance.
    pub hosts: BTreeMap<String, Host>,
    /// What is on each volume; it outlives hosts.
    pub disks: BTreeMap<String, Content>,
    /// Runs of berth, and how they ended.
    pub runs: Runs,
    /// The seed's chance.
    pub chance: fastrand::Rng,
    /// How this world behaves.
    pub rules: Rules,
    /// Broken laws.
    pub violations: BTreeSet<String>,
    /// What happened, for people.
    pub trace: Vec<String>,
    /// Instance, kernel boot, and the outcome it told: one for every call that got an answer, refused ones too.
    pub told: Vec<(String, u32, String)>,
    /// By instance and kernel boot, the outcomes that were told or carried out.
    pub(crate) outcomes: BTreeMap<(String, u32), BTreeSet<String>>,
    /// The transaction up to which claims were judged.
    pub(crate) judged: i64,
    /// How often a file system was made.
    pub formats: u32,
    /// Entries of the region's journal that the hosts have reacted to.
    pub reacted: usize,
    agenda: BTreeMap<(Millis, u64), Deed>,
    deeds: u64,
    /// The world, for tasks that outlive a call.
    pub me: Weak<World>,
}

impl State {
    /// Does something later.
    pub fn later(&mut self, after: Millis, deed: impl FnOnce(&mut State) + Send + 'static) {
        self.deeds += 1;
        self.agenda.insert((self.now + after, self.deeds), Box::new(deed));
    }

    /// Writes a line of the trace.
    pub fn tell(&mut self, line: impl std::fmt::Display) {
        self.trace.push(format!("{:>9.3} {line}", self.now as f64 / 1000.0));
    }

    /// Notes a broken law.
    pub fn violated(&mut self, law: impl Into<String>) {
        let law = law.into();
        if self.violations.insert(law.clone()) {
            self.tell(format!("VIOLATION {law}"));
        }
    }

    /// A UUID of the seed.
    pub fn uuid(&mut self) -> String {
        let bits = self.chance.u128(..);
        let hex = format!("{bits:032x}");
        [&hex[0..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]].join("-")
    }

    /// Unix time, milliseconds.
    pub fn wall(&self) -> Millis {
        self.region.settings().epoch + self.now
    }

    fn next(&self) -> Option<Millis> {
        let deed = self.agenda.keys().next().map(|(at, _)| *at);
        [deed, self.region.next_event()].into_iter().flatten().min()
    }

    /// Catches up with the clock, one event at a time, the laws checked after each.
    fn catch_up(&mut self, to: Millis) -> bool {
        let mut moved = react::react(self);
        while let Some(at) = self.next().filter(|at| *at <= to) {
            moved = true;
            self.now = self.now.max(at);
            let first = self.agenda.first_entry().filter(|deed| deed.key().0 <= at);
            match first {
                Some(deed) => deed.remove()(self),
                None => self.region.advance(self.now),
            }
            react::react(self);
            laws::check(self);
        }
        self.now = self.now.max(to);
        self.region.advance(self.now);
        moved
    }
}

/// The world, shared by everything that runs in it.
pub struct World {
    state: Mutex<State>,
    start: Instant,
    changes: watch::Sender<u64>,
    next: watch::Sender<Option<Millis>>,
}

impl World {
    /// A world, and the task that moves it. Needs a runtime with a paused clock.
    pub(crate) fn open(region: Region, seed: u64, rules: Rules) -> Arc<World> {
        let world = Arc::new_cyclic(|me| World {
            state: Mutex::new(State {
                now: 0,
                region,
                zk: Tree::default(),
                hosts: BTreeMap::new(),
                disks: BTreeMap::new(),
                runs: Runs::default(),
                chance: fastrand::Rng::with_seed(seed),
                rules,
                violations: BTreeSet::new(),
                trace: Vec::new(),
                told: Vec::new(),
                outcomes: BTreeMap::new(),
                judged: 0,
                formats: 0,
                reacted: 0,
                agenda: BTreeMap::new(),
                deeds: 0,
                me: me.clone(),
            }),
            start: Instant::now(),
            changes: watch::Sender::new(0),
            next: watch::Sender::new(None),
        });
        tokio::task::spawn_local(World::run(Arc::downgrade(&world)));
        world
    }

    async fn run(world: Weak<World>) {
        let Some(mut next) = world.upgrade().map(|world| world.next.subscribe()) else { return };
        loop {
            let Some(alive) = world.upgrade() else { return };
            let moved = alive.state.lock().expect("no holder of this lock panics").catch_up(alive.now());
            if moved {
                alive.changed();
            }
            let due = {
                let state = alive.state.lock().expect("no holder of this lock panics");
                alive.announce(&state);
                next.borrow_and_update().unwrap_or(Millis::MAX >> 20)
            };
            let at = alive.start + Duration::from_millis(due);
            drop(alive);
            tokio::select! {
                biased;
                changed = next.changed() => if changed.is_err() { return },
                () = sleep_until(at) => {}
            }
        }
    }

    /// Tells the task that moves the world when the next thing is due.
    fn announce(&self, state: &State) {
        let due = state.next();
        self.next.send_if_modified(|known| std::mem::replace(known, due) != due);
    }

    fn changed(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    /// Milliseconds since the world began.
    pub fn now(&self) -> Millis {
        self.start.elapsed().as_millis() as Millis
    }

    /// Looks at the state, or changes it.
    pub fn with<T>(&self, deed: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().expect("no holder of this lock panics");
        state.catch_up(self.now());
        let result = deed(&mut state);
        let now = state.now;
        state.catch_up(now);
        laws::check(&mut state);
        self.announce(&state);
        drop(state);
        self.changed();
        result
    }

    /// Waits until something is so, or the time has passed.
    pub async fn until<T>(&self, within: Millis, mut look: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let end = Instant::now() + Duration::from_millis(within);
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let seen = {
                let mut state = self.state.lock().expect("no holder of this lock panics");
                if state.catch_up(self.now()) {
                    self.changes.send_modify(|n| *n += 1);
                }
                let seen = look(&mut state);
                self.announce(&state);
                seen
            };
            if seen.is_some() || Instant::now() >= end {
                return seen;
            }
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                () = sleep_until(end) => {}
            }
        }
    }

    /// Lets time pass.
    pub async fn pass(&self, millis: Millis) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.with(|_| ());
    }

    /// Asserts that no law was broken; with the trace where one was.
    pub fn assert_lawful(&self) {
        self.with(|s| {
            assert!(s.violations.is_empty(), "{:#?}\n{}", s.violations, s.trace.join("\n"));
        });
    }
}

/// Runs a simulation: one thread, a paused clock that jumps from event to event.
///
/// # Panics
/// When the simulation does.
pub fn simulate<T>(simulation: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime of one thread needs nothing that could be missing");
    tokio::task::LocalSet::new().block_on(&runtime, simulation)
}
