//! `lab stub-broker`: registers in ZooKeeper as Kafka 3.9 does and keeps the rules that a boot can trip over (one id, one
//! cluster id, meta.properties in the log directory, no retry when the id is taken), without a JVM. For scenarios that are
//! about slots and not about messages.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use zookeeper_client::{Acls, Client, CreateMode, Error as Zk};

use crate::error::{Context, Error, Result};
use crate::znodes::{close, connect};

/// Runs until SIGTERM.
pub async fn run(properties: &Path) -> Result<()> {
    let text = std::fs::read_to_string(properties).context(|| format!("read {}", properties.display()))?;
    let settings = Settings::read(&text)?;
    let mut terminate = signal(SignalKind::terminate()).context(|| "wait for SIGTERM".into())?;
    let (hosts, chroot) =
        settings.zookeeper.split_at(settings.zookeeper.find('/').unwrap_or(settings.zookeeper.len()));
    let client = connect(hosts).await?;
    let client = if chroot.is_empty() {
        client
    } else {
        let persistent = CreateMode::Persistent.with_acls(Acls::anyone_all());
        client.mkdir(chroot, &persistent).await.context(|| format!("make the chroot {chroot}"))?;
        client.chroot(chroot.to_owned()).map_err(|_| Error::new(format!("{chroot} is not a chroot")))?
    };
    let cluster = cluster_id(&client).await?;
    for dir in &settings.log_dirs {
        agree(Path::new(dir), settings.broker_id, &cluster)?;
    }
    let listener =
        TcpListener::bind(&settings.listen).await.context(|| format!("listen on {}", settings.listen))?;
    register(&client, &settings).await?;
    println!("[StubBroker id={}] started", settings.broker_id);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    // A connection is answered by being there; held for a moment so that a probe sees it open.
                    tokio::spawn(async move { let _ = stream.readable().await; });
                }
            }
        }
    }
    close(client).await;
    println!("[StubBroker id={}] shut down", settings.broker_id);
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Settings {
    broker_id: u32,
    rack: Option<String>,
    listen: String,
    advertised: String,
    log_dirs: Vec<String>,
    zookeeper: String,
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    let pair = |line: &str| {
        let (key, value) = line.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().replace("\\:", ":").replace("\\=", "=")))
    };
    lines.filter_map(pair).collect()
}

impl Settings {
    fn read(text: &str) -> Result<Settings> {
        let pairs = pairs(text);
        let get = |key: &str| {
            pairs.get(key).cloned().ok_or_else(|| Error::new(format!("server.properties has no {key}")))
        };
        let listeners = get("listeners")?;
        let first = listeners.split(',').next().unwrap_or_default();
        let listen = first.split_once("://").map_or(first, |(_, at)| at).to_owned();
        Ok(Settings {
            broker_id: get("broker.id")?.parse().context(|| "understand broker.id".into())?,
            rack: pairs.get("broker.rack").cloned(),
            listen: if listen.starts_with(':') { format!("0.0.0.0{listen}") } else { listen },
            advertised: pairs.get("advertised.listeners").cloned().unwrap_or(listeners),
            log_dirs: get("log.dirs")?.split(',').map(str::to_owned).collect(),
            zookeeper: get("zookeeper.connect")?,
        })
    }

    /// The value of `/brokers/ids/<id>` as Kafka 3.9 writes it.
    fn registration(&self, now: u128) -> serde_json::Value {
        let endpoints: Vec<&str> = self.advertised.split(',').collect();
        let address = endpoints.first().and_then(|e| e.split_once("://")).map_or("", |(_, at)| at);
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "9092"));
        let mut value = serde_json::json!({
            "features": {},
            "listener_security_protocol_map": {"PLAINTEXT": "PLAINTEXT"},
            "endpoints": endpoints,
            "jmx_port": -1,
            "port": port.parse::<u32>().unwrap_or(9092),
            "host": host,
            "version": 5,
            "timestamp": now.to_string(),
        });
        if let (Some(rack), Some(object)) = (&self.rack, value.as_object_mut()) {
            object.insert("rack".into(), rack.clone().into());
        }
        value
    }
}

