//! One EC2 instance as the host makes it: a network namespace, a root of its own, PID 1, and the interfaces and volumes that
//! the region says are attached. A reboot makes all of it anew but what is on disk.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::error::{Context, Error, Result};
use crate::fabric::{Fabric, Interface, configure_primary};
use crate::guest::pid1::READY;
use crate::guest::root::Spec;
use crate::image::{Image, lab_binary};
use crate::ledger::{Ledger, Made, end_processes_of};
use crate::netns;
use crate::volume::{Volume, next_name, power_cut};

/// How long the host waits for PID 1 to be up, and for it to be gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the region said when it launched it.
#[derive(Debug, Clone)]
pub struct Launched {
    /// The instance id.
    pub id: String,
    /// Its full zone name.
    pub zone: String,
    /// The primary network interface.
    pub primary: Interface,
    /// A `#!` script.
    pub user_data: Option<String>,
    /// What its manager's environment holds.
    pub environment: Vec<(String, String)>,
}

/// An instance of the lab.
#[derive(Debug)]
pub struct Instance {
    launched: Launched,
    ledger: Arc<Ledger>,
    fabric: Arc<Fabric>,
    image: Image,
    netns: String,
    interfaces: Vec<(u32, Interface)>,
    volumes: Vec<(String, Volume)>,
    up: Option<Up>,
    boots: u32,
}

#[derive(Debug)]
struct Up {
    outer: Child,
    pid1: i32,
    boot_id: String,
}

