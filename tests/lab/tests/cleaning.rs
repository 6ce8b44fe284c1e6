//! A lab takes everything down: at its end, when it is told to stop, and after it was killed, with the next start.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::host::Host;
use lab::lab_run::LabRun;
use lab::scenario::Scenario;
use lab::story::Story;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use region::model::{Entry, Event};

/// A lab of one instance without any service, up until it is stopped.
const SCENARIO: &str = "about = \"x\"\nservice = \"none\"\n[cluster]\nzookeeper = 0\n[region.delays]\ninstance-pending = \"100ms\"\n\
    volume-attach = \"100ms\"\n[[slot]]\nid = 0\nzone = \"a\"\ndisk = \"xfs\"\n[[instance]]\nzone = \"a\"\n\
    script = \"#!/bin/sh\\nmkdir /x; exec sleep 1000\\n\"\n";

/// Starts `lab up` and waits until its instance runs; answers the lab's id too.
fn up() -> (Child, String) {
    lab::commands::require(&["ip", "losetup", "nsenter", "mkfs.xfs", "xfs_io"]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("one.toml");
    std::fs::write(&file, SCENARIO).unwrap();
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_lab")).arg("up").arg(&file).stdout(Stdio::piped()).spawn().unwrap();
    let mut id = String::new();
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["lab", lab, "is", "up"] = words.get(1..).unwrap_or_default() {
            id = (*lab).to_owned();
        }
        if words.get(1..) == Some(&["a1", "running"]) {
            break;
        }
    }
    // PID 1 is listed as soon as it is up.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(format!("/run/berth-lab/{id}/instances.json"))
        .is_ok_and(|t| t.contains("\"pid1\": "))
    {
        assert!(Instant::now() < deadline, "the instance of lab {id:?} did not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    (child, id)
}

fn named_by(id: &str) -> Vec<String> {
    let empty = Host::read().unwrap();
    // What has the id now is what a reading without it lacks.
    let mut left = empty.with_id(id);
    left.extend(std::fs::metadata(format!("/run/berth-lab/{id}")).map(|_| "its state directory".to_owned()));
    left.extend(
        std::fs::metadata(format!("/var/tmp/berth-lab/{id}")).map(|_| "its data directory".to_owned()),
    );
    left
}

#[test]
fn a_lab_that_was_killed_is_cleaned_by_the_next_start_and_one_that_runs_is_left_alone() {
    let (mut killed, first) = up();
    let (mut running, second) = up();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let seen = named_by(&first);
    assert!(
        seen.iter().any(|s| s.contains("network namespace"))
            && seen.iter().any(|s| s.contains("loop device")),
        "{seen:?}"
    );
    let said = Command::new(env!("CARGO_BIN_EXE_lab")).arg("clean").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), format!("cleaned {first}\n"));
    assert_eq!(named_by(&first), Vec::<String>::new());
    assert!(named_by(&second).iter().any(|s| s.contains("network namespace")));

    let shell = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args([
            "shell",
            "a1",
            "--lab",
            &second,
            "--",
            "sh",
            "-c",
            "hostname; test -d /x && echo user-data ran",
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&shell.stdout), "ip-10-0-1-10\nuser-data ran\n");

    kill(Pid::from_raw(running.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert_eq!(named_by(&second), Vec::<String>::new());
}

/// As a test that fails in the middle does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_whose_test_panics_leaves_nothing_but_its_logs() {
    let scenario = Scenario::parse(SCENARIO, "in the test").unwrap();
    let lab = LabRun::make(scenario, Story::begin(true)).await.unwrap();
    let (id, logs) = (lab.id().to_owned(), lab.logs());
    let fails = tokio::spawn(async move {
        lab.launch().unwrap();
        let up = |entry: &Entry| matches!(entry.event, Event::InstanceRunning { .. }).then_some(());
        lab.wait("an instance", Duration::from_secs(20), 0, up).await.unwrap();
        while lab.instances()[0].pid1.is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let here = named_by(lab.id());
        assert!(here.iter().any(|s| s.contains("network namespace")), "{here:?}");
        panic!("as a test that fails");
    });
    let ended = fails.await.unwrap_err();
    assert_eq!(ended.into_panic().downcast_ref(), Some(&"as a test that fails"));
    assert_eq!(named_by(&id), ["its data directory"]);
    assert!(logs.join("journal.jsonl").is_file());
    std::fs::remove_dir_all(logs.parent().unwrap()).unwrap();
}