async fn cluster_id(client: &Client) -> Result<String> {
    let persistent = CreateMode::Persistent.with_acls(Acls::anyone_all());
    client.mkdir("/cluster", &persistent).await.context(|| "make /cluster".into())?;
    let new =
        serde_json::json!({"version": "1", "id": uuid::Uuid::new_v4().simple().to_string()}).to_string();
    match client.create("/cluster/id", new.as_bytes(), &persistent).await {
        Ok(_) | Err(Zk::NodeExists) => {}
        Err(error) => return Err(error).context(|| "make /cluster/id".into()),
    }
    let (data, _) = client.get_data("/cluster/id").await.context(|| "read /cluster/id".into())?;
    let value: serde_json::Value =
        serde_json::from_slice(&data).context(|| "understand /cluster/id".into())?;
    Ok(value["id"].as_str().unwrap_or_default().to_owned())
}

/// meta.properties must name this broker and this cluster; where there is none it is written.
fn agree(dir: &Path, broker_id: u32, cluster: &str) -> Result<()> {
    std::fs::create_dir_all(dir).context(|| format!("make {}", dir.display()))?;
    let path = dir.join("meta.properties");
    let Ok(text) = std::fs::read_to_string(&path) else {
        let text = format!("#\n#stub\nbroker.id={broker_id}\nversion=0\ncluster.id={cluster}\n");
        return std::fs::write(&path, text).context(|| format!("write {}", path.display()));
    };
    let pairs = pairs(&text);
    let stored = pairs.get("broker.id").or_else(|| pairs.get("node.id"));
    if stored.is_some_and(|id| *id != broker_id.to_string()) {
        let id = stored.cloned().unwrap_or_default();
        return Err(Error::new(format!(
            "Stored node id {id} doesn't match previous node id {broker_id} in {}",
            path.display()
        )));
    }
    match pairs.get("cluster.id") {
        Some(id) if id != cluster => Err(Error::new(format!(
            "Invalid cluster.id in: {}. Expected {cluster}, but read {id}",
            path.display()
        ))),
        _ => Ok(()),
    }
}

async fn register(client: &Client, settings: &Settings) -> Result<()> {
    let persistent = CreateMode::Persistent.with_acls(Acls::anyone_all());
    let ephemeral = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
    client.mkdir("/brokers/ids", &persistent).await.context(|| "make /brokers/ids".into())?;
    client.mkdir("/brokers/topics", &persistent).await.context(|| "make /brokers/topics".into())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let path = format!("/brokers/ids/{}", settings.broker_id);
    let value = settings.registration(now).to_string();
    // As Kafka: no second try when the node is there, whoever made it.
    client
        .create(&path, value.as_bytes(), &ephemeral)
        .await
        .map(drop)
        .context(|| format!("register at {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROPERTIES: &str = "# comment\nbroker.id=2\nbroker.rack=eu-central-1c\nlisteners=PLAINTEXT://10.0.3.52:9092\n\
        log.dirs=/kafkalogs/data\nzookeeper.connect=10.0.1.200:2181,10.0.2.200:2181/kafka\n";

    #[test]
    fn registers_the_value_that_kafka_registers() {
        let value = Settings::read(PROPERTIES).unwrap().registration(1795333788718);
        assert_eq!(value["endpoints"], serde_json::json!(["PLAINTEXT://10.0.3.52:9092"]));
        assert_eq!((value["host"].as_str(), value["port"].as_u64()), (Some("10.0.3.52"), Some(9092)));
        assert_eq!((value["rack"].as_str(), value["version"].as_u64()), (Some("eu-central-1c"), Some(5)));
    }

    #[test]
    fn refuses_a_log_directory_of_another_broker_or_cluster() {
        let dir = tempfile::tempdir().unwrap();
        agree(dir.path(), 2, "abc").unwrap();
        agree(dir.path(), 2, "abc").unwrap();
        assert!(
            agree(dir.path(), 3, "abc").unwrap_err().to_string().contains("doesn't match previous node id 3")
        );
        assert!(
            agree(dir.path(), 2, "other").unwrap_err().to_string().contains("Expected other, but read abc")
        );
    }

    #[test]
    fn names_the_key_that_is_missing() {
        let error = Settings::read("listeners=PLAINTEXT://:9092\n").unwrap_err();
        assert_eq!(error.to_string(), "server.properties has no broker.id");
    }
}
