//! One running lab: the region in this process, the fabric around it, ZooKeeper, and the instances that follow the region's
//! journal. What the region says happened is made to happen; nothing is made to happen that it did not say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use region::model::{Entry, Region, Settings};
use region::wire::{Identify, Served};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::commands::require;
use crate::error::{Doing, Error, Result};
use crate::fabric::{API, Fabric, IMDS};
use crate::ground::Ground;
use crate::host::Host;
use crate::image::Image;
use crate::instance::{inside, netns_of, ran};
use crate::kafka::Clients;
use crate::ledger::Ledger;
use crate::netns;
use crate::scenario::Scenario;
use crate::story::Story;
use crate::volume::Volume;
use crate::znodes::Nodes;
use crate::zookeeper::Ensemble;

mod follow;
mod furnish;

/// The group, and with it the stack, of a lab.
pub const GROUP: &str = "brokers";
/// The stack's name.
pub const STACK: &str = "kafka";

/// A slot as the lab made it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SlotMade {
    /// Its number.
    pub id: u32,
    /// Its full zone name.
    pub zone: String,
    /// Its volume.
    pub volume: String,
    /// Its network interface.
    pub eni: String,
    /// The interface's address.
    pub address: Ipv4Addr,
}

/// An instance as everybody may know it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Known {
    /// `b2`: the second instance of zone b.
    pub label: String,
    /// The instance id.
    pub id: String,
    /// Its full zone name.
    pub zone: String,
    /// Its own address.
    pub address: String,
    /// Its state by the journal.
    pub state: String,
    /// PID 1 as the host sees it, while it is up.
    pub pid1: Option<i32>,
}

/// A running lab.
pub struct World {
    /// The region.
    pub served: Served,
    /// What is told.
    pub story: Story,
    /// The slots.
    pub slots: Vec<SlotMade>,
    /// Clients with the address list of all slots.
    pub clients: Clients,
    /// ZooKeeper, if the scenario has one.
    pub ensemble: Arc<tokio::sync::Mutex<Option<Ensemble>>>,
    /// The scenario.
    pub scenario: Scenario,
    inner: Arc<Inner>,
    before: Host,
    /// Fabric and ZooKeeper are somebody else's, who goes on with them.
    borrowed: bool,
    servers: Vec<JoinHandle<()>>,
    follower: JoinHandle<()>,
    trouble: watch::Receiver<Option<String>>,
    followed: watch::Receiver<usize>,
    ended: bool,
}

#[derive(Debug)]
struct Inner {
    ledger: Arc<Ledger>,
    fabric: Arc<Fabric>,
    image: Image,
    story: Story,
    environment: Vec<(String, String)>,
    shared: Mutex<Shared>,
    trouble: watch::Sender<Option<String>>,
}

#[derive(Debug, Default)]
struct Shared {
    instances: BTreeMap<String, Known>,
    queues: HashMap<String, mpsc::UnboundedSender<follow::Act>>,
    lives: Vec<tokio::task::AbortHandle>,
    order: Vec<String>,
    volumes: HashMap<String, Volume>,
    sizes: HashMap<String, u64>,
    roots: BTreeSet<String>,
    held: BTreeMap<String, String>,
    late: HashMap<String, Duration>,
    slots: Vec<SlotMade>,
}

impl Inner {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that the lab itself could not do: the run is over.
    fn trouble(&self, said: String) {
        self.story.tell("lab", format!("TROUBLE: {said}"));
        let _ = self.trouble.send(Some(said));
    }
}

impl World {
    /// Makes everything but the instances.
    pub async fn make(scenario: Scenario, story: Story) -> Result<World> {
        require(&["ip", "losetup", "nsenter", "mkfs.xfs", "xfs_io", "blkid"])?;
        let before = Host::read()?;
        let ledger = Arc::new(Ledger::open()?);
        let made = async {
            let ground =
                Ground::make(&ledger, scenario.service, scenario.cluster.zookeeper, None, &story).await?;
            World::stand(scenario, story, before, Arc::clone(&ledger), ground, false)
        };
        let made = made.await;
        if made.is_err() {
            ledger.close(true)?;
        }
        made
    }

