//! Many cases in one lab: each has a cluster of its own (tag, chroot in ZooKeeper, slots) and one instance, so that none sees
//! what another does and several run side by side.
//!
//! berth is run by hand, for its exit code; what it did is told by the region's journal, `findmnt` and ZooKeeper.

use std::process::Command;

use futures_util::stream::{self, StreamExt};
use lab::instance::Ran;
use lab::lab_run::{InstanceInfo, LabRun};
use lab::volume::Volume;
use lab::znodes::Nodes;
use region::model::{AttachVolumeRequest, Caller, EniSpec, Event, LaunchSpec, VolumeSpec, VolumeState};
use serde_json::Value;

use super::lab_runs::{MINUTE, run, shell};

/// A lab with ZooKeeper and nothing else: cases make what they need.
pub(crate) const EMPTY: &str = r#"
service = "stub"
[region]
throttle = false
[region.delays]
instance-pending = "50ms"
volume-attach = "100ms"
volume-detach = "100ms"
eni-attach = "100ms"
eni-detach = "100ms"
imds-new-interface = "0ms"
imds-target-state = "0ms"
"#;

/// The zone of all cases.
const ZONE: &str = "eu-central-1a";

/// Runs cases side by side, as many as a small machine has breath for: they wait more than they work.
pub(crate) async fn side_by_side<F: Future<Output = ()>>(cases: impl IntoIterator<Item = F>) {
    stream::iter(cases).buffer_unordered(8).collect::<()>().await;
}

/// A slot of a case.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) volume: String,
    pub(crate) eni: String,
}

/// A cluster with its slots 0, 1, ... and one instance.
pub(crate) struct Case<'a> {
    pub(crate) lab: &'a LabRun,
    pub(crate) name: String,
    pub(crate) on: InstanceInfo,
    pub(crate) slots: Vec<Slot>,
}

