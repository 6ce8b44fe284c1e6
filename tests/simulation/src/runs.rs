//! Runs of berth: started, killed, ended. A run is a future; killing it drops the future and nothing else.

use crate::fate::{Death, Fate, Life};
use crate::world::Millis;
use crate::world::{State, World};
use crate::{claims, cloud, disks, host_port, kernel, listeners, registrations, service};
use berth_lifecycle::stories::boot::{Ended, boot};
use berth_lifecycle::stories::preview::{Preview, preview};
use berth_lifecycle::stories::release::{self, release};
use berth_lifecycle::{Agent, Boot, Me, Ports, Trouble, deadline};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

/// The time-out of berth's own ZooKeeper session.
pub const SESSION: Millis = 10_000;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// A boot, by itself.
    Ended(Ended),
    /// A release, by itself.
    Released(release::Ended),
    /// It was killed.
    Killed,
}

/// All runs.
#[derive(Default)]
pub struct Runs {
    /// The run under way on each instance.
    pub live: BTreeMap<String, Arc<Life>>,
    /// Instance, kernel boot, and how the run ended.
    pub ended: Vec<(String, u32, Exit)>,
}

/// What a run's ports share.
pub(crate) struct Caller {
    pub(crate) world: Arc<World>,
    pub(crate) instance: String,
    pub(crate) life: Arc<Life>,
    pub(crate) session: Mutex<Option<u64>>,
}

impl Caller {
    /// For the gate: calls that are no run's.
    pub(crate) fn bystander(world: &Arc<World>, instance: &str) -> Self {
        let (world, instance) = (world.clone(), instance.to_owned());
        Self { world, instance, life: Arc::default(), session: Mutex::default() }
    }

    /// A call of something on this host.
    pub(crate) async fn local<T>(
        &self,
        name: &'static str,
        takes: Millis,
        deed: impl FnOnce(&mut State, &str) -> T,
    ) -> T {
        if let Fate::Killed(death) = self.life.point(name) {
            if death != Death::Clean {
                self.world.with(|s| drop(deed(s, &self.instance)));
            }
            return self.gone().await;
        }
        if takes > 0 {
            sleep(Duration::from_millis(takes)).await;
        }
        self.still().await;
        self.world.with(|s| deed(s, &self.instance))
    }

    /// A call that changes something and returns at once. Not carried out once the run is dead.
    pub(crate) fn at_once<T>(
        &self,
        name: &'static str,
        deed: impl FnOnce(&mut State, &str) -> T,
    ) -> Option<T> {
        if self.life.is_dead() {
            return None;
        }
        match self.life.point(name) {
            Fate::Killed(death) => {
                if death != Death::Clean {
                    self.world.with(|s| drop(deed(s, &self.instance)));
                }
                self.life.kill();
                None
            }
            Fate::Well | Fate::Mishap(_) => Some(self.world.with(|s| deed(s, &self.instance))),
        }
    }

    /// Stays here for ever where the run is dead.
    pub(crate) async fn still(&self) {
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    /// The run dies here.
    pub(crate) async fn gone<T>(&self) -> T {
        self.life.kill();
        std::future::pending().await
    }
}

/// A run under way.
pub struct Berth {
    /// Its life.
    pub life: Arc<Life>,
    task: JoinHandle<Exit>,
}

impl Berth {
    /// Waits for its end.
    pub async fn exit(self) -> Exit {
        self.task.await.expect("a run does not panic")
    }
}

impl World {
    /// Starts berth on an instance.
    pub fn boot(self: &Arc<Self>, instance: &str) -> Berth {
        self.boot_with(instance, Life::default())
    }

    /// Starts berth on an instance, with what becomes of its calls.
    pub fn boot_with(self: &Arc<Self>, instance: &str, life: Life) -> Berth {
        self.with(|s| start(self, s, instance, life))
    }
}

impl World {
    /// Starts `berth release` on an instance, with what becomes of its calls and this much time.
    pub fn release(
        self: &Arc<Self>,
        instance: &str,
        life: Life,
        within: Millis,
        request: release::Request,
    ) -> Berth {
        let story = Story::Release(Duration::from_millis(within), request);
        self.with(|s| begin(self, s, instance, life, story))
    }
}

/// What `berth plan` says on an instance, and the calls that it made for that.
pub struct Foretold {
    /// What it says.
    pub preview: Result<Preview, Trouble>,
    /// The names of its calls.
    pub calls: Vec<&'static str>,
}

impl World {
    /// What a command of berth has on an instance.
    pub fn agent(self: &Arc<Self>, instance: &str) -> Agent {
        let caller = Arc::new(Caller::bystander(self, instance));
        let (me, config) = self.with(|s| (me(s, instance), s.rules.config.clone()));
        Agent { me, config, ports: ports(&caller) }
    }