    /// Makes everything but the instances on a ground that is there already and stays when this world ends. The ground
    /// has one world at a time: its addresses are the world's.
    pub fn make_on(ground: &Ground, scenario: Scenario, story: Story) -> Result<World> {
        let before = Host::read()?;
        let ledger = Arc::new(Ledger::open()?);
        let made = World::stand(scenario, story, before, Arc::clone(&ledger), ground.clone(), true);
        if made.is_err() {
            ledger.close(true)?;
        }
        made
    }

    fn stand(
        scenario: Scenario,
        story: Story,
        before: Host,
        ledger: Arc<Ledger>,
        ground: Ground,
        borrowed: bool,
    ) -> Result<World> {
        let Ground { fabric, image, ensemble, disks } = ground;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        let settings = Settings {
            seed: scenario.region.seed,
            epoch: now,
            throttle: scenario.region.throttle.unwrap_or(true),
            delays: scenario.delays(),
            ..Settings::default()
        };
        let mut region = Region::new(settings);
        scenario.region.fault.iter().for_each(|fault| region.inject(fault.clone()));
        let (slots, volumes) = furnish::furnish(&mut region, &scenario, &ledger, disks.as_deref())?;
        let bootstrap = slots.iter().map(|s| format!("{}:9092", s.address)).collect::<Vec<_>>().join(",");
        let clients = Clients::new(fabric.srv(), &bootstrap);
        let served = Served::start(region);
        let listen = |at: Ipv4Addr| netns::listen(fabric.srv(), SocketAddr::from((at, 80)));
        let servers =
            vec![served.serve_api(listen(API)?), served.serve_imds(listen(IMDS)?, Identify::ByAddress)];
        let (send, trouble) = watch::channel(None);
        let shared = Shared { volumes, slots: slots.clone(), ..Shared::default() };
        let inner = Arc::new(Inner {
            ledger,
            fabric,
            image,
            story: story.clone(),
            environment: vec![("AWS_ENDPOINT_URL".into(), format!("http://{API}"))],
            shared: Mutex::new(shared),
            trouble: send,
        });
        let (tell_followed, followed) = watch::channel(0);
        let follower = tokio::spawn(follow::follow(served.clone(), Arc::clone(&inner), tell_followed));
        Ok(World {
            served,
            story,
            slots,
            clients,
            ensemble,
            scenario,
            inner,
            before,
            borrowed,
            servers,
            follower,
            trouble,
            followed,
            ended: false,
        })
    }

    /// The lab's id.
    pub fn id(&self) -> &str {
        self.inner.ledger.id()
    }

    /// Where the logs and the journal of this lab are.
    pub fn logs(&self) -> std::path::PathBuf {
        self.inner.ledger.logs()
    }

    /// The namespace of clients and services.
    pub fn srv(&self) -> &str {
        self.inner.fabric.srv()
    }

    /// The VPC.
    pub fn fabric(&self) -> &Fabric {
        &self.inner.fabric
    }

    /// The network namespace of an instance.
    pub fn netns(&self, instance: &Known) -> String {
        netns_of(self.id(), &instance.id)
    }

    /// All instances so far, in order of their launch.
    pub fn instances(&self) -> Vec<Known> {
        let shared = self.inner.shared();
        shared.order.iter().filter_map(|id| shared.instances.get(id).cloned()).collect()
    }

    /// The instance that holds a slot's volume, by the region's journal.
    pub fn holder(&self, slot: u32) -> Option<Known> {
        let made = self.slots.iter().find(|s| s.id == slot)?;
        let shared = self.inner.shared();
        shared.held.get(&made.volume).and_then(|id| shared.instances.get(id).cloned())
    }

