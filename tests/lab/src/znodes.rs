//! Reading ZooKeeper for the lab's checks: `lab znodes` runs in a namespace that can reach it and prints the nodes below a
//! path as JSON, with the times and versions that the checks compare. `lab znode` writes one: a cluster's past by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zookeeper_client::{Acls, Client, CreateMode, Error as Zk};

use crate::error::{Context, Error, Result};

/// A node as the checks need it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Node {
    /// Its data, as text.
    pub data: String,
    /// The transaction that created it.
    pub czxid: i64,
    /// The transaction that changed it last.
    pub mzxid: i64,
    /// Unix milliseconds of its creation, by ZooKeeper's clock.
    pub ctime: i64,
    /// Unix milliseconds of its last change.
    pub mtime: i64,
    /// Whether it dies with a session.
    pub ephemeral: bool,
}

/// Nodes by path.
pub type Nodes = BTreeMap<String, Node>;

/// Connects as the lab's tools do.
pub async fn connect(cluster: &str) -> Result<Client> {
    let connector = Client::connector()
        .with_session_timeout(Duration::from_secs(6))
        .with_connection_timeout(Duration::from_secs(2));
    let cluster = &addresses(cluster).await;
    tokio::time::timeout(Duration::from_secs(20), connector.connect(cluster))
        .await
        .map_err(|_| Error::new(format!("connect to ZooKeeper at {cluster}: no answer within 20 s")))?
        .context(|| format!("connect to ZooKeeper at {cluster}"))
}

/// Every address of every name: the client itself stops at the first address of a name, silent or not.
async fn addresses(cluster: &str) -> String {
    let (hosts, chroot) = cluster.split_at(cluster.find('/').unwrap_or(cluster.len()));
    let mut found = Vec::new();
    for host in hosts.split(',') {
        match tokio::net::lookup_host(host).await {
            Ok(addresses) => found.extend(addresses.map(|address| address.to_string())),
            Err(_) => found.push(host.to_owned()),
        }
    }
    found.join(",") + chroot
}

/// All nodes at and below these paths; a path without a node gives none.
pub async fn below(client: &Client, paths: &[String]) -> Result<Nodes> {
    let mut nodes = Nodes::new();
    let mut open: Vec<String> = paths.to_vec();
    while let Some(path) = open.pop() {
        let (data, stat) = match client.get_data(&path).await {
            Err(Zk::NoNode) => continue,
            read => read.context(|| format!("read {path}"))?,
        };
        match client.list_children(&path).await {
            Ok(children) => {
                open.extend(children.iter().map(|c| format!("{}/{c}", path.trim_end_matches('/'))))
            }
            Err(Zk::NoNode) => continue,
            Err(error) => return Err(error).context(|| format!("list {path}")),
        }
        let node = Node {
            data: String::from_utf8_lossy(&data).into_owned(),
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            ephemeral: stat.ephemeral_owner != 0,
        };
        nodes.insert(path, node);
    }
    Ok(nodes)
}

/// `lab znodes CLUSTER PATH...`
pub async fn print(cluster: &str, paths: &[String]) -> Result<()> {
    let client = connect(cluster).await?;
    let nodes = below(&client, paths).await?;
    println!("{}", serde_json::to_string(&nodes).context(|| "print the nodes".into())?);
    close(client).await;
    Ok(())
}

/// `lab znode CLUSTER PATH DATA`: the node has this data from now on; it and those above it are made where they are missing.
pub async fn put(cluster: &str, path: &str, data: &str) -> Result<()> {
    let client = connect(cluster).await?;
    client
        .mkdir(path, &CreateMode::Persistent.with_acls(Acls::anyone_all()))
        .await
        .context(|| format!("make {path}"))?;
    client.set_data(path, data.as_bytes(), None).await.context(|| format!("write {path}"))?;
    close(client).await;
    Ok(())
}

/// Lets go of the session and waits until the server has it: an exit right after a drop may lose the close, and then the
/// session's nodes stay until its time-out.
pub async fn close(client: Client) {
    let mut watcher = client.state_watcher();
    drop(client);
    let closed = async {
        loop {
            use zookeeper_client::SessionState::{AuthFailed, Closed, Expired};
            if matches!(watcher.changed().await, AuthFailed | Closed | Expired) {
                return;
            }
        }
    };
    // Past that the session's own time-out ends it.
    let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
}
