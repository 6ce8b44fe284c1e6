//! One instance's host: what is lost with a kernel boot, what is kept, and what only looks like either.

use crate::broker::Broker;
use crate::world::Millis;
use crate::world::State;
use berth_lifecycle::ports::MountUser;
use berth_plan::network::{Rule, SYSCTLS, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The volume.
    pub volume: String,
    /// Where.
    pub at: String,
}

/// A host.
#[derive(Debug, Default)]
pub struct Host {
    /// Whether it runs.
    pub up: bool,
    /// How often it booted.
    pub boots: u32,
    /// The kernel's boot id.
    pub boot: String,
    /// When it booted.
    pub booted_at: Millis,
    /// `/run/berth`.
    pub run: BTreeMap<String, String>,
    /// `/var/lib/berth`.
    pub var: BTreeMap<String, String>,
    /// Files by absolute path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Symbolic links by absolute path, and where each leads.
    pub symlinks: BTreeMap<String, String>,
    /// The file that the unit starts Kafka with; it is one of the image, as the command is.
    pub unit_file: String,
    /// The command of the unit, where it is not the one that names this file.
    pub unit_command: Option<String>,
    /// Links by MAC, the primary one left out.
    pub links: BTreeMap<String, Seen>,
    /// Rules that have berth's mark. They belong to no link and outlive each.
    pub ip_rules: Vec<Rule>,
    /// Interfaces, by MAC, that the other managers of the host's network were told to leave alone. In `/run`.
    pub unmanaged: BTreeSet<String>,
    /// Volumes whose devices are there.
    pub devices: BTreeSet<String>,
    /// What is mounted.
    pub mount: Option<Mount>,
    /// Who else uses what is mounted.
    pub mount_users: Vec<MountUser>,
    /// The service.
    pub broker: Broker,
    next_link: u32,
}

impl Host {
    /// Where a path leads.
    pub fn real_path(&self, path: &str) -> String {
        let mut path = path.to_owned();
        while let Some(to) = self.symlinks.get(&path) {
            path.clone_from(to);
        }
        path
    }

    /// A file, links followed.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(&self.real_path(path)).cloned()
    }
}

/// The base file that every host has.
pub const BASE: &[u8] = b"# settings of the team\nnum.io.threads=8\n";

impl State {
    /// The host of an instance.
    ///
    /// # Panics
    /// When there is no such instance: a fault of the test.
    pub fn host(&mut self, instance: &str) -> &mut Host {
        self.hosts.get_mut(instance).expect("every launched instance has a host")
    }

    /// The kernel boots: what EC2 has attached is there, nothing else is.
    pub fn boot_host(&mut self, instance: &str) {
        let running =
            self.region.instance(instance).is_some_and(|i| i.state.word() == "running" && !i.impaired);
        if !running || self.hosts.get(instance).is_none_or(|host| host.up) {
            return;
        }
        let (boot, now) = (self.uuid(), self.now);
        let host = self.host(instance);
        host.up = true;
        host.boots += 1;
        (host.boot, host.booted_at) = (boot, now);
        host.run.clear();
        host.links.clear();
        host.ip_rules.clear();
        host.unmanaged.clear();
        host.devices.clear();
        host.mount = None;
        host.broker = Broker::default();
        host.next_link = 3;
        if host.unit_file.is_empty() {
            host.unit_file = "/etc/kafka/server.properties".to_owned();
        }
        host.files.entry("/etc/kafka/server.properties.base".to_owned()).or_insert_with(|| BASE.to_vec());
        let (volumes, enis) = self.region.brought_to(instance);
        for volume in volumes {
            self.device_appears(instance, &volume);
        }
        for eni in enis {
            self.link_appears(instance, &eni);
        }
        let boots = self.host(instance).boots;
        self.tell(format!("{instance} booted, boot {boots}"));
        if self.rules.starts_itself {
            let (me, instance) = (self.me.clone(), instance.to_owned());
            self.later(800, move |s| {
                if s.hosts.get(&instance).is_some_and(|host| host.up && host.boots == boots)
                    && let Some(world) = me.upgrade()
                {
                    crate::runs::start(&world, s, &instance, Default::default());
                }
            });
        }
    }

