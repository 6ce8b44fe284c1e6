//! A real ZooKeeper, one server or three, in the lab's `srv` namespace at the addresses that instances are told.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::error::{Context, Error, Result};
use crate::fabric::{Fabric, zookeeper};
use crate::image::{LOG4J, jars};
use crate::instance::log_file;
use crate::ledger::Ledger;
use crate::netns;

/// The client port.
pub const PORT: u16 = 2181;

/// The servers of one lab.
#[derive(Debug)]
pub struct Ensemble {
    srv: String,
    logs: PathBuf,
    dirs: Vec<PathBuf>,
    servers: Vec<Option<Child>>,
}

impl Ensemble {
    /// Starts `size` servers (1 or 3) and waits until each of them serves.
    pub async fn start(ledger: &Ledger, fabric: &Arc<Fabric>, size: usize) -> Result<Ensemble> {
        let mut ensemble = Ensemble {
            srv: fabric.srv().to_owned(),
            logs: ledger.logs(),
            dirs: Vec::new(),
            servers: Vec::new(),
        };
        for n in 0..size {
            let dir = ledger.data().join(format!("zookeeper/{n}"));
            std::fs::create_dir_all(&dir).context(|| format!("make {}", dir.display()))?;
            let write = |name: &str, text: &str| {
                std::fs::write(dir.join(name), text).context(|| format!("write {name} of ZooKeeper {n}"))
            };
            write("myid", &format!("{}\n", n + 1))?;
            write("log4j.properties", LOG4J)?;
            write("zoo.cfg", &configuration(&dir, n, size))?;
            ensemble.dirs.push(dir);
            ensemble.servers.push(None);
        }
        for n in 0..size {
            ensemble.spawn(n)?;
        }
        for n in 0..size {
            ensemble.ready(n).await?;
        }
        Ok(ensemble)
    }

    /// What clients connect to, without a chroot.
    pub fn hosts(&self) -> String {
        (0..self.servers.len()).map(|n| format!("{}:{PORT}", zookeeper(n))).collect::<Vec<_>>().join(",")
    }

    /// The server that leads now, from 0.
    pub async fn leader(&self) -> Result<usize> {
        for n in (0..self.servers.len()).filter(|n| self.servers[*n].is_some()) {
            let (srv, at) = (self.srv.clone(), SocketAddr::from((zookeeper(n), PORT)));
            let said = tokio::task::spawn_blocking(move || four_letters(&srv, at, "srvr")).await;
            if said.is_ok_and(|said| said.is_ok_and(|text| text.contains("Mode: leader"))) {
                return Ok(n);
            }
        }
        Err(Error::new("no ZooKeeper server says that it leads"))
    }

    /// Where a server writes its transactions down.
    pub fn transactions(&self, n: usize) -> Option<PathBuf> {
        self.dirs.get(n).map(|dir| dir.join("version-2"))
    }

    /// Starts a server that was killed and waits until it serves.
    pub async fn start_server(&mut self, n: usize) -> Result<()> {
        self.spawn(n)?;
        self.ready(n).await
    }

    /// Starts every server that was killed, and waits until each serves.
    pub async fn start_missing(&mut self) -> Result<()> {
        for n in 0..self.servers.len() {
            if self.servers[n].is_none() {
                self.start_server(n).await?;
            }
        }
        Ok(())
    }

    /// Kills a server without warning.
    pub async fn kill_server(&mut self, n: usize) -> Result<()> {
        match self.servers.get_mut(n).and_then(Option::take) {
            Some(mut server) => server.kill().await.context(|| format!("kill ZooKeeper server {}", n + 1)),
            None => Err(Error::new(format!("no ZooKeeper server {} runs", n + 1))),
        }
    }

    fn spawn(&mut self, n: usize) -> Result<()> {
        let dir =
            self.dirs.get(n).ok_or_else(|| Error::new(format!("there is no ZooKeeper server {}", n + 1)))?;
        let log = log_file(&self.logs.join(format!("zookeeper-{}.log", n + 1)))?;
        let mut command = Command::from(netns::command(&self.srv, "java"));
        command.args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(format!("{}/*", jars()?.display()));
        command.arg(format!("-Dlog4j.configuration=file:{}", dir.join("log4j.properties").display()));
        command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(dir.join("zoo.cfg"));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().context(|| "open a log".into())?)
            .stderr(log)
            .kill_on_drop(true);
        self.servers[n] = Some(command.spawn().context(|| format!("start ZooKeeper server {}", n + 1))?);
        Ok(())
    }

    async fn ready(&mut self, n: usize) -> Result<()> {
        let at = SocketAddr::from((zookeeper(n), PORT));
        for _ in 0..600 {
            let srv = self.srv.clone();
            let said = tokio::task::spawn_blocking(move || four_letters(&srv, at, "srvr")).await;
            if said.is_ok_and(|said| said.is_ok_and(|text| text.contains("Mode:"))) {
                return Ok(());
            }
            if let Some(status) = self.servers[n].as_mut().and_then(|server| server.try_wait().ok().flatten())
            {
                return Err(Error::new(format!(
                    "ZooKeeper server {} ended with {status} at its start",
                    n + 1
                )));
            }
            // It can only be asked; it tells nobody that it is ready.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Error::new(format!("ZooKeeper server {} does not serve after 60 s", n + 1)))
    }
}

fn configuration(dir: &std::path::Path, n: usize, size: usize) -> String {
    let mut text = format!(
        "tickTime=500\ninitLimit=40\nsyncLimit=20\ndataDir={}\nclientPort={PORT}\nclientPortAddress={}\n\
         admin.enableServer=false\n4lw.commands.whitelist=*\nminSessionTimeout=1000\nmaxSessionTimeout=60000\n",
        dir.display(),
        zookeeper(n)
    );
    for other in (0..size).filter(|_| size > 1) {
        let _ = writeln!(text, "server.{}={}:2888:3888", other + 1, zookeeper(other));
    }
    text
}

/// Sends a four-letter command and reads the answer.
fn four_letters(srv: &str, at: SocketAddr, word: &str) -> Result<String> {
    let mut stream = netns::connect(srv, at, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).context(|| "set a time-out".into())?;
    stream.write_all(word.as_bytes()).context(|| format!("send {word} to {at}"))?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context(|| format!("read the answer of {at} to {word}"))?;
    Ok(text)
}
