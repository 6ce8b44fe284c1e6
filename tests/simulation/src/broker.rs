//! The service: a unit that passes the gate, reads its server.properties, writes meta.properties, registers, and comes
//! in sync later. Kafka in ZooKeeper mode, as far as berth can see it.

use crate::host_port::HostFiles;
use crate::runs::Caller;
use crate::world::Millis;
use crate::world::{State, World};
use crate::zookeeper::Op;
use berth_lifecycle::ports::UnitState;
use berth_lifecycle::stories::gate::gate;
use berth_plan::service::properties;
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// `zookeeper.session.timeout.ms` of Kafka.
pub const SESSION: Millis = 18_000;
/// A broker outside the slots that leads every partition.
pub const ELDER: u32 = 1000;
/// Kafka's chroot.
pub const CHROOT: &str = "/kafka";

/// The unit.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Its state.
    pub state: UnitState,
    /// How often it was started.
    pub invocation: u64,
    /// Why it ended.
    pub result: String,
    /// The id it serves and the volume it serves from, from its start to its end.
    pub serves: Option<(u32, String)>,
    /// Its session.
    pub session: Option<u64>,
    /// What it advertises, as host:port.
    pub advertised: String,
    /// Starts that count against the limit of the unit; at ten it is not started any more.
    pub starts: u32,
}

/// `StartLimitBurst=` of kafka.service.
pub const START_LIMIT: u32 = 10;
/// `RestartSec=` of kafka.service.
const RESTART_AFTER: Millis = 10_000;

impl Default for Broker {
    fn default() -> Self {
        Self {
            state: UnitState::Inactive,
            invocation: 0,
            result: "success".into(),
            serves: None,
            session: None,
            advertised: String::new(),
            starts: 0,
        }
    }
}

impl Broker {
    /// It ends; its session is handed back.
    pub fn stopped(&mut self, why: &str) -> Option<u64> {
        (self.state, self.serves, self.result) = (UnitState::Inactive, None, why.to_owned());
        self.session.take()
    }
}

/// The node of a registration.
pub fn registration(id: u32) -> String {
    format!("{CHROOT}/brokers/ids/{id}")
}

/// Whose a registration is: the instance, or the name of a stranger.
pub fn registrant(data: &[u8]) -> String {
    String::from_utf8_lossy(data).split(' ').next().unwrap_or_default().to_owned()
}

/// A broker that berth did not start registers under an id, and stays.
pub fn register_stranger(s: &mut State, id: u32, at: &str) -> u64 {
    let wall = s.wall();
    let session = s.zk.connect("stranger", SESSION);
    let data = format!("stranger {at}").into_bytes();
    let op = Op::Create { path: registration(id), data, ephemeral: true };
    s.zk.multi(session, &[op], wall).expect("nobody is registered under the id");
    s.tell(format!("a stranger at {at} registered as broker {id}"));
    session
}

/// Starts the unit.
pub(crate) fn start(world: &Arc<World>, s: &mut State, instance: &str) {
    let lags = s.rules.unit_lags;
    if lags == 0 {
        return start_now(world, s, instance);
    }
    let (me, instance, boots) = (s.me.clone(), instance.to_owned(), s.host(instance).boots);
    s.later(lags, move |s| {
        if let Some(world) = me.upgrade()
            && s.host(&instance).boots == boots
        {
            start_now(&world, s, &instance);
        }
    });
}

fn start_now(world: &Arc<World>, s: &mut State, instance: &str) {
    let host = s.host(instance);
    if matches!(host.broker.state, UnitState::Active | UnitState::Activating) {
        return;
    }
    if host.broker.starts >= START_LIMIT {
        host.broker.state = UnitState::Failed;
        host.broker.result = "start-limit-hit".into();
        return;
    }
    begin_invocation(world, s, instance);
}

fn begin_invocation(world: &Arc<World>, s: &mut State, instance: &str) {
    let host = s.host(instance);
    host.broker.starts += 1;
    host.broker.invocation += 1;
    host.broker.state = UnitState::Activating;
    let turn = (host.boots, host.broker.invocation);
    let (world, instance) = (world.clone(), instance.to_owned());
    tokio::task::spawn_local(live(world, instance, turn));
}