    /// The power goes: processes end without a word, their sessions live on until they expire.
    pub fn power_off(&mut self, instance: &str) {
        let Some(host) = self.hosts.get_mut(instance).filter(|host| host.up) else { return };
        host.up = false;
        host.run.clear();
        host.mount = None;
        let session = host.broker.stopped("power off");
        self.tell(format!("{instance} is off"));
        self.silence(session);
        if let Some(life) = self.runs.live.get(instance) {
            life.kill();
        }
    }

    /// A new device, when EC2 says that the volume is attached.
    pub fn device_appears(&mut self, instance: &str, volume: &str) {
        let attached = self.region.volume(volume).is_some_and(|v| {
            v.attachments.iter().any(|a| a.instance == instance && a.state.word() == "attached")
        });
        if attached && self.hosts.get(instance).is_some_and(|host| host.up) {
            self.host(instance).devices.insert(volume.to_owned());
        }
    }

    /// A new link, when EC2 says that the interface is attached.
    pub fn link_appears(&mut self, instance: &str, eni: &str) {
        let Some(eni) = self.region.eni(eni) else { return };
        let attached =
            eni.attachment.as_ref().is_some_and(|a| a.instance == instance && a.state.word() == "attached");
        let mac = eni.mac.clone();
        let Some(host) = self.hosts.get_mut(instance).filter(|host| host.up && attached) else { return };
        if host.links.contains_key(&mac) {
            return;
        }
        let (index, name) = (host.next_link, format!("eth{}", host.next_link - 2));
        host.next_link += 1;
        let sysctls = SYSCTLS.map(|(path, _)| (path.replace("{link}", &name), "0".to_owned())).into();
        let seen = Seen { index, name, mtu: 1500, max_mtu: Some(9216), sysctls, ..Default::default() };
        host.links.insert(mac, seen);
    }

    /// Nobody keeps a session alive any more: it expires.
    pub fn silence(&mut self, session: Option<u64>) {
        let now = self.now;
        let Some(session) = session else { return };
        let Some(found) = self.zk.sessions.get_mut(&session) else { return };
        found.silent_since = Some(now);
        let timeout = found.timeout;
        self.later(timeout, move |s| s.expire(session, now));
    }

    fn expire(&mut self, session: u64, since: Millis) {
        let Some(found) = self.zk.sessions.get(&session).filter(|f| f.silent_since == Some(since)) else {
            return;
        };
        let timeout = found.timeout;
        if self.zk.down {
            self.later(timeout, move |s| s.expire(session, since));
            return;
        }
        self.end_session(Some(session));
    }

    /// Ends a session now.
    pub fn end_session(&mut self, session: Option<u64>) {
        if let Some(session) = session {
            self.zk.end(session);
            self.shrink_in_sync();
        }
    }

    /// An instance can no longer reach the ensemble: nobody keeps its sessions alive.
    pub fn cut_off(&mut self, instance: &str) {
        self.zk.cut_off.insert(instance.to_owned());
        for session in self.sessions_of(instance) {
            self.silence(Some(session));
        }
    }

    /// It can again. What has expired meanwhile is gone: a live broker registers anew.
    pub fn reconnect(&mut self, instance: &str) {
        self.zk.cut_off.remove(instance);
        let host = self.host(instance);
        let (up, broker) = (host.up, host.broker.session);
        let of_a_run = self.runs.live.contains_key(instance);
        for session in self.sessions_of(instance) {
            if let Some(found) = self.zk.sessions.get_mut(&session)
                && up
                && (Some(session) == broker || (of_a_run && found.timeout == crate::runs::SESSION))
            {
                found.silent_since = None;
            }
        }
        if let (Some(world), Some(session)) = (self.me.upgrade(), broker)
            && !self.zk.sessions.contains_key(&session)
        {
            crate::broker::lose_session(&world, self, instance);
        }
    }

    fn sessions_of(&self, instance: &str) -> Vec<u64> {
        let mine = self.zk.sessions.iter().filter(|(_, session)| session.instance == instance);
        mine.map(|(id, _)| *id).collect()
    }
}
