//! How a boot ends that cannot go on: one case an instance, all side by side. Each ends within its deadline, with one
//! sentence, the right exit code, the right telling or none, and nothing of any slot left.

use crate::common::cases::{Case, SILENT, Stage, Staged, WORD, plain, staged};
use crate::common::judged::End;
use crate::common::lab_runs::shell;
use futures_util::future::join_all;
use lab::lab_run::LabRun;
use region::model::{AttachVolumeRequest, Caller, Fault, FaultKind};
use std::time::Duration;

/// One case: what is there, which calls fail, and how the boot must end.
struct Row {
    name: &'static str,
    stage: fn(&mut Stage),
    faults: Vec<(&'static str, FaultKind)>,
    ends: Ends<'static>,
}

/// How a boot must end.
struct Ends<'a> {
    code: i32,
    /// All of it is in the last line.
    says: Vec<&'a str>,
    told: &'static [&'static str],
    /// What Auto Scaling answered.
    unhealthy: &'static [&'static str],
}

const FAILURE: &[&str] = &["FAILURE"];

/// The operator must mend it: nothing is replaced, the next instance would end the same.
fn configuration(says: Vec<&'static str>) -> Ends<'static> {
    Ends { code: 78, says, told: FAILURE, unhealthy: &[] }
}

/// No slot until the deadline: the group may try another zone.
fn no_slot(says: Vec<&'static str>) -> Ends<'static> {
    Ends { code: 1, says, told: FAILURE, unhealthy: &["ok"] }
}

fn refuse(code: &str, message: &str) -> FaultKind {
    FaultKind::Refuse { status: 400, code: code.into(), message: message.into() }
}

fn refusals() -> Vec<Row> {
    let not_allowed = |name, action| {
        let says = vec![
            action,
            "UnauthorizedOperation",
            "request ",
            "allow this call in the policy of the instance's role",
        ];
        Row { name, stage: plain, faults: vec![(action, FaultKind::Unauthorized)], ends: configuration(says) }
    };
    vec![
        Row {
            name: "volume-elsewhere",
            stage: |stage| stage.volumes[0].zone = "eu-central-1b".into(),
            faults: vec![],
            ends: no_slot(vec![
                "cluster volume-elsewhere",
                "eu-central-1a",
                "slot 0: no volume of this zone has the tag Name=KAFKA-0",
                "none became vacant within 60 s",
            ]),
        },
        Row {
            name: "zone-mismatch",
            stage: plain,
            faults: vec![(
                "AttachVolume",
                refuse(
                    "InvalidVolume.ZoneMismatch",
                    "The volume is not in the same availability zone as the instance",
                ),
            )],
            ends: no_slot(vec!["slot 0: marked faulty: AttachVolume vol-", "to i-", "ZoneMismatch"]),
        },
        Row {
            name: "two-interfaces",
            stage: |stage| stage.enis.push(stage.enis[0].clone()),
            faults: vec![],
            ends: no_slot(vec!["slot 0: eni-", " and eni-", "Name=KAFKA-0: take it off all but one"]),
        },
        Row {
            name: "multi-attach",
            stage: |stage| {
                stage.volumes[0].multi_attach = true;
                stage.volumes[0].volume_type = "io2".into();
            },
            faults: vec![("SetInstanceHealth", FaultKind::Unauthorized)],
            ends: Ends { unhealthy: &["AccessDenied"], ..no_slot(vec!["slot 0: vol-", "Multi-Attach"]) },
        },
        Row {
            name: "stuck-attaching",
            stage: plain,
            faults: vec![("AttachVolume", FaultKind::StuckAttaching)],
            ends: no_slot(vec![
                "storage: vol-",
                "a device with the serial vol",
                "EC2 says \"attaching\" after",
            ]),
        },
        Row {
            name: "unusable",
            stage: |stage| stage.zookeeper = "10.0.1.200:port".into(),
            faults: vec![],
            ends: configuration(vec!["/etc/berth/berth.toml:2:13: `zookeeper`", "is no host:port"]),
        },
        not_allowed("no-describe", "DescribeVolumes"),
        not_allowed("no-attach-volume", "AttachVolume"),
        not_allowed("no-attach-eni", "AttachNetworkInterface"),
        not_allowed("no-tags", "CreateTags"),
    ]
}

impl Row {
    async fn holds(&self, lab: &LabRun, case: &Case) {
        for (action, kind) in &self.faults {
            let caller = Some(case.on.id.clone());
            lab.served.with(|region| {
                region.inject(Fault { caller, ..Fault::always(action, kind.clone()) });
            });
        }
        let end = case.boot_late(lab).await;
        println!("{} after {:?}: {}", self.name, end.took, end.sentence());
        self.ends.hold(lab, case, &end).await;
        case.has_let_go(lab).await;
    }
}

impl Ends<'_> {
    async fn hold(&self, lab: &LabRun, case: &Case, end: &End) {
        let name = case.name;
        let sentence = end.sentence();
        assert_eq!(end.code, self.code, "{name}: {}", end.said);
        for part in &self.says {
            assert!(sentence.contains(part), "{name}: {part:?} is not in: {sentence}");
        }
        assert_eq!(case.told(lab, 0), self.told, "{name}: {}", end.said);
        assert_eq!(case.unhealthy(lab, 0), self.unhealthy, "{name}: {}", end.said);
        // Beside the deadline: the unwinding with its spaced reads, the telling, and a machine that others use too.
        assert!(end.took < Duration::from_secs(75), "{name} took {:?}", end.took);
    }
}

/// A start script that ends at once.
const DIES: &str = "printf '#!/bin/sh\\nexit 1\\n' >/opt/kafka/bin/kafka-server-start.sh; chmod 755 /opt/kafka/bin/kafka-server-start.sh";

/// A slot with two interfaces, one with two volumes, one whose volume is for several: the fourth is taken.
fn three_defects(stage: &mut Stage) {
    for id in 1..4 {
        stage.add_slot(id);
    }
    stage.enis.push(stage.enis[0].clone());
    stage.volumes.push(stage.volumes[1].clone());
    stage.volumes[2].multi_attach = true;
    stage.volumes[2].volume_type = "io2".into();
}

async fn passes_over(lab: &LabRun, case: &Case) {
    let end = case.boots(lab).await;
    assert!(end.said.contains("broker 3 is ready"), "{}", end.said);
    let parts = [&case.enis[0], &case.enis[4], &case.volumes[1], &case.volumes[4], &case.volumes[2]];
    let chosen = end.said.lines().find(|line| line.contains("slot 3 chosen")).unwrap_or_default();
    assert!(parts.iter().all(|id| chosen.contains(id.as_str())), "{chosen}");
    println!("{}: {chosen}", case.name);
}

/// An operator brought the volume, and it goes with the instance.
async fn deleted_on_termination(lab: &LabRun, case: &Case) {
    let request = AttachVolumeRequest {
        volume: case.volumes[0].clone(),
        instance: case.on.id.clone(),
        device: "/dev/sdf".into(),
        ..AttachVolumeRequest::default()
    };
    lab.served.with(|region| {
        region.attach_volume(&Caller::admin(), request).unwrap();
        region.set_delete_on_termination(&case.volumes[0], true);
    });
    let end = case.boot_late(lab).await;
    println!("{} after {:?}: {}", case.name, end.took, end.sentence());
    let says =
        vec![case.volumes[0].as_str(), "DeleteOnTermination=true", "it is detached; start berth again"];
    let ends = Ends { code: 78, says, told: FAILURE, unhealthy: &[] };
    ends.hold(lab, case, &end).await;
    case.has_let_go(lab).await;
}

/// The slot stays with its holder: what it holds is whole, and the operator's own log says why its service does not start.
async fn dies_at_once(lab: &LabRun, case: &Case) {
    let end = case.boot_past_the_deadline(lab, FAILURE).await;
    println!("{} after {:?}: {}", case.name, end.took, end.sentence());
    for part in ["kafka.service is failed (", "broker 0", "journalctl -u kafka.service"] {
        assert!(end.said.contains(part), "{part:?} is not in: {}", end.said);
    }
    // Who keeps a slot never stops trying.
    assert_eq!((end.code, case.told(lab, 0)), (143, vec!["FAILURE".to_owned()]), "{}", end.said);
    assert_eq!(case.unhealthy(lab, 0), Vec::<String>::new(), "{}", end.said);
    case.holds(lab).await;
}

/// A broker that recovers its logs looks the same: it is waited for past the deadline, and nothing is told until it is there.
async fn hangs(lab: &LabRun, case: &Case) {
    let long_after = async {
        // The deadline has passed when 15 s are over; the wait is the case.
        case.sees(lab, "start", |step| !step["waits_for"].is_null()).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!((case.told(lab, 0), case.unhealthy(lab, 0)), (vec![], vec![]), "{}", case.name);
        let step = case.step(lab, "start").await.unwrap();
        let waits = step["waits_for"].as_str().unwrap();
        assert!(waits.contains("broker 0 to register, kafka.service active for"), "{waits}");
        shell(lab, &case.on, WORD).await;
    };
    let (end, ()) = futures_util::join!(case.boot_late(lab), long_after);
    assert_eq!((end.code, case.told(lab, 0)), (0, vec!["SUCCESS".to_owned()]), "{}", end.said);
    case.holds(lab).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ec2_refuses_or_shows_ends_the_boot_with_its_sentence_and_nothing_left() {
    let rows = refusals();
    let mut stages: Vec<Staged> = rows.iter().map(|row| (row.name, row.stage)).collect();
    stages.push(("three-defects", three_defects));
    stages.push(("goes-with-me", plain));
    let (lab, cases) = staged(&stages).await;
    let refused = join_all(rows.iter().zip(&cases).map(|(row, case)| row.holds(&lab, case)));
    let [defects, mine] = &cases[rows.len()..] else { unreachable!("two more stages than rows") };
    futures_util::join!(refused, passes_over(&lab, defects), deleted_on_termination(&lab, mine));
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_fails_for_good_is_told_and_one_that_is_silent_is_waited_for() {
    let stages: [Staged; 2] =
        [("dies-at-once", |stage| stage.prepare = DIES), ("hangs", |stage| stage.prepare = SILENT)];
    let (lab, cases) = staged(&stages).await;
    futures_util::join!(dies_at_once(&lab, &cases[0]), hangs(&lab, &cases[1]));
    lab.end(false).await.unwrap();
}
