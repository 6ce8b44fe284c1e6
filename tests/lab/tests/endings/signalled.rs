//! SIGTERM and Ctrl-C at each step of a boot: nothing is told, nobody is left waiting in ZooKeeper, and the next run goes on
//! where this one stood. Each step is held open by a call that is answered late or by something that is not there yet, and
//! the signal is sent when the boot's own story says that the step is under way. The step `configure` is one write of one
//! file: no signal can come between.

use crate::common::cases::{Case, SILENT, Stage, Staged, WORD, ZOOKEEPER, plain, staged};
use crate::common::judged::LIMIT;
use crate::common::lab_runs::{run, shell};
use futures_util::future::join_all;
use lab::instance::ran;
use lab::lab_run::LabRun;
use lab::znodes::Nodes;
use region::model::{Fault, FaultKind};
use serde_json::Value;
use std::time::Duration;

/// What keeps a step from ending, and what lets it.
#[derive(Clone)]
enum Held {
    /// Calls like this are answered after longer than any boot may take.
    Late(&'static str),
    /// Calls like this are refused so that the boot gives up, and those like the second are answered late.
    GivenUp(&'static str, &'static str),
    /// As the stage was made; this line in the instance ends it.
    Until(&'static str),
    /// Nobody answers to the slot's address.
    Silence,
    /// A partition names the broker as a replica that is not in sync. It is written once the unit was started: an empty log
    /// dir of a broker that the cluster knows already would not be.
    Behind,
    /// Somebody has the lock.
    Queue,
}

/// mkfs takes its time, as it does on a large volume.
const LONG_FORMAT: &str = r#"
mv /usr/sbin/mkfs.xfs /usr/sbin/mkfs.xfs.own
cat >/usr/sbin/mkfs.xfs <<'END'
#!/bin/sh
until [ -e /run/word ]; do sleep 0.1; done
exec /usr/sbin/mkfs.xfs.own "$@"
END
chmod 755 /usr/sbin/mkfs.xfs
"#;

type Step = (&'static str, &'static str, &'static str, fn(&mut Stage), Held);

/// Names of both cases, the step as the story calls it, its stage, and what holds it.
fn steps() -> Vec<Step> {
    vec![
        ("term-identify", "int-identify", "identify", plain, Held::Late("GET /latest/meta-data/*")),
        ("term-observe", "int-observe", "intend", plain, Held::Late("DescribeVolumes")),
        ("term-queue", "int-queue", "intend", plain, Held::Queue),
        ("term-attach", "int-attach", "attach volume", plain, Held::Late("AttachVolume")),
        ("term-eni", "int-eni", "attach ENI", plain, Held::Late("AttachNetworkInterface")),
        ("term-network", "int-network", "network", plain, Held::Silence),
        ("term-tag", "int-tag", "storage", plain, Held::Late("CreateTags")),
        ("term-format", "int-format", "storage", |stage| stage.prepare = LONG_FORMAT, Held::Until(WORD)),
        ("term-start", "int-start", "start", |stage| stage.prepare = SILENT, Held::Until(WORD)),
        ("term-ready", "int-ready", "ready", |stage| stage.prepare = SILENT, Held::Behind),
        ("term-signal", "int-signal", "signal", plain, Held::Late("SignalResource")),
        (
            "term-unwind",
            "int-unwind",
            "unwind",
            // A detach that was asked for settles for a minute before the volume is attached again; a sixth of it passes
            // before the boot gives up.
            |stage| stage.deadline = "3m",
            Held::GivenUp("AttachNetworkInterface", "DetachVolume"),
        ),
    ]
}

const FOR_EVER: FaultKind = FaultKind::Slow(600_000);

async fn ended_by(lab: &LabRun, case: &Case, signal: &str, code: i32, step: &Step) {
    let inject = |action: &str, kind: FaultKind| {
        let caller = Some(case.on.id.clone());
        lab.served.with(|region| region.inject(Fault { caller, ..Fault::always(action, kind) }));
    };
    match &step.4 {
        Held::Late(action) => inject(action, FOR_EVER),
        Held::GivenUp(refused, late) => {
            inject(refused, FaultKind::Unauthorized);
            inject(late, FOR_EVER);
        }
        Held::Until(_) | Held::Behind => {}
        Held::Silence => case.route_of_slot(lab, "add", ZOOKEEPER, "blackhole"),
        Held::Queue => locked(lab, case, "create").await,
    }
    let from = lab.journal_length();
    let meanwhile = async {
        if matches!(step.4, Held::Behind) {
            case.sees(lab, "start", |story| !story["waits_for"].is_null()).await;
            partition(lab, case, "create", "[1]").await;
            shell(lab, &case.on, WORD).await;
        }
        under_way(lab, case, step).await;
        status_says_so(lab, case, step).await;
        let line =
            format!("kill -{signal} $(sed -n 's/.*\"process\": \\([0-9]*\\).*/\\1/p' /run/berth/boot.json)");
        shell(lab, &case.on, &line).await;
    };
    let (end, ()) = futures_util::join!(case.boot(lab), meanwhile);
    let name = case.name;
    assert_eq!(end.code, code, "{name}: {}", end.said);
    let sentence = end.sentence();
    println!("{name} after {:?}: {sentence}", end.took);
    let told = if step.2 == "signal" { "may have been heard" } else { "nothing was told" };
    for part in [&format!("ended by SIG{signal} at: "), step.2, told, "the next run goes on"] {
        assert!(sentence.contains(part), "{name}: {part:?} is not in: {sentence}");
    }
    let heard = case.told(lab, from);
    assert!(heard.is_empty() || step.2 == "signal", "{name}: {heard:?}");
    assert_eq!(case.unhealthy(lab, from), Vec::<String>::new(), "{name}");
    case.keeps_nobody_waiting(lab).await;

    lab.served.with(|region| region.clear_faults_of(&case.on.id));
    match step.4 {
        Held::Until(line) => drop(shell(lab, &case.on, line).await),
        Held::Silence => case.route_of_slot(lab, "del", ZOOKEEPER, "blackhole"),
        Held::Behind => partition(lab, case, "set", "[0,1]").await,
        Held::Queue => locked(lab, case, "delete").await,
        Held::Late(_) | Held::GivenUp(..) => {}
    }
    let again = case.boot(lab).await;
    assert_eq!(again.code, 0, "{name}: {}", again.said);
    let told = case.told(lab, 0);
    assert!(told.iter().all(|word| word == "SUCCESS") && !told.is_empty(), "{name}: {told:?}");
    case.holds(lab).await;
    println!("{name}: the next run took {:?}", again.took);
}

/// A person who looks just now is told of the step, and of nothing that is not so: a source that keeps its answer is named.
async fn status_says_so(lab: &LabRun, case: &Case, step: &Step) {
    let looked = std::time::Instant::now();
    let ran = run(lab, &case.on, "/usr/bin/berth", &["status", "--json"], LIMIT).await;
    let took = looked.elapsed();
    let said: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}{}", ran.out, ran.err));
    let boot = &said["boot"];
    assert_eq!((ran.code, &boot["state"]), (0, &"running".into()), "{}: {said}", case.name);
    let steps = boot["steps"].as_array().unwrap();
    let is_open = |s: &&Value| s["step"] == step.2 && s["outcome"].is_null();
    assert!(steps.iter().any(|s| is_open(&s)), "{}: {boot}", case.name);
    let started = matches!(step.2, "start" | "ready" | "signal");
    let service = if started { "active" } else { "inactive" };
    assert_eq!(said["service"]["state"], service, "{}: {said}", case.name);
    // Each source has 4 s; this machine has other work too.
    assert!(took < Duration::from_secs(20), "{}: status took {took:?}", case.name);
}

/// Writes the state of the one partition of the one topic, as the controller does: its leader is broker 1, and the slot's
/// broker 0 is its other replica.
async fn partition(lab: &LabRun, case: &Case, how: &str, isr: &str) {
    let topics = format!("/{}/brokers/topics", case.name);
    let state = format!(r#"{{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":{isr}}}"#);
    let topic = r#"{"version":2,"partitions":{"0":[1,0]},"adding_replicas":{},"removing_replicas":{}}"#;
    let mut lines = Vec::new();
    if how == "create" {
        lines.extend(created(&topics));
        lines.push(format!("create {topics}/t {topic}"));
        lines.extend(["partitions", "partitions/0"].map(|p| format!("create {topics}/t/{p}")));
    }
    lines.push(format!("{how} {topics}/t/partitions/0/state {state}"));
    let nodes = tell_zookeeper(lab, &lines, &topics).await;
    assert!(nodes.iter().any(|(path, node)| path.ends_with("/state") && node.data == state), "{nodes:?}");
}

/// Somebody has the lock, as an operator's node that no session's end removes.
async fn locked(lab: &LabRun, case: &Case, how: &str) {
    let lock = format!("/{0}/berth/{0}/lock", case.name);
    let mut lines = if how == "create" { created(&lock) } else { Vec::new() };
    lines.push(format!("{how} {lock}/n-0000000000"));
    let nodes = tell_zookeeper(lab, &lines, &lock).await;
    assert_eq!(nodes.keys().any(|path| path.ends_with("/n-0000000000")), how == "create", "{nodes:?}");
}

/// The lines that make a node with all that is above it.
fn created(path: &str) -> Vec<String> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    ends.map(|end| format!("create {}", &path[..end])).collect()
}

/// Gives ZooKeeper's own client these lines; what is at and below a path then.
async fn tell_zookeeper(lab: &LabRun, lines: &[String], below: &str) -> Nodes {
    let line = format!(
        "java -cp \"$KAFKA_JARS/*\" org.apache.zookeeper.ZooKeeperMain -server {ZOOKEEPER}:2181 <<'END'\n{}\nEND\n",
        lines.join("\n")
    );
    let mut command = lab.clients.command("sh");
    command.args(["-c", &line]);
    ran(command, LIMIT).await.unwrap();
    lab.znodes(&[below]).await.unwrap()
}

/// The step has begun, and has come to what holds it.
async fn under_way(lab: &LabRun, case: &Case, step: &Step) {
    case.sees(lab, step.2, |story| story["ended"].is_null()).await;
    let asked = match &step.4 {
        Held::Late(action) | Held::GivenUp(_, action) => *action,
        Held::Until(_) if step.2 == "storage" => {
            let line = "until pgrep -f usr/sbin/mkfs.xfs >/dev/null; do sleep 0.1; done";
            let ran = run(lab, &case.on, "/bin/sh", &["-c", line], LIMIT).await;
            assert_eq!(ran.code, 0, "{}", ran.err);
            return;
        }
        _ => {
            case.sees(lab, step.2, |story| !story["waits_for"].is_null()).await;
            return;
        }
    };
    let pattern = asked.trim_end_matches('*');
    lab.wait(asked, LIMIT, 0, |entry| match &entry.event {
        region::model::Event::Call { action, caller: Some(caller), .. } => {
            (*caller == case.on.id && action.starts_with(pattern)).then_some(())
        }
        _ => None,
    })
    .await
    .unwrap();
}

async fn at_each_step(steps: &[Step], name: fn(&Step) -> &'static str, signal: &str, code: i32) {
    let stages: Vec<Staged> = steps.iter().map(|step| (name(step), step.3)).collect();
    let (lab, cases) = staged(&stages).await;
    join_all(steps.iter().zip(&cases).map(|(step, case)| ended_by(&lab, case, signal, code, step))).await;
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_at_any_step_tells_nothing_and_the_next_run_goes_on() {
    at_each_step(&steps(), |step| step.0, "TERM", 143).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_at_any_step_tells_nothing_and_the_next_run_goes_on() {
    at_each_step(&steps(), |step| step.1, "INT", 130).await;
}
