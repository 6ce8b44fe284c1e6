//! A real ZooKeeper server of one test, on a port of its own.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The server; it ends with the value.
pub(super) struct Server {
    process: Child,
    /// Where it listens.
    pub(super) at: SocketAddr,
    dir: tempfile::TempDir,
}

impl Server {
    /// Starts it and waits until it serves.
    pub(super) fn start() -> Server {
        let jars = lab::image::jars().unwrap_or_else(|error| panic!("{}", error.chain()));
        let dir = tempfile::tempdir().unwrap();
        // Bound and let go of: nobody else asks for this port in the meantime, or the server says so and ends.
        let at = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut text = String::from("tickTime=500\nadmin.enableServer=false\n4lw.commands.whitelist=*\n");
        let _ = writeln!(text, "dataDir={}\nclientPortAddress={}", dir.path().display(), at.ip());
        let _ = writeln!(text, "clientPort={}\nminSessionTimeout=1000\nmaxSessionTimeout=60000", at.port());
        std::fs::write(dir.path().join("zoo.cfg"), text).unwrap();
        std::fs::write(dir.path().join("log4j.properties"), lab::image::LOG4J).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        // It ends with the thread of the test, however that ends: an abort runs no destructors.
        let process = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "java",
                "-Xmx96m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
            ])
            .arg(format!("{}/*", jars.display()))
            .arg(format!("-Dlog4j.configuration=file:{}", dir.path().join("log4j.properties").display()))
            .arg("org.apache.zookeeper.server.ZooKeeperServerMain")
            .arg(dir.path().join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("setpriv is of util-linux");
        let mut server = Server { process, at, dir };
        server.wait_until_it_serves();
        server
    }

    fn wait_until_it_serves(&mut self) {
        for _ in 0..600 {
            if self.says_its_mode().is_ok_and(|said| said.contains("Mode:")) {
                return;
            }
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!(
                    "ZooKeeper ended with {status}; is there a java? `make setup` installs it:\n{}",
                    log()
                );
            }
            // It can only be asked; it tells nobody that it is ready.
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("ZooKeeper does not serve after 60 s");
    }

    fn says_its_mode(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.at, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"srvr")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