async fn live(world: Arc<World>, instance: String, turn: (u32, u64)) {
    let failed = |why: String| {
        world.with(|s| {
            if is_it(s, &instance, turn) {
                fail(s, &instance, &why)
            }
        })
    };
    sleep(Duration::from_millis(100)).await;
    let caller = Arc::new(Caller::bystander(&world, &instance));
    let (boot, mount) = world.with(|s| (s.host(&instance).boot.clone(), s.rules.config.mount.clone()));
    let boot = boot.parse().expect("the boot ids here are UUIDs");
    let disks = crate::disks::HostDisks(caller.clone());
    if let Err(why) = gate(&HostFiles(caller), &disks, &boot, &mount).await {
        return failed(format!("gate: {why}"));
    }
    if !world.with(|s| is_it(s, &instance, turn) && begin(s, &instance)) {
        return;
    }
    let starts = world.with(|s| s.rules.broker_starts);
    sleep(Duration::from_millis(starts)).await;
    if !world.with(|s| is_it(s, &instance, turn) && register(s, &instance)) {
        return;
    }
    let syncs = world.with(|s| s.rules.broker_syncs);
    sleep(Duration::from_millis(syncs)).await;
    world.with(|s| {
        if is_it(s, &instance, turn) {
            join_in_sync(s, &instance)
        }
    });
}

fn is_it(s: &mut State, instance: &str, turn: (u32, u64)) -> bool {
    let host = s.host(instance);
    host.up
        && (host.boots, host.broker.invocation) == turn
        && matches!(host.broker.state, UnitState::Activating | UnitState::Active)
}

fn fail(s: &mut State, instance: &str, why: &str) {
    let restarts = s.rules.unit_restarts;
    let host = s.host(instance);
    let turn = (host.boots, host.broker.invocation);
    let session = host.broker.stopped(why);
    let again = restarts && host.broker.starts < START_LIMIT;
    host.broker.state = if again { UnitState::Activating } else { UnitState::Failed };
    s.tell(format!("{instance} kafka failed: {why}"));
    s.end_session(session);
    if again {
        let (me, instance) = (s.me.clone(), instance.to_owned());
        s.later(RESTART_AFTER, move |s| {
            if let Some(world) = me.upgrade()
                && is_it(s, &instance, turn)
            {
                begin_invocation(&world, s, &instance);
            }
        });
    }
}

/// The process of a live broker dies.
pub fn die(s: &mut State, instance: &str, why: &str) {
    fail(s, instance, why);
}

/// The process runs: it opens its log dir.
fn begin(s: &mut State, instance: &str) -> bool {
    let path = s.host(instance).unit_file.clone();
    let file = s.host(instance).file(&path).unwrap_or_default();
    let keys = properties::read(&file).unwrap_or_default();
    let id: u32 = keys.get("broker.id").and_then(|id| id.parse().ok()).unwrap_or(u32::MAX);
    let log_dir = keys.get("log.dirs").cloned().unwrap_or_default();
    let Some(mount) = s.host(instance).mount.clone().filter(|m| log_dir.starts_with(&m.at)) else {
        s.violated(format!("a service was started on the root disk of {instance}"));
        fail(s, instance, "no volume");
        return false;
    };
    let place = format!("{}/meta.properties", &log_dir[mount.at.len()..]).trim_start_matches('/').to_owned();
    let advertised = keys.get("advertised.listeners").cloned().unwrap_or_default();
    let advertised = advertised.split_once("://").map(|(_, at)| at.to_owned()).unwrap_or_default();
    s.host(instance).broker.advertised = advertised;
    s.host(instance).broker.serves = Some((id, mount.volume.clone()));
    s.host(instance).broker.state = UnitState::Active;
    crate::laws::service_began(s, instance, id, &mount.volume, &place);
    let meta = s.disks.get(&mount.volume).and_then(|disk| disk.file(&place)).cloned();
    if let Some(meta) = meta {
        if !meta.contains(&format!("broker.id={id}\n")) {
            fail(s, instance, "InconsistentBrokerIdException");
            return false;
        }
    } else {
        let cluster = cluster(s);
        let text = format!("#\nbroker.id={id}\nversion=0\ncluster.id={cluster}\n");
        if let Some(crate::Content::Xfs { files, .. }) = s.disks.get_mut(&mount.volume) {
            files.insert(place, text);
        }
    }
    true
}

