//! The sources of `berth status`, asked side by side, each within its own time limit.
//!
//! Only reads, and nothing of a run: no lock, no intent, no patience beyond the limit.

use crate::aws::imds::{self, Metadata};
use crate::host::ThisHost;
use crate::host::disks::HostDisks;
use crate::host::netlink::{Kernel, Ours};
use crate::host::systemd::Systemd;
use crate::host::timeline::{FILE, RELEASE_FILE, Story};
use crate::wiring::{Stores, wire_look};
use berth_lifecycle::deadline;
use berth_lifecycle::ports::{Cloud, Disks, Host, Mounted, Service, Unit};
use berth_lifecycle::stories::gate::gate;
use berth_lifecycle::stories::release::standing;
use berth_plan::config::Config;
use berth_plan::ec2::{EniSeen, VolumeSeen};
use berth_plan::records::SlotRecords;
use berth_plan::service::Registration;
use berth_plan::{BrokerId, SinceBoot, UnixTime};
use futures_util::future::try_join;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// For each source.
const WITHIN: Duration = Duration::from_secs(4);

/// For how long the metadata service is asked again.
const PATIENCE: Duration = Duration::from_secs(2);

/// A source that did not answer, and why.
#[derive(Debug, Clone)]
pub(super) struct Away(pub(super) String);

/// What ZooKeeper holds.
pub(super) struct Records {
    pub(super) slots: BTreeMap<BrokerId, SlotRecords>,
    pub(super) registrations: BTreeMap<BrokerId, Registration>,
}

/// The timeline of the last run, and the clocks by which it is read.
pub(super) struct LastRun {
    /// None where no run wrote one.
    pub(super) story: Option<Story>,
    pub(super) is_of_this_boot: bool,
    /// Whether the process that writes it is still there.
    pub(super) is_alive: bool,
    /// Now, by the clock of the story.
    pub(super) since_boot: SinceBoot,
    /// When this boot's deadline is.
    pub(super) deadline: UnixTime,
}

impl LastRun {
    pub(super) fn story_of_this_boot(&self) -> Option<&Story> {
        self.story.as_ref().filter(|_| self.is_of_this_boot)
    }
}

/// What each source said.
pub(super) struct Answers {
    pub(super) last_run: Result<LastRun, Away>,
    pub(super) metadata: Result<Metadata, Away>,
    pub(super) cloud: Result<(Vec<VolumeSeen>, Vec<EniSeen>), Away>,
    pub(super) zookeeper: Result<Records, Away>,
    pub(super) kernel: Result<Ours, Away>,
    /// The unit, and since when it is in its state.
    pub(super) unit: Result<(Unit, Option<UnixTime>), Away>,
    pub(super) mount: Result<Option<Mounted>, Away>,
    /// Since when and why this instance is released, and the run that does it.
    pub(super) released: Option<(UnixTime, String, Option<Story>)>,
    /// Why the gate is closed is an answer.
    pub(super) gate: Result<BrokerId, String>,
}

/// Asks all of them. Only EC2 is asked after another: who asks, and where, the metadata service says.
pub(super) async fn ask(config: &Config) -> Answers {
    let unit = bounded("systemd", async {
        let asked = try_join(Systemd.unit(&config.unit), Systemd.since(&config.unit));
        asked.await.map_err(|e| e.to_string())
    });
    let kernel = bounded("the kernel", async { Kernel::open()?.ours().await.map_err(|e| e.to_string()) });
    let mount = bounded("the mount table", async {
        HostDisks.mounted(&config.mount).await.map_err(|e| e.to_string())
    });
    let gate = async { gate(&ThisHost, &HostDisks, &imds::boot_id()?, &config.mount).await };
    let ((metadata, cloud), zookeeper, kernel, unit, mount, gate) =
        tokio::join!(aws(config), zookeeper(config), kernel, unit, mount, gate);
    let released = released(metadata.as_ref().ok());
    Answers { last_run: last_run(config), released, metadata, cloud, zookeeper, kernel, unit, mount, gate }
}

fn last_run(config: &Config) -> Result<LastRun, Away> {
    let text = ThisHost.recall(FILE).map_err(|error| Away(format!("the timeline: {error}")))?;
    let read = |text: String| {
        serde_json::from_str::<Story>(&text)
            .map_err(|error| Away(format!("the timeline: {FILE} is not what berth writes: {error}")))
    };
    let story = text.map(read).transpose()?;
    let since_boot = ThisHost.since_boot();
    let is_of = |story: &Story| imds::boot_id().is_ok_and(|boot| boot.as_str() == story.boot);
    Ok(LastRun {
        is_of_this_boot: story.as_ref().is_some_and(is_of),
        is_alive: story.as_ref().is_some_and(Story::goes_on),
        since_boot,
        deadline: ThisHost.unix_time() - since_boot.since(SinceBoot::default())
            + deadline(&ThisHost, config).since(SinceBoot::default()),
        story,
    })
}

fn released(metadata: Option<&Metadata>) -> Option<(UnixTime, String, Option<Story>)> {
    let me = &metadata?.me;
    let (at, reason) = standing(&ThisHost, &me.instance, &me.boot).ok().flatten()?;
    let text = ThisHost.recall(RELEASE_FILE).ok().flatten();
    Some((at, reason, text.and_then(|text| serde_json::from_str(&text).ok())))
}

async fn bounded<T>(what: &str, question: impl Future<Output = Result<T, String>>) -> Result<T, Away> {
    match timeout(WITHIN, question).await {
        Ok(answer) => answer.map_err(|why| Away(format!("{what}: {why}"))),
        Err(_) => Err(Away(format!("{what}: no answer within {} s", WITHIN.as_secs()))),
    }
}

pub(super) type Parts = (Vec<VolumeSeen>, Vec<EniSeen>);

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
        let ec2 = wire_look(me).await?;
        let (cluster, zone) = (&config.cluster, &me.zone);
        try_join(ec2.volumes(cluster, zone), ec2.enis(cluster, zone)).await.map_err(|e| e.to_string())
    };
    let parts = bounded("EC2", asked).await;
    (Ok(metadata), parts)
}

/// All records and registrations. The session leaves nothing behind.
async fn zookeeper(config: &Config) -> Result<Records, Away> {
    let stores = Stores::of(config);
    let asked = async {
        let records = async { stores.claims.records().await.map_err(|error| error.to_string()) };
        let registrations = async { stores.registrations.all().await.map_err(|error| error.to_string()) };
        try_join(records, registrations).await
    };
    let (slots, registrations) = bounded("ZooKeeper", asked).await?;
    // A server that answered hears the farewell; one that did not ends the session by its time-out.
    stores.session.close().await;
    Ok(Records { slots, registrations })
}
