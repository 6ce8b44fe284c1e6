//! The sources of `berth status`, asked side by side, each within its own time limit.
//!
//! Only reads, and nothing of a run: no lock, no intent, no patience beyond the limit.

use crate::aws::imds::{self, Metadata};
use crate::aws::tags::MyTags;
use crate::aws::{Ec2, configuration};
use crate::host::ThisHost;
use crate::host::disks::HostDisks;
use crate::host::netlink::{Kernel, Ours};
use crate::host::systemd::Systemd;
use crate::zookeeper::Zookeeper;
use berth_lifecycle::ports::{Claims, Cloud, Disks, Mounted, Registrations, Service, Unit};
use berth_lifecycle::stories::gate::gate;
use berth_plan::BrokerId;
use berth_plan::config::Config;
use berth_plan::ec2::{EniSeen, VolumeSeen};
use berth_plan::records::SlotRecords;
use berth_plan::service::Registration;
use futures_util::future::try_join;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// For each source.
const WITHIN: Duration = Duration::from_secs(4);

/// For how long the metadata service is asked again.
const PATIENCE: Duration = Duration::from_secs(2);

/// A source that did not answer, and why.
#[derive(Debug, Clone)]
pub(super) struct Away(pub(super) String);

impl Away {
    pub(super) fn shown(&self) -> Value {
        json!({"unreachable": self.0})
    }
}

/// What ZooKeeper holds.
pub(super) struct Records {
    pub(super) slots: BTreeMap<BrokerId, SlotRecords>,
    pub(super) registrations: BTreeMap<BrokerId, Registration>,
}

/// What each source said.
pub(super) struct Answers {
    pub(super) metadata: Result<Metadata, Away>,
    pub(super) cloud: Result<(Vec<VolumeSeen>, Vec<EniSeen>), Away>,
    pub(super) zookeeper: Result<Records, Away>,
    pub(super) kernel: Result<Ours, Away>,
    pub(super) unit: Result<Unit, Away>,
    pub(super) mount: Result<Option<Mounted>, Away>,
    /// Why the gate is closed is an answer.
    pub(super) gate: Result<BrokerId, String>,
}

/// Asks all of them. Only EC2 is asked after another: who asks, and where, the metadata service says.
pub(super) async fn ask(config: &Config) -> Answers {
    let unit = bounded("systemd", async { Systemd.unit(&config.unit).await.map_err(|e| e.to_string()) });
    let kernel = bounded("the kernel", async { Kernel::open()?.ours().await.map_err(|e| e.to_string()) });
    let mount = bounded("the mount table", async {
        HostDisks.mounted(&config.mount).await.map_err(|e| e.to_string())
    });
    let gate = async { gate(&ThisHost, &HostDisks, &imds::boot_id()?, &config.mount).await };
    let ((metadata, cloud), zookeeper, kernel, unit, mount, gate) =
        tokio::join!(aws(config), zookeeper(config), kernel, unit, mount, gate);
    Answers { metadata, cloud, zookeeper, kernel, unit, mount, gate }
}

async fn bounded<T>(what: &str, question: impl Future<Output = Result<T, String>>) -> Result<T, Away> {
    match timeout(WITHIN, question).await {
        Ok(answer) => answer.map_err(|why| Away(format!("{what}: {why}"))),
        Err(_) => Err(Away(format!("{what}: no answer within {} s", WITHIN.as_secs()))),
    }
}

type Parts = (Vec<VolumeSeen>, Vec<EniSeen>);

/// Who this instance is, and what of the cluster is in its zone.
async fn aws(config: &Config) -> (Result<Metadata, Away>, Result<Parts, Away>) {
    let metadata = match bounded("the metadata service", imds::read(PATIENCE, &|_| {})).await {
        Ok(metadata) => metadata,
        Err(away) => {
            let unasked = "EC2: not asked, its credentials come from the metadata service";
            return (Err(away), Err(Away(unasked.to_owned())));
        }
    };
    let me = &metadata.me;
    let asked = async {
        let sdk = configuration(&me.region).await?;
        let ec2 = Ec2::new(&sdk, me.instance.clone(), Arc::new(MyTags::default()));
        let (cluster, zone) = (&config.cluster, &me.zone);
        try_join(ec2.volumes(cluster, zone), ec2.enis(cluster, zone)).await.map_err(|e| e.to_string())
    };
    let parts = bounded("EC2", asked).await;
    (Ok(metadata), parts)
}

/// All records and registrations. The session leaves nothing behind.
async fn zookeeper(config: &Config) -> Result<Records, Away> {
    let zookeeper = Zookeeper::new(config);
    let asked = async {
        let records = async { zookeeper.records().await.map_err(|error| error.to_string()) };
        let registrations = async { zookeeper.all().await.map_err(|error| error.to_string()) };
        try_join(records, registrations).await
    };
    let (slots, registrations) = bounded("ZooKeeper", asked).await?;
    // A server that answered hears the farewell; one that did not ends the session by its time-out.
    zookeeper.close().await;
    Ok(Records { slots, registrations })
}
