//! The lab's "AMI": one layer over the host's own files, made once per lab as a bake makes one, by changing a mounted root.
//! It holds the built program, the shipped units and base configuration, Kafka, and a `systemctl` that is the lab itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::commands::{run, tool};
use crate::error::{Context, Error, Result};
use crate::ledger::{Ledger, Made};

/// The service that runs on the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Kafka 3.9 in ZooKeeper mode.
    Kafka,
    /// A small program that registers as Kafka does.
    Stub,
    /// No service in the image.
    None,
}

/// A baked layer.
#[derive(Debug, Clone)]
pub struct Image {
    layer: PathBuf,
}

impl Image {
    /// The layers of an instance's root, the topmost first.
    pub fn lower(&self) -> Vec<PathBuf> {
        vec![self.layer.clone(), PathBuf::from("/")]
    }

    /// Bakes the image for a lab.
    pub fn bake(ledger: &Ledger, service: Service, with_berth: bool) -> Result<Image> {
        // On a file system of its own: overlayfs refuses a layer that lies below another of its layers ("/").
        let (base, mounted) = (ledger.dir().join("ami"), ledger.dir().join("bake"));
        for dir in [&base, &mounted] {
            fs::create_dir_all(dir).context(|| format!("make {}", dir.display()))?;
            ledger.note(Made::Mount(dir.clone()))?;
        }
        tool("mount", &["-t", "tmpfs", "-o", "mode=755", "berth-lab", &base.to_string_lossy()])?;
        let (layer, work) = (base.join("layer"), base.join("work"));
        for dir in [&layer, &work] {
            fs::create_dir(dir).context(|| format!("make {}", dir.display()))?;
        }
        let options = format!("lowerdir=/,upperdir={},workdir={}", layer.display(), work.display());
        tool("mount", &["-t", "overlay", "-o", &options, "berth-lab", &mounted.to_string_lossy()])
            .context(|| "mount an overlay over / (the kernel needs overlayfs)".into())?;
        let baked = fill(&mounted, service, with_berth);
        tool("umount", &[mounted.as_os_str()])?;
        baked.context(|| "bake the lab's image".into())?;
        Ok(Image { layer })
    }
}

/// The root of the repository that this lab was built from.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The program under test: `$BERTH_BIN`, or the one beside the lab's own executable.
pub fn berth_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("BERTH_BIN").map(PathBuf::from) {
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Error::new(format!("BERTH_BIN={} is not a file", path.display())))
        };
    }
    let own = std::env::current_exe().context(|| "find the lab's own executable".into())?;
    // A test runs from target/…/deps/.
    own.ancestors().skip(1).take(2).map(|dir| dir.join("berth")).find(|path| path.is_file()).ok_or_else(|| {
        Error::new(format!(
            "the program `berth` is not beside {}: run `cargo build --workspace`, or name it with BERTH_BIN",
            own.display()
        ))
    })
}

/// The lab's own program: this executable, or the one beside a test's.
pub fn lab_binary() -> Result<PathBuf> {
    let own = std::env::current_exe().context(|| "find the lab's own executable".into())?;
    if own.file_name().is_some_and(|name| name == "lab" || name == "systemctl") {
        return Ok(own);
    }
    own.ancestors().skip(1).take(2).map(|dir| dir.join("lab")).find(|path| path.is_file()).ok_or_else(|| {
        Error::new(format!("the program `lab` is not beside {}: run `cargo build -p lab`", own.display()))
    })
}

/// The jars of Kafka and ZooKeeper, as `make setup` leaves them.
pub fn jars() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let lib = cache.unwrap_or_else(|| "/root/.cache".into()).join("berth/kafka-3.9.1/lib");
    if lib.join("kafka_2.13-3.9.1.jar").is_file() {
        return Ok(lib);
    }
    Err(Error::new(format!("Kafka's jars are not in {}: run `make setup`", lib.display())))
}