    /// The instance that has this volume or network interface attached, by the region's journal.
    pub fn has(&self, resource: &str) -> Option<String> {
        self.inner.shared().held.get(resource).cloned()
    }

    /// The instance that `slot 1`, `instance 0`, a label or an id means.
    pub fn find(&self, who: &str) -> Result<Known> {
        let all = self.instances();
        let found = match who.split_once(' ') {
            Some(("slot", n)) => n.parse().ok().and_then(|n| self.holder(n)),
            Some(("instance", n)) => n.parse::<usize>().ok().and_then(|n| all.get(n).cloned()),
            _ => all.iter().find(|known| known.label == who || known.id == who).cloned(),
        };
        found.ok_or_else(|| {
            let known: Vec<String> =
                all.iter().map(|k| format!("{} ({}, {})", k.label, k.id, k.state)).collect();
            Error::new(format!("no instance is {who:?}; there are: {}", known.join(", ")))
        })
    }

    /// A command inside an instance.
    pub fn command(&self, instance: &Known, program: &str) -> Result<tokio::process::Command> {
        let pid1 = instance.pid1.ok_or_else(|| Error::new(format!("{} is not up", instance.label)))?;
        Ok(inside(pid1, &self.inner.environment, program))
    }

    /// The lab's volume of this id.
    pub fn volume(&self, id: &str) -> Option<Volume> {
        self.inner.shared().volumes.get(id).cloned()
    }

    /// The lab's volume of this id, made where none has been attached yet: a test may write to it beforehand.
    pub fn image(&self, id: &str) -> Result<Volume> {
        follow::volume_of(&self.inner, id)
    }

    /// Once it is attached in EC2, the device of this volume appears so much later.
    pub fn appears_late(&self, volume: &str, by: Duration) {
        self.inner.shared().late.insert(volume.to_owned(), by);
    }

    /// The nodes at and below these paths of the cluster's ZooKeeper, read from the clients' place.
    pub async fn znodes(&self, paths: &[&str]) -> Result<Nodes> {
        let said = self.zookeeper("znodes", paths).await?;
        serde_json::from_str(&said).doing(|| "understand what ZooKeeper holds".into())
    }

    /// Writes a node of the cluster's ZooKeeper.
    pub async fn put_znode(&self, path: &str, data: &str) -> Result<()> {
        self.zookeeper("znode", &[path, data]).await.map(drop)
    }

    async fn zookeeper(&self, deed: &str, arguments: &[&str]) -> Result<String> {
        let hosts = self.ensemble.lock().await.as_ref().map(|e| e.hosts()).unwrap_or_default();
        let program = crate::image::lab_binary()?;
        let mut command =
            tokio::process::Command::from(netns::command(self.srv(), &program.to_string_lossy()));
        command.arg(deed).arg(hosts).args(arguments);
        let done = ran(command, Duration::from_secs(30)).await?;
        if done.code != 0 {
            return Err(Error::new(format!("ask ZooKeeper: {}", done.err.trim())));
        }
        Ok(done.out)
    }

    /// Does what is asked, unless the lab itself gets into trouble meanwhile.
    pub async fn unless_trouble<T>(&self, deed: impl Future<Output = Result<T>>) -> Result<T> {
        let mut trouble = self.trouble.clone();
        tokio::select! {
            done = deed => done,
            said = trouble.wait_for(Option::is_some) => match said {
                Ok(said) => Err(Error::new(said.clone().unwrap_or_default())),
                Err(_) => Err(Error::new("the lab's follower of the journal ended")),
            },
        }
    }