/// `/cluster/id`, made by the first broker.
fn cluster(s: &mut State) -> String {
    let path = format!("{CHROOT}/cluster/id");
    if let Some(node) = s.zk.nodes.get(&path) {
        return String::from_utf8_lossy(&node.data).into_owned();
    }
    let (id, wall) = (s.uuid(), s.wall());
    let session = s.zk.connect("kafka", SESSION);
    let op = Op::Create { path, data: id.clone().into_bytes(), ephemeral: false };
    let _ = s.zk.multi(session, &[op], wall);
    s.zk.end(session);
    id
}

fn register(s: &mut State, instance: &str) -> bool {
    let wall = s.wall();
    let Some((id, _)) = s.host(instance).broker.serves.clone() else { return false };
    let session = s.zk.connect(instance, SESSION);
    let data = format!("{instance} {}", s.host(instance).broker.advertised).into_bytes();
    let op = Op::Create { path: registration(id), data, ephemeral: true };
    if s.zk.multi(session, &[op], wall).is_err() {
        s.end_session(Some(session));
        fail(s, instance, "NodeExistsException");
        return false;
    }
    s.rules.known.insert(id);
    // Whoever is elected now leads with the in-sync replicas that live.
    s.shrink_in_sync();
    s.host(instance).broker.session = Some(session);
    s.tell(format!("{instance} registered as broker {id}"));
    true
}

/// The session of a live broker expires: Kafka opens another and registers again.
pub fn lose_session(world: &Arc<World>, s: &mut State, instance: &str) {
    let Some(session) = s.host(instance).broker.session.take() else { return };
    s.end_session(Some(session));
    let (host_turn, world, instance) = {
        let host = s.host(instance);
        ((host.boots, host.broker.invocation), world.clone(), instance.to_owned())
    };
    tokio::task::spawn_local(async move {
        sleep(Duration::from_millis(700)).await;
        if !world.with(|s| is_it(s, &instance, host_turn) && register(s, &instance)) {
            return;
        }
        let syncs = world.with(|s| s.rules.broker_syncs);
        sleep(Duration::from_millis(syncs)).await;
        world.with(|s| {
            if is_it(s, &instance, host_turn) {
                join_in_sync(s, &instance)
            }
        });
    });
}

fn join_in_sync(s: &mut State, instance: &str) {
    let Some((id, _)) = s.host(instance).broker.serves.clone() else { return };
    if s.host(instance).broker.session.is_some() {
        s.tell(format!("{instance} broker {id} is in sync"));
        s.change_in_sync(|isr| {
            if !isr.contains(&id) {
                isr.push(id)
            }
        });
    }
}

impl State {
    /// The controller takes those out whose registration is gone.
    pub(crate) fn shrink_in_sync(&mut self) {
        let prefix = format!("{CHROOT}/brokers/ids");
        let alive: Vec<u32> = self.zk.below(&prefix).filter_map(|(name, _)| name.parse().ok()).collect();
        self.change_in_sync(|isr| {
            // The last one stays listed (Kafka, Election: an ISR never becomes empty).
            if isr.iter().any(|id| alive.contains(id)) {
                isr.retain(|id| alive.contains(id));
            }
        });
    }

    fn change_in_sync(&mut self, change: impl Fn(&mut Vec<u32>)) {
        let wall = self.wall();
        let mut zxid = self.zk.zxid;
        let prefix = format!("{CHROOT}/states/");
        for (_, node) in self.zk.nodes.range_mut(prefix.clone()..).take_while(|(p, _)| p.starts_with(&prefix))
        {
            let mut isr: Vec<u32> = serde_json::from_slice(&node.data).unwrap_or_default();
            let before = isr.clone();
            change(&mut isr);
            if isr != before {
                zxid += 1;
                (node.data, node.mzxid, node.mtime) =
                    (serde_json::to_vec(&isr).unwrap_or_default(), zxid, wall);
                node.version += 1;
            }
        }
        self.zk.zxid = zxid;
    }
}
