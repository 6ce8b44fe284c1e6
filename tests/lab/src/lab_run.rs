//! One running lab: the region in this process, the fabric around it, ZooKeeper, and the instances that follow the region's
//! journal. What the region says happened is made to happen; nothing is made to happen that it did not say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use region::model::{Region, Settings};
use region::wire::{Identify, Served};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::commands::require;
use crate::error::{Error, Result};
use crate::fabric::{API, Fabric, IMDS};
use crate::host::Host;
use crate::image::Image;
use crate::kafka::Clients;
use crate::ledger::Ledger;
use crate::netns;
use crate::scenario::Scenario;
use crate::shared_base::SharedBase;
use crate::story::Story;
use crate::volume::Volume;
use crate::zookeeper::Ensemble;

mod create_resources;
mod follow;
mod journal;
mod queries;
mod tails;

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
pub struct InstanceInfo {
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
pub struct LabRun {
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
    instances: BTreeMap<String, InstanceInfo>,
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

impl LabRun {
    /// Makes everything but the instances.
    pub async fn make(scenario: Scenario, story: Story) -> Result<LabRun> {
        require(&["ip", "losetup", "nsenter", "mkfs.xfs", "xfs_io", "blkid"])?;
        let before = Host::read()?;
        let ledger = Arc::new(Ledger::open()?);
        let made = async {
            let base =
                SharedBase::make(&ledger, scenario.service, scenario.cluster.zookeeper, None, &story).await?;
            LabRun::stand(scenario, story, before, Arc::clone(&ledger), base, false)
        };
        let made = made.await;
        if made.is_err() {
            ledger.close(true)?;
        }
        made
    }

    /// Makes everything but the instances on a base that is there already and stays when this run ends. The base has one
    /// run at a time: its addresses are the run's.
    pub fn make_on(base: &SharedBase, scenario: Scenario, story: Story) -> Result<LabRun> {
        let before = Host::read()?;
        let ledger = Arc::new(Ledger::open()?);
        let made = LabRun::stand(scenario, story, before, Arc::clone(&ledger), base.clone(), true);
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
        base: SharedBase,
        borrowed: bool,
    ) -> Result<LabRun> {
        let SharedBase { fabric, image, ensemble, disks } = base;
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
        let (slots, volumes) =
            create_resources::create_resources(&mut region, &scenario, &ledger, disks.as_deref())?;
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
        Ok(LabRun {
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

    /// Takes everything down, and asserts that nothing is left of it. Answers where the logs are, if they were kept.
    pub async fn end(mut self, keep_logs: bool) -> Result<Option<std::path::PathBuf>> {
        self.ended = true;
        self.stop_following();
        for server in self.servers.drain(..) {
            server.abort();
            // Its listener is closed when it has ended: the next run on this base listens there.
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

impl Drop for LabRun {
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