    /// Waits for the `count`-th entry from `from` on for which `f` answers; returns its answer.
    pub async fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        from: usize,
        mut f: impl FnMut(&Entry) -> Option<T>,
    ) -> Result<T> {
        let waiting = async {
            let found = self.served.wait_for(from, |entry| f(entry)).await;
            self.caught_up().await;
            found
        };
        self.unless_trouble(self.story.wait(what, limit, waiting)).await
    }

    /// Waits until all that the journal says now has been noted here, so that `find` and `holder` answer by it.
    pub async fn caught_up(&self) {
        let length = self.journal_length();
        let mut followed = self.followed.clone();
        // The follower ends only with the lab.
        let _ = followed.wait_for(|seq| *seq >= length).await;
    }

    /// How far the journal is.
    pub fn journal_length(&self) -> usize {
        self.served.with(|region| region.journal().len())
    }

    /// The journal from here on.
    pub fn journal(&self, from: usize) -> Vec<Entry> {
        self.served.with(|region| region.journal().get(from..).map(<[Entry]>::to_vec).unwrap_or_default())
    }

    /// Unix milliseconds of an entry.
    pub fn unix_ms(&self, entry: &Entry) -> u64 {
        self.served.with(|region| region.settings().epoch) + entry.at
    }

    /// What failed runs are read by: the ends of all logs and of the journal.
    pub fn tails(&self) -> String {
        let mut text = String::new();
        for known in self.instances() {
            let directory = self.inner.ledger.logs().join(&known.id);
            let mut files: Vec<_> =
                std::fs::read_dir(&directory).into_iter().flatten().flatten().map(|e| e.path()).collect();
            files.sort();
            for file in files {
                let all = std::fs::read_to_string(&file).unwrap_or_default();
                let lines: Vec<&str> = all.lines().collect();
                let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                text += &format!(
                    "\n== {} ({}) {name}, the last of {} lines\n",
                    known.label,
                    known.state,
                    lines.len()
                );
                text += &lines[lines.len().saturating_sub(15)..].join("\n");
            }
        }
        let journal = self.journal(0);
        text += &format!("\n\n== the region's journal, the last of {} entries\n", journal.len());
        for entry in &journal[journal.len().saturating_sub(25)..] {
            text += &format!("{}\n", serde_json::to_string(entry).unwrap_or_default());
        }
        text
    }

    /// Takes everything down, and asserts that nothing is left of it. Answers where the logs are, if they were kept.
    pub async fn end(mut self, keep_logs: bool) -> Result<Option<std::path::PathBuf>> {
        self.ended = true;
        self.stop_following();
        for server in self.servers.drain(..) {
            server.abort();
            // Its listener is closed when it has ended: the next world of this ground listens there.
            let _ = server.await;
        }
        if !self.borrowed {
            drop(self.ensemble.lock().await.take());
        }
        let kept = self.inner.ledger.close(keep_logs)?;
        self.inner.fabric.clear();
        let left = self.before.left_by(self.inner.ledger.id(), &Host::read()?);
        if left.is_empty() {
            Ok(kept)
        } else {
            Err(Error::new(format!("the lab left behind: {}", left.join(", "))))
        }
    }

    fn stop_following(&self) {
        self.follower.abort();
        self.servers.iter().for_each(JoinHandle::abort);
        self.inner.shared().lives.drain(..).for_each(|life| life.abort());
    }
}

impl Drop for World {
    /// A lab that was not ended (its test panicked) is taken down all the same; its logs are kept.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.stop_following();
        // Held by somebody: then the end of all processes of the fabric ends it.
        if let (false, Ok(mut ensemble)) = (self.borrowed, self.ensemble.try_lock()) {
            drop(ensemble.take());
        }
        match self.inner.ledger.close(true) {
            Ok(Some(kept)) => eprintln!("lab: logs are kept in {}", kept.display()),
            Ok(None) => {}
            Err(error) => eprintln!("lab: {}", error.chain()),
        }
    }
}

/// Appends to the kept journal.
fn write_line(file: &mut std::fs::File, entry: &Entry) -> Result<()> {
    let mut line = serde_json::to_string(entry).doing(|| "write a journal line".into())?;
    line.push('\n');
    file.write_all(line.as_bytes()).doing(|| "write the journal".into())
}