impl<'a> Case<'a> {
    /// The slots' volumes of 2 GiB have these values of `berth:format`; an empty one stands for no such tag.
    pub(crate) async fn make(lab: &'a LabRun, name: &str, formats: &[&str]) -> Case<'a> {
        let slots = formats.iter().enumerate().map(|(id, format)| slot(lab, name, id, format)).collect();
        let case = Case { lab, name: name.to_owned(), on: instance(lab).await, slots };
        case.configured("").await;
        case
    }

    /// Writes berth.toml anew, with these lines at its end.
    pub(crate) async fn configured(&self, lines: &str) {
        let name = &self.name;
        let text = format!("cluster = \"{name}\"\nzookeeper = \"10.0.1.200:2181/{name}\"\n{lines}\n");
        self.shell(&format!("mkdir -p /etc/berth; cat >/etc/berth/berth.toml <<'END'\n{text}END")).await;
    }

    /// Another instance goes on with the case; the one before is gone from EC2.
    pub(crate) async fn replaced(&mut self) {
        let gone = self.on.id.clone();
        let from = self.lab.journal_length();
        self.lab.served.with(|region| region.terminate_instance(&gone));
        let is_gone =
            |event: &Event| matches!(event, Event::InstanceTerminated { instance } if *instance == gone);
        self.seen("its end", from, is_gone).await;
        self.on = instance(self.lab).await;
        self.configured("").await;
    }

    /// A shell line on the instance, which must succeed.
    pub(crate) async fn shell(&self, line: &str) -> String {
        shell(self.lab, &self.on, line).await
    }

    /// A shell line on the instance, however it ends.
    pub(crate) async fn tried(&self, line: &str) -> Ran {
        run(self.lab, &self.on, "/bin/sh", &["-c", line], 2 * MINUTE).await
    }

    /// `berth boot` to its end.
    pub(crate) async fn boot(&self) -> Ran {
        run(self.lab, &self.on, "berth", &["boot"], 2 * MINUTE).await
    }

    /// `berth boot`, which must make the broker of this slot ready.
    pub(crate) async fn boots(&self, slot: usize) -> Ran {
        let ran = self.boot().await;
        let ready = format!("broker {slot} is ready on {}", self.on.id);
        assert!(ran.code == 0 && ran.err.contains(&ready), "{}: {}\n{}", self.name, ran.code, ran.err);
        ran
    }

    /// The image of a slot's volume.
    pub(crate) fn image(&self, slot: usize) -> Volume {
        self.lab.image(&self.slots[slot].volume).unwrap()
    }

    /// Waits for an entry of the journal.
    pub(crate) async fn seen(&self, what: &str, from: usize, is: impl Fn(&Event) -> bool) {
        let what = format!("{what} of {}", self.name);
        self.lab.wait(&what, MINUTE, from, |entry| is(&entry.event).then_some(())).await.unwrap();
    }

    /// A node of the case's Kafka is written by hand.
    pub(crate) async fn put(&self, path: &str, data: &Value) {
        self.lab.put_znode(&format!("/{}{path}", self.name), &data.to_string()).await.unwrap();
    }

    /// All that ZooKeeper holds of the case.
    pub(crate) async fn znodes(&self) -> Nodes {
        self.lab.znodes(&[&format!("/{}", self.name)]).await.unwrap()
    }

    /// One of berth's records: `slots/0`, `faults/0`; null where there is none.
    pub(crate) async fn record(&self, record: &str) -> Value {
        let path = format!("/{0}/berth/{0}/{record}", self.name);
        let nodes = self.znodes().await;
        nodes.get(&path).map_or(Value::Null, |node| serde_json::from_str(&node.data).unwrap())
    }

    /// What was written to `berth:format` of a slot's volume since it was made.
    pub(crate) fn formats(&self, slot: usize) -> Vec<String> {
        let volume = &self.slots[slot].volume;
        let changes = self.lab.journal(0).into_iter().filter_map(|entry| match entry.event {
            Event::TagsChanged { resource, tags } if resource == *volume => tags.get("berth:format").cloned(),
            _ => None,
        });
        changes.collect()
    }

    /// How often this instance made a call with this outcome.
    pub(crate) fn count(&self, action: &str, outcome: &str) -> usize {
        let is = |event: &Event| {
            matches!(event, Event::Call { caller: Some(caller), .. } if *caller == self.on.id)
                && event.as_call() == Some((action, outcome))
        };
        self.lab.journal(0).iter().filter(|entry| is(&entry.event)).count()
    }

    /// What EC2 shows attached of the slots, and on whom.
    pub(crate) fn attached(&self) -> Vec<(String, String)> {
        self.lab.served.with(|region| {
            let mut found = Vec::new();
            for slot in &self.slots {
                let volume = region.volume(&slot.volume).unwrap();
                found.extend(volume.attachments.iter().map(|a| (slot.volume.clone(), a.instance.clone())));
                assert_eq!(volume.state == VolumeState::Available, volume.attachments.is_empty());
                let eni = region.eni(&slot.eni).unwrap();
                found.extend(eni.attachment.iter().map(|a| (slot.eni.clone(), a.instance.clone())));
            }
            found
        })
    }

    /// Source and type of each mount at this place.
    pub(crate) async fn mounts(&self, at: &str) -> Vec<String> {
        let ran = self.tried(&format!("findmnt --kernel -rno SOURCE,FSTYPE --mountpoint {at}")).await;
        ran.out.lines().map(str::to_owned).collect()
    }

    /// Whether the unit was ever started.
    pub(crate) async fn service_ran(&self) -> bool {
        !self.shell("systemctl show -p InvocationID --value kafka.service").await.trim().is_empty()
    }

    /// What an operator attaches by hand, and waits for.
    pub(crate) async fn attach(&self, volume: &str, device: &str) {
        let request = AttachVolumeRequest {
            volume: volume.to_owned(),
            instance: self.on.id.clone(),
            device: device.to_owned(),
            ..AttachVolumeRequest::default()
        };
        let before = self.lab.journal_length();
        self.lab.served.with(|region| region.attach_volume(&Caller::admin(), request)).unwrap();
        self.seen(
            "an attachment by hand",
            before,
            |event| matches!(event, Event::VolumeAttached { volume: attached, .. } if attached == volume),
        )
        .await;
        let serial = volume.replace('-', "");
        self.tried(&format!("until grep -qr {serial} /sys/block/*/device/serial; do sleep 0.05; done")).await;
    }

    /// The boot ended with `code` and this sentence, nothing of the slots is attached, mounted or held, and the service never ran.
    pub(crate) async fn gave_up(&self, ran: &Ran, code: i32, sentence: &str) {
        let name = &self.name;
        let last = ran.err.lines().last().unwrap_or_default();
        assert_eq!(ran.code, code, "{name}: {}", ran.err);
        assert!(last.contains(sentence), "{name}: the last line lacks \"{sentence}\": {last}");
        assert_eq!(self.attached(), [], "{name}: {}", ran.err);
        assert!(!self.service_ran().await, "{name}");
        for (path, node) in self.znodes().await.iter().filter(|(path, _)| path.contains("/slots/")) {
            let claim: Value = serde_json::from_str(&node.data).unwrap();
            assert_eq!(
                (&claim["state"], &claim["started"]),
                (&"free".into(), &Value::Null),
                "{path}: {claim}"
            );
        }
        let unhealthy =
            |event: &Event| matches!(event, Event::HealthSet { instance, .. } if *instance == self.on.id);
        assert!(!self.lab.journal(0).iter().any(|entry| unhealthy(&entry.event)), "{name}");
        println!("{name}: {last}");
    }
}

fn slot(lab: &LabRun, cluster: &str, id: usize, format: &str) -> Slot {
    let mut tags = std::collections::BTreeMap::from([
        ("Name".to_owned(), format!("KAFKA-{id}")),
        ("berth:cluster".to_owned(), cluster.to_owned()),
    ]);
    lab.served.with(|region| {
        let subnet = region.subnets().find(|subnet| subnet.zone == ZONE).unwrap().id.clone();
        let eni = region.add_eni(EniSpec { subnet, tags: tags.clone(), ..EniSpec::default() });
        if !format.is_empty() {
            tags.insert("berth:format".into(), format.into());
        }
        Slot { volume: volume(region, tags), eni }
    })
}

/// A volume of 2 GiB in the zone of all cases.
pub(crate) fn volume(
    region: &mut region::model::Region,
    tags: std::collections::BTreeMap<String, String>,
) -> String {
    region.add_volume(VolumeSpec { zone: ZONE.into(), size_gib: 2, tags, ..VolumeSpec::default() })
}

/// An instance that is up and does nothing.
async fn instance(lab: &LabRun) -> InstanceInfo {
    let from = lab.journal_length();
    let id = lab.served.with(|region| {
        let subnet = region.subnets().find(|subnet| subnet.zone == ZONE).unwrap().id.clone();
        region.run_instance(LaunchSpec {
            subnet,
            // Units are started before user-data runs: a berth.toml that was there earlier would start berth.service.
            user_data: "#!/bin/sh\ntouch /run/units-are-started\n".into(),
            profile: Some("kafka-broker".into()),
            ..LaunchSpec::default()
        })
    });
    let runs = |event: &Event| matches!(event, Event::InstanceRunning { instance } if *instance == id);
    lab.wait("an instance", MINUTE, from, |entry| runs(&entry.event).then_some(())).await.unwrap();
    let up = async {
        loop {
            let known = lab.find(&id).unwrap();
            if known.pid1.is_some() {
                return known;
            }
            // The lab notes when PID 1 is up, and tells nobody.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let known = tokio::time::timeout(MINUTE, up).await.unwrap();
    shell(lab, &known, "until test -e /run/units-are-started; do sleep 0.05; done").await;
    known
}

/// A program of the host, which must succeed; what it printed.
pub(crate) fn host(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// When a volume was written to last, and how much of it is there: a loop device's write is one to its image.
pub(crate) fn written(volume: &Volume) -> String {
    host("blockdev", &["--flushbufs", &volume.device().to_string_lossy()]);
    host("stat", &["-c", "%y %b", &volume.image().to_string_lossy()])
}