    /// What `berth plan` says on an instance, were those of `gone` terminated.
    pub async fn preview(self: &Arc<Self>, instance: &str, gone: &[&str]) -> Foretold {
        let caller = Arc::new(Caller::bystander(self, instance));
        let (me, config) = self.with(|s| (me(s, instance), s.rules.config.clone()));
        let agent = Agent { me, config, ports: ports(&caller) };
        let gone = gone.iter().map(|id| id.parse().expect("it is an instance id")).collect();
        let preview = preview(&agent, &gone).await;
        let session = *caller.session.lock().expect("no holder of this lock panics");
        self.with(|s| s.end_session(session));
        Foretold { preview, calls: caller.life.calls() }
    }
}

/// Starts a run.
pub(crate) fn start(world: &Arc<World>, s: &mut State, instance: &str, life: Life) -> Berth {
    begin(world, s, instance, life, Story::Boot)
}

/// What a run does.
enum Story {
    Boot,
    Release(Duration, release::Request),
}

fn begin(world: &Arc<World>, s: &mut State, instance: &str, life: Life, story: Story) -> Berth {
    let life = Arc::new(life);
    let boots = s.host(instance).boots;
    s.tell(format!("{instance} berth starts"));
    s.runs.live.insert(instance.to_owned(), life.clone());
    let me = me(s, instance);
    let token = s.uuid().parse().expect("a UUID is a token");
    let config = s.rules.config.clone();
    let caller = Arc::new(Caller {
        world: world.clone(),
        instance: instance.to_owned(),
        life: life.clone(),
        session: Mutex::default(),
    });
    let mine = life.clone();
    let task = tokio::task::spawn_local(async move {
        let ports = ports(&caller);
        let deadline = match &story {
            Story::Boot => deadline(ports.host.as_ref(), &config),
            Story::Release(within, _) => ports.host.since_boot() + *within,
        };
        let state = Boot::new(Agent { me, config, ports }, token, deadline);
        let told = async {
            match &story {
                Story::Boot => Exit::Ended(boot(&state).await),
                Story::Release(_, request) => Exit::Released(release(&state, request).await),
            }
        };
        let exit = tokio::select! {
            biased;
            () = mine.died.notified() => Exit::Killed,
            exit = told => exit,
        };
        // A kill at the last effect of a run leaves no call at which it could be noticed.
        let exit = if mine.is_dead() { Exit::Killed } else { exit };
        let session = *caller.session.lock().expect("no holder of this lock panics");
        caller.world.with(|s| over(s, &caller.instance, boots, &exit, session));
        exit
    });
    Berth { life, task }
}

fn over(s: &mut State, instance: &str, boots: u32, exit: &Exit, session: Option<u64>) {
    s.tell(format!("{instance} berth: {exit:?}"));
    s.runs.live.remove(instance);
    s.runs.ended.push((instance.to_owned(), boots, exit.clone()));
    match exit {
        Exit::Killed => {
            s.silence(session);
            if s.rules.restarts {
                let (me, instance) = (s.me.clone(), instance.to_owned());
                s.later(1_000, move |s| {
                    let here = s.hosts.get(&instance).is_some_and(|host| host.up && host.boots == boots);
                    if here && let Some(world) = me.upgrade() {
                        start(&world, s, &instance, Life::default());
                    }
                });
            }
        }
        Exit::Ended(_) | Exit::Released(_) => s.end_session(session),
    }
}

fn ports(caller: &Arc<Caller>) -> Ports {
    Ports {
        cloud: Arc::new(cloud::Ec2(caller.clone())),
        claims: Arc::new(claims::Records(caller.clone())),
        registrations: Arc::new(registrations::Brokers(caller.clone())),
        network: Arc::new(kernel::Links(caller.clone())),
        managers: Arc::new(kernel::OtherManagers(caller.clone())),
        disks: Arc::new(disks::HostDisks(caller.clone())),
        service: Arc::new(service::Units(caller.clone())),
        signals: Arc::new(listeners::Listeners(caller.clone())),
        host: Arc::new(host_port::HostFiles(caller.clone())),
        timeline: Arc::new(host_port::Trace(caller.clone())),
    }
}

/// What the metadata service says of an instance.
pub(crate) fn me(s: &mut State, id: &str) -> Me {
    let boot = s.host(id).boot.clone();
    let instance = s.region.instance(id).expect("only instances of the region boot").clone();
    let eni = s.region.eni(&instance.eni).expect("an instance has its primary interface").clone();
    let subnet = s.region.subnet(&eni.subnet).expect("an interface has its subnet");
    let group = instance.group.as_ref().and_then(|group| s.region.group(group));
    let member = group.and_then(|group| group.members.get(id)).filter(|m| m.target_from <= s.now);
    let wrong = "the region writes identifiers as AWS does";
    Me {
        instance: id.parse().expect(wrong),
        boot: boot.parse().expect(wrong),
        zone: instance.zone.parse().expect(wrong),
        zone_id: Some(s.region.settings().zone_id(&instance.zone).parse().expect(wrong)),
        region: s.region.settings().region.parse().expect(wrong),
        instance_type: instance.launch.instance_type.parse().expect(wrong),
        mac: eni.mac.parse().expect(wrong),
        address: eni.shown_ips().first().copied(),
        subnet: Some((subnet.id.parse().expect(wrong), subnet.cidr.to_string().parse().expect(wrong))),
        target_state: member.map(|member| member.target.as_str().into()),
    }
}
