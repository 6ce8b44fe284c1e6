//! Whole labs for the tests: a scenario as text, shell lines in its instances, berth run by hand, and what the journal says.

use std::time::Duration;

use lab::instance::{Ran, ran};
use lab::lab_run::{InstanceInfo, LabRun};
use lab::play::play;
use lab::scenario::Scenario;
use lab::story::Story;
use region::model::Event;
use serde_json::Value;

/// How long a shell line may take.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// User-data of an instance on which a test runs berth itself: the configuration is there, nothing was started.
pub(crate) const IDLE: &str = r#"
[[instance]]
zone = "a"
script = """
#!/bin/sh
mkdir -p /etc/berth
printf 'cluster = "orders"\\nzookeeper = "10.0.1.200:2181/kafka"\\n' >/etc/berth/berth.toml
"""
[[step]]
run = "test -s /etc/berth/berth.toml"
on = "instance 0"
until = true
"#;

/// A lab of which nothing is launched yet: a test may still change the region or a volume's image.
pub(crate) async fn made(text: &str) -> LabRun {
    lab::commands::require(&["ip", "losetup", "nsenter", "mkfs.xfs", "xfs_io", "findmnt"]).unwrap();
    let scenario = Scenario::parse(text, "in the test").unwrap();
    LabRun::make(scenario, Story::begin(true)).await.unwrap()
}

/// Launches the instances and plays the steps.
pub(crate) async fn played(mut lab: LabRun) -> LabRun {
    let played = async {
        lab.launch().unwrap();
        play(&mut lab).await
    };
    if let Err(error) = played.await {
        panic!("{}\n{}", error.chain(), lab.tails());
    }
    lab
}

/// A lab whose steps have been played.
pub(crate) async fn lab(text: &str) -> LabRun {
    played(made(text).await).await
}

/// Runs a program in an instance to its end.
pub(crate) async fn run(
    lab: &LabRun,
    on: &InstanceInfo,
    program: &str,
    arguments: &[&str],
    limit: Duration,
) -> Ran {
    let mut command = lab.command(on, program).unwrap();
    command.args(arguments);
    ran(command, limit).await.unwrap()
}

/// Runs a shell line in an instance, which must succeed; what it printed.
pub(crate) async fn shell(lab: &LabRun, on: &InstanceInfo, line: &str) -> String {
    let ran = run(lab, on, "/bin/sh", &["-c", line], MINUTE).await;
    assert_eq!(ran.code, 0, "`{line}`: {}{}", ran.out, ran.err);
    ran.out
}

/// Runs a shell line that prints JSON.
pub(crate) async fn json(lab: &LabRun, on: &InstanceInfo, line: &str) -> Value {
    let text = shell(lab, on, line).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("`{line}`: {error}: {text}"))
}

/// Calls of instances in the journal, as `Action outcome`, metadata left out.
pub(crate) fn calls(lab: &LabRun, from: usize) -> Vec<String> {
    let entries = lab.journal(from).into_iter();
    let call = |event| match event {
        Event::Call { api, action, caller: Some(_), outcome, .. } if api != "imds" => {
            Some(format!("{action} {outcome}"))
        }
        _ => None,
    };
    entries.filter_map(|entry| call(entry.event)).collect()
}