fn fill(root: &Path, service: Service, with_berth: bool) -> Result<()> {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    let make_dir = |path: &str| fs::create_dir_all(at(path)).context(|| format!("make {path}"));
    // An instance starts with none of the host's units, credentials and resolvers.
    for path in [
        "/etc/systemd/system",
        "/usr/lib/systemd/system/multi-user.target.wants",
        "/lib/systemd/system/multi-user.target.wants",
        "/root/.aws",
        "/root/.ssh",
        "/etc/berth",
        "/var/lib/berth",
        "/var/lib/cloud",
        "/opt/kafka",
        "/etc/kafka",
    ] {
        match fs::remove_dir_all(at(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context(|| format!("empty {path}"));
            }
            _ => {}
        }
    }
    for path in [
        "/etc/systemd/system/multi-user.target.wants",
        "/usr/lib/systemd/system",
        "/etc/kafka",
        "/opt/kafka/bin",
        "/opt/kafka/config",
        "/var/log/lab",
    ] {
        make_dir(path)?;
    }
    let put = |path: &str, text: &str, mode: u32| -> Result<()> {
        // Never through a link: /etc/resolv.conf often points into /run.
        let _ = fs::remove_file(at(path));
        fs::write(at(path), text).context(|| format!("write {path}"))?;
        fs::set_permissions(at(path), fs::Permissions::from_mode(mode))
            .context(|| format!("set the mode of {path}"))
    };
    put("/etc/resolv.conf", "# no resolver: names are addresses here\n", 0o644)?;
    put(
        "/etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n",
        0o644,
    )?;
    put("/etc/machine-id", "", 0o444)?;
    copy(&lab_binary()?, &at("/usr/lib/berth-lab/lab"))?;
    let systemctl = at("/usr/bin/systemctl");
    let _ = fs::remove_file(&systemctl);
    symlink("/usr/lib/berth-lab/lab", &systemctl).context(|| "link systemctl".into())?;
    if with_berth {
        copy(&berth_binary()?, &at("/usr/bin/berth"))?;
        unit(root, "berth.service")?;
        symlink(
            "/usr/lib/systemd/system/berth.service",
            at("/etc/systemd/system/multi-user.target.wants/berth.service"),
        )
        .context(|| "enable berth.service".into())?;
    }
    if service == Service::None {
        return Ok(());
    }
    add_user(root, "kafka", 992)?;
    unit(root, "kafka.service")?;
    let base = repository().join("packer/files/server.properties.base");
    let text = fs::read_to_string(&base).context(|| format!("read {}", base.display()))?;
    put("/etc/kafka/server.properties.base", &for_the_lab(&text), 0o644)?;
    tool("chown", &["-R", "992:992", &at("/etc/kafka").to_string_lossy()])?;
    make_dir("/etc/systemd/system/kafka.service.d")?;
    put(
        "/etc/systemd/system/kafka.service.d/10-lab.conf",
        "[Service]\nEnvironment=\"KAFKA_HEAP_OPTS=-Xmx256m -Xms256m\"\nRestartSec=1s\n",
        0o644,
    )?;
    if service == Service::Stub {
        let start = "#!/bin/sh\nexec /usr/lib/berth-lab/lab stub-broker \"$1\"\n";
        return put("/opt/kafka/bin/kafka-server-start.sh", start, 0o755);
    }
    let libs = at("/opt/kafka/libs");
    tool("cp", &["-r", &jars()?.to_string_lossy(), &libs.to_string_lossy()])?;
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(&libs))?;
    let start = "#!/bin/sh\nexec java $KAFKA_HEAP_OPTS -XX:+UseG1GC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' \\\n  \
                 -Dlog4j.configuration=file:/opt/kafka/config/log4j.properties kafka.Kafka \"$1\"\n";
    put("/opt/kafka/bin/kafka-server-start.sh", start, 0o755)?;
    put("/opt/kafka/config/log4j.properties", LOG4J, 0o644)
}

/// What Kafka and ZooKeeper log, and where to: their standard output.
pub const LOG4J: &str = "log4j.rootLogger=INFO, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n\
log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=%d{ISO8601} %p %c{1} - %m%n\n";

/// The shipped base file with the one value that the lab shortens: how long a lost broker keeps its registration.
fn for_the_lab(base: &str) -> String {
    let key = "zookeeper.session.timeout.ms=";
    let mut lines: Vec<String> =
        base.lines().filter(|line| !line.starts_with(key)).map(str::to_owned).collect();
    lines.push("# The lab waits shorter for the registration of a lost broker to end.".into());
    lines.push(format!("{key}6000"));
    lines.join("\n") + "\n"
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).context(|| format!("make {}", dir.display()))?;
    }
    let _ = fs::remove_file(to);
    fs::copy(from, to).context(|| format!("copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))
        .context(|| format!("make {} a program", to.display()))
}

fn unit(root: &Path, name: &str) -> Result<()> {
    let from = repository().join("systemd").join(name);
    let to = root.join("usr/lib/systemd/system").join(name);
    fs::copy(&from, &to).map(drop).context(|| format!("copy {} into the image", from.display()))
}

fn add_user(root: &Path, name: &str, id: u32) -> Result<()> {
    for (file, line) in [
        ("etc/passwd", format!("{name}:x:{id}:{id}::/var/lib/{name}:/usr/sbin/nologin\n")),
        ("etc/group", format!("{name}:x:{id}:\n")),
    ] {
        let path = root.join(file);
        let text = fs::read_to_string(&path).context(|| format!("read /{file}"))?;
        let others: Vec<&str> = text.lines().filter(|l| !l.starts_with(&format!("{name}:"))).collect();
        fs::write(&path, others.join("\n") + "\n" + &line).context(|| format!("write /{file}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_base_file_keeps_everything_but_the_session_time_out() {
        let text = for_the_lab("# a comment\nmin.insync.replicas=2\nzookeeper.session.timeout.ms=18000\n");
        assert!(text.starts_with("# a comment\nmin.insync.replicas=2\n"));
        assert!(text.contains("zookeeper.session.timeout.ms=6000") && !text.contains("18000"));
    }
}