/// What a command inside an instance or beside it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Instance {
    /// An instance that is not up yet.
    pub fn new(launched: Launched, ledger: Arc<Ledger>, fabric: Arc<Fabric>, image: Image) -> Instance {
        let netns = netns_of(ledger.id(), &launched.id);
        let interfaces = vec![(0, launched.primary.clone())];
        Instance {
            launched,
            ledger,
            fabric,
            image,
            netns,
            interfaces,
            volumes: Vec::new(),
            up: None,
            boots: 0,
        }
    }

    /// What the region said of it.
    pub fn launched(&self) -> &Launched {
        &self.launched
    }

    /// Its network namespace.
    pub fn netns(&self) -> &str {
        &self.netns
    }

    /// PID 1 as the host sees it, while it is up.
    pub fn pid1(&self) -> Option<i32> {
        self.up.as_ref().map(|up| up.pid1)
    }

    /// This boot's id, while it is up.
    pub fn boot_id(&self) -> Option<&str> {
        self.up.as_ref().map(|up| up.boot_id.as_str())
    }

    /// Where its logs are on the host.
    pub fn logs(&self) -> PathBuf {
        self.ledger.logs().join(&self.launched.id)
    }

    /// Boots it with all that is attached.
    pub async fn boot(&mut self) -> Result<()> {
        let id = self.launched.id.clone();
        self.start().await.context(|| format!("boot {id}"))
    }

    async fn start(&mut self) -> Result<()> {
        netns::remove(&self.netns)?;
        self.ledger.note(Made::Netns(self.netns.clone()))?;
        netns::add(&self.netns)?;
        self.interfaces.sort_by_key(|(index, _)| *index);
        for (index, interface) in &self.interfaces {
            self.fabric.plug(interface, &self.netns, &format!("eth{index}"))?;
        }
        let address = self.launched.primary.addresses.first().copied().unwrap_or(Ipv4Addr::LOCALHOST);
        configure_primary(&self.netns, "eth0", address)?;
        let spec = self.spec(address)?;
        let mut outer = Command::new(lab_binary()?)
            .arg("init")
            .arg(&spec)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file(&self.logs().join("init.log"))?)
            .spawn()
            .context(|| "start `lab init`".into())?;
        let stdout = outer.stdout.take().ok_or_else(|| Error::new("`lab init` has no standard output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let mut heard = Vec::new();
        let ready = tokio::time::timeout(PATIENCE, async {
            while let Ok(Some(line)) = lines.next_line().await {
                heard.push(line);
                // The outer half writes the number, PID 1 the word: whoever is first.
                if heard.len() == 2 {
                    return heard.iter().any(|line| line == READY);
                }
            }
            false
        })
        .await;
        let pid1 = heard.iter().find_map(|line| line.parse().ok());
        let (Ok(true), Some(pid1)) = (ready, pid1) else {
            end_processes_of(&[&self.netns])?;
            let log = fs::read_to_string(self.logs().join("init.log")).unwrap_or_default();
            return Err(Error::new(format!("PID 1 did not come up; it said: {}", log.trim())));
        };
        let boot_id =
            fs::read_to_string(self.boot_id_file()).context(|| "read the boot id".into())?.trim().to_owned();
        self.up = Some(Up { outer, pid1, boot_id });
        let mut names: Vec<String> = Vec::new();
        for (name, volume) in &mut self.volumes {
            *name = next_name(names.iter());
            names.push(name.clone());
            volume.plug(pid1, name)?;
        }
        Ok(())
    }

    fn boot_id_file(&self) -> PathBuf {
        self.ledger.data().join("instances").join(&self.launched.id).join("boot_id")
    }

    fn spec(&mut self, address: Ipv4Addr) -> Result<PathBuf> {
        let dir = self.ledger.data().join("instances").join(&self.launched.id);
        let (upper, work, root) = (dir.join("upper"), dir.join("work"), dir.join("root"));
        for path in [&upper, &work, &root, &self.logs()] {
            fs::create_dir_all(path).context(|| format!("make {}", path.display()))?;
        }
        self.boots += 1;
        fs::write(self.boot_id_file(), format!("{}\n", uuid::Uuid::new_v4()))
            .context(|| "write the boot id".into())?;
        let spec = Spec {
            instance: self.launched.id.clone(),
            netns: self.netns.clone(),
            hostname: format!("ip-{}", address.to_string().replace('.', "-")),
            address: address.to_string(),
            lower: self.image.lower(),
            upper,
            work,
            root,
            logs: self.logs(),
            boot_id: self.boot_id_file(),
            user_data: self.launched.user_data.clone(),
            environment: self.launched.environment.clone(),
        };
        let path = dir.join("spec.json");
        let text = serde_json::to_string_pretty(&spec).context(|| "write the instance's spec".into())?;
        fs::write(&path, text).context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// Asks it to shut down in order, and waits until it is gone; after `limit` the plug is pulled.
    pub async fn shut_down(&mut self, signal: nix::sys::signal::Signal, limit: Duration) -> Result<()> {
        let Some(up) = self.up.as_mut() else { return Ok(()) };
        // Gone already is as good.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(up.pid1), signal);
        if tokio::time::timeout(limit, up.outer.wait()).await.is_err() {
            return self.cut_power().await;
        }
        self.up = None;
        self.gone()
    }

    /// The hardware dies: no process gets a chance to do anything, and what was not on disk is lost.
    pub async fn cut_power(&mut self) -> Result<()> {
        let Some(mut up) = self.up.take() else { return Ok(()) };
        let volumes: Vec<&Volume> = self.volumes.iter().map(|(_, volume)| volume).collect();
        power_cut(up.pid1, &volumes)?;
        let _ =
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(up.pid1), nix::sys::signal::Signal::SIGKILL);
        tokio::time::timeout(PATIENCE, up.outer.wait())
            .await
            .map_err(|_| {
                Error::new(format!("{} did not die within {} s", self.launched.id, PATIENCE.as_secs()))
            })?
            .context(|| format!("wait for the end of {}", self.launched.id))?;
        self.gone()
    }

    /// After its end nothing of it is on the network, and its volumes are let go of.
    fn gone(&self) -> Result<()> {
        end_processes_of(&[&self.netns])?;
        for (_, interface) in &self.interfaces {
            self.fabric.unplug(&interface.eni);
        }
        netns::remove(&self.netns)?;
        self.volumes.iter().try_for_each(|(_, volume)| volume.wait_free(PATIENCE))
    }

    /// A network interface was attached. Two cards each have an index 1: the later one gets the next name that is free.
    pub fn plug_interface(&mut self, index: u32, interface: Interface) -> Result<String> {
        let taken: BTreeSet<u32> = self.interfaces.iter().map(|(index, _)| *index).collect();
        let index = (index..).find(|index| !taken.contains(index)).unwrap_or(index);
        let name = format!("eth{index}");
        if self.up.is_some() {
            self.fabric.plug(&interface, &self.netns, &name)?;
        }
        self.interfaces.push((index, interface));
        Ok(name)
    }

    /// A network interface was detached.
    pub fn unplug_interface(&mut self, eni: &str) {
        self.fabric.unplug(eni);
        self.interfaces.retain(|(_, interface)| interface.eni != eni);
    }

    /// A volume was attached. Answers its name inside.
    pub fn plug_volume(&mut self, volume: Volume) -> Result<String> {
        let name = next_name(self.volumes.iter().map(|(name, _)| name));
        if let Some(up) = &self.up {
            volume.wait_free(PATIENCE)?;
            volume.plug(up.pid1, &name)?;
        }
        self.volumes.push((name.clone(), volume));
        Ok(name)
    }

    /// A volume was detached.
    pub fn unplug_volume(&mut self, id: &str) -> Result<()> {
        if let (Some(up), Some((name, volume))) = (&self.up, self.volumes.iter().find(|(_, v)| v.id == id)) {
            volume.unplug(up.pid1, name)?;
        }
        self.volumes.retain(|(_, volume)| volume.id != id);
        Ok(())
    }

    /// A command that runs inside, in the environment of its manager.
    pub fn command(&self, program: &str) -> Result<Command> {
        let pid1 = self.pid1().ok_or_else(|| Error::new(format!("{} is not up", self.launched.id)))?;
        Ok(inside(pid1, &self.launched.environment, program))
    }
}

/// The name of an instance's network namespace.
pub fn netns_of(lab: &str, instance: &str) -> String {
    format!("{lab}-{}", &instance[instance.len().saturating_sub(6)..])
}

/// A command in the namespaces of this PID 1.
pub fn inside(pid1: i32, environment: &[(String, String)], program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args([
        "--target",
        &pid1.to_string(),
        "--mount",
        "--uts",
        "--ipc",
        "--net",
        "--pid",
        "--root",
        "--wd",
        "--",
    ]);
    command.arg(program).env_clear();
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
    command.envs(environment.iter().cloned());
    command
}

/// Runs a command to its end and takes what it says.
pub async fn ran(mut command: Command, limit: Duration) -> Result<Ran> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let shown = crate::commands::shown(command.as_std());
    let output = tokio::time::timeout(limit, command.output())
        .await
        .map_err(|_| Error::new(format!("`{shown}` did not end within {} s", limit.as_secs())))?
        .context(|| format!("run `{shown}`"))?;
    Ok(Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A log file opened for appending.
pub fn log_file(path: &std::path::Path) -> Result<fs::File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).context(|| format!("make {}", dir.display()))?;
    }
    fs::OpenOptions::new().create(true).append(true).open(path).context(|| format!("open {}", path.display()))
}
