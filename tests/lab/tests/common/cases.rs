//! Cases side by side in one lab: each has a group of one instance, a stack that waits for its signal, and a cluster with
//! slots and a place in ZooKeeper of its own, so that what goes wrong in one disturbs no other. Every instance is up and idle:
//! berth is run by hand in it, as its unit would run it.
#![allow(dead_code)] // Each test binary uses its own part.

use std::time::Duration;

use lab::lab_run::{InstanceInfo, LabRun};
use region::model::{
    EniSpec, Event, GroupSpec, LaunchData, LaunchSource, Region, StackSpec, SubnetId, Tags, UpdateSpec,
    VolumeSpec,
};

use super::lab_runs::{MINUTE, made, run};

/// ZooKeeper's one server.
pub(crate) const ZOOKEEPER: &str = "10.0.1.200";

/// The region of these labs: nothing is replaced, everything is quick.
const REGION: &str = r#"
service = "stub"
[region]
throttle = false
quick = true
[region.delays]
volume-attach = "700ms"
"#;

/// What exists for a case before its instance is launched.
pub(crate) struct Stage {
    /// Volumes, each with its Name tag; the first is slot 0's.
    pub(crate) volumes: Vec<VolumeSpec>,
    /// Interfaces.
    pub(crate) enis: Vec<EniSpec>,
    /// The role whose credentials the metadata serves.
    pub(crate) profile: Option<String>,
    /// Whether the metadata serves the instance's tags.
    pub(crate) metadata_tags: bool,
    /// Whether the stack is complete before the instance signals.
    pub(crate) stack_is_complete: bool,
    /// Where the instance looks for ZooKeeper.
    pub(crate) zookeeper: String,
    /// `boot.deadline`: the shortest one, unless a case needs more.
    pub(crate) deadline: &'static str,
    /// What user-data does beside writing the configuration.
    pub(crate) prepare: &'static str,
    subnet: SubnetId,
    cluster: String,
}

impl Stage {
    fn new(region: &Region, cluster: &str) -> Stage {
        let subnet = region.subnets().find(|s| s.zone.ends_with('a')).unwrap().id.clone();
        let mut stage = Stage {
            volumes: Vec::new(),
            enis: Vec::new(),
            profile: Some("kafka-broker".into()),
            metadata_tags: false,
            stack_is_complete: false,
            zookeeper: format!("{ZOOKEEPER}:2181"),
            deadline: "1m",
            prepare: "",
            subnet,
            cluster: cluster.into(),
        };
        stage.add_slot(0);
        stage
    }

    /// One slot more, with an interface and a volume that may be formatted.
    pub(crate) fn add_slot(&mut self, id: u32) {
        let mut tags = Tags::from([
            ("Name".to_owned(), format!("KAFKA-{id}")),
            ("berth:cluster".to_owned(), self.cluster.clone()),
        ]);
        let subnet = self.subnet.clone();
        self.enis.push(EniSpec { subnet, tags: tags.clone(), ..EniSpec::default() });
        tags.insert("berth:format".to_owned(), "xfs".to_owned());
        self.volumes.push(VolumeSpec { zone: "eu-central-1a".into(), tags, ..VolumeSpec::default() });
    }

    fn user_data(&self) -> String {
        format!(
            "#!/bin/sh\n{}\nmkdir -p /etc/berth\ncat >/etc/berth/new <<'END'\ncluster = \"{}\"\nzookeeper = \"{}/{}\"\n[boot]\ndeadline = \"{}\"\nEND\nmv /etc/berth/new /etc/berth/berth.toml\n",
            self.prepare, self.cluster, self.zookeeper, self.cluster, self.deadline
        )
    }
}

/// A case whose instance is up and idle.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Its name, and that of its cluster, group and stack.
    pub(crate) name: &'static str,
    /// Its instance.
    pub(crate) on: InstanceInfo,
    /// Its volumes in the stage's order.
    pub(crate) volumes: Vec<String>,
    /// Its interfaces.
    pub(crate) enis: Vec<String>,
}

/// A case's name, and what is changed on its stage.
pub(crate) type Staged = (&'static str, fn(&mut Stage));

/// A lab with these cases, every instance up and idle.
pub(crate) async fn staged(cases: &[Staged]) -> (LabRun, Vec<Case>) {
    let lab = made(REGION).await;
    let mut staged = Vec::new();
    for (name, change) in cases {
        let (volumes, enis) = lab.served.with(|region| create_resources(region, name, *change));
        staged.push((*name, volumes, enis));
    }
    let mut ready = Vec::new();
    for (name, volumes, enis) in staged {
        let launched = |event: &Event| match event {
            Event::InstanceLaunched { instance, group: Some(group), .. } if group == name => {
                Some(instance.clone())
            }
            _ => None,
        };
        let id = lab.wait("its launch", MINUTE, 0, |entry| launched(&entry.event)).await.unwrap();
        ready.push(Case { name, on: idle(&lab, &id).await, volumes, enis });
    }
    (lab, ready)
}

fn create_resources(region: &mut Region, name: &str, change: fn(&mut Stage)) -> (Vec<String>, Vec<String>) {
    let mut stage = Stage::new(region, name);
    change(&mut stage);
    let user_data = stage.user_data();
    let volumes = stage.volumes.into_iter().map(|volume| region.add_volume(volume)).collect();
    let enis = stage.enis.into_iter().map(|eni| region.add_eni(eni)).collect();
    region.add_stack(StackSpec {
        name: name.into(),
        group_logical_id: "Brokers".into(),
        group_name: name.into(),
        signals: u32::from(!stage.stack_is_complete),
        timeout_ms: 1_800_000,
    });
    region.add_group(GroupSpec {
        name: name.into(),
        max: 1,
        desired: 1,
        subnets: vec![stage.subnet],
        launch: LaunchSource::Template(LaunchData {
            name: format!("{name}-launch"),
            user_data,
            profile: stage.profile,
            metadata_tags: stage.metadata_tags,
            ..LaunchData::default()
        }),
        // What an instance that called itself unhealthy has left behind is looked at.
        suspended: vec!["ReplaceUnhealthy".into()],
        ..GroupSpec::default()
    });
    if stage.stack_is_complete {
        // An update that has nothing to replace is complete at once.
        region.update_stack(name, UpdateSpec::default());
    }
    (volumes, enis)
}

/// Waits until user-data has written the configuration.
async fn idle(lab: &LabRun, id: &str) -> InstanceInfo {
    let up = async {
        loop {
            if let Ok(known) = lab.find(id)
                && known.pid1.is_some()
                && run(lab, &known, "/usr/bin/test", &["-s", "/etc/berth/berth.toml"], MINUTE).await.code == 0
            {
                return known;
            }
            // Between looks at another machine's boot.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(MINUTE * 2, up).await.unwrap_or_else(|_| panic!("{id} did not come up"))
}

/// A stage as it is.
pub(crate) fn plain(_: &mut Stage) {}

/// For `prepare`: the service is up and silent until it is given [`WORD`], as a broker that recovers its logs.
pub(crate) const SILENT: &str = r#"
cat >/opt/kafka/bin/kafka-server-start.sh <<'END'
#!/bin/sh
until [ -e /run/word ]; do sleep 0.1; done
exec /usr/lib/berth-lab/lab stub-broker "$1"
END
chmod 755 /opt/kafka/bin/kafka-server-start.sh
"#;

/// What ends the silence.
pub(crate) const WORD: &str = "touch /run/word";
