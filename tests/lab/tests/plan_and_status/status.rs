//! `berth status`: it ends, names who does not answer, and is right of all others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lab::lab_run::{InstanceInfo, LabRun};
use lab::netns;
use lab::znodes::connect;
use region::model::{Event, Fault, FaultKind};
use serde_json::{Value, json};

use crate::common::lab_runs::{IDLE, json, lab, run, shell};
use crate::{BOUND, nodes};

/// Each place of a report at which something says that it is unreachable, with what it says.
fn unreachable(at: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    let Some(fields) = value.as_object() else { return };
    for (name, value) in fields {
        match value {
            Value::String(why) if name == "unreachable" => drop(found.insert(at.to_owned(), why.clone())),
            other => unreachable(&format!("{at}/{name}"), other, found),
        }
    }
}

/// A report and how long it took.
async fn status(lab: &LabRun, on: &InstanceInfo, environment: &str) -> Value {
    let began = Instant::now();
    let line = format!("{environment} berth status --json");
    let ran = run(lab, on, "/bin/sh", &["-c", &line], BOUND).await;
    println!("status took {:?}", began.elapsed());
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

/// Each trouble: the places that are unreachable, a word of the reason, and everything else as it is without trouble.
/// On a busy machine a source that answers may be late once, which is said and no lie: three tries.
async fn misses(lab: &LabRun, on: &InstanceInfo, sound: &Value, environment: &str, at: &[&str], why: &str) {
    let mut wrong = String::new();
    for _ in 0..3 {
        match missed(&status(lab, on, environment).await, sound, at, why) {
            Ok(()) => return,
            Err(said) => wrong = said,
        }
    }
    panic!("{why}: {wrong}");
}

fn missed(report: &Value, sound: &Value, at: &[&str], why: &str) -> Result<(), String> {
    let mut found = BTreeMap::new();
    unreachable("", report, &mut found);
    let places: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    if places != at.iter().copied().collect() || !found.values().all(|said| said.contains(why)) {
        return Err(format!("unreachable: {found:#?}"));
    }
    for (name, value) in sound.as_object().unwrap() {
        let of_it = at.iter().any(|place| place[1..].split('/').next() == Some(name.as_str()));
        let by_claims = ["contradictions", "zombie"].contains(&name.as_str());
        if !of_it && !by_claims && report[name] != *value {
            return Err(format!("{name}: {:#}, without trouble {value:#}", report[name]));
        }
    }
    let quiet = report["contradictions"].as_array().is_none_or(Vec::is_empty);
    if quiet { Ok(()) } else { Err(format!("{:#}", report["contradictions"])) }
}

/// Whoever connects to these addresses hears nothing, neither yes nor no. What is connected already (the broker) goes on.
fn silent(from: &str) -> String {
    format!(
        "nft add table ip hole && nft add chain ip hole in '{{ type filter hook input priority 0; }}' && \
         nft add rule ip hole in ip saddr {{{from}}} 'tcp flags & (syn | ack) == (syn | ack)' drop"
    )
}

const HEARD: &str = "nft delete table ip hole";
const ZOOKEEPER: &[&str] = &["/slot", "/claim", "/holders", "/resources", "/registration"];
const EC2: &[&str] = &["/attached", "/holders/volume", "/holders/eni", "/resources"];
const IMDS: &[&str] = &["/instance", "/attached", "/holders/volume", "/holders/eni", "/resources"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_ends_and_names_who_does_not_answer_and_is_right_of_all_others() {
    lab::commands::require(&["nft"]).unwrap();
    let lab = lab(&format!("service = \"stub\"\nslots = 1\n{IDLE}")).await;
    let me = lab.instances()[0].clone();
    shell(&lab, &me, "berth boot").await;
    let slot = lab.slots[0].clone();
    let before = nodes(&lab).await;
    let sound = status(&lab, &me, "").await;
    assert_eq!(
        (&sound["slot"], &sound["claim"]["holder"]["instance"], &sound["holders"]["volume"]),
        (&json!(0), &json!(me.id), &json!([format!("{} attached", me.id)])),
        "{sound:#}"
    );
    assert_eq!(sound["mount"]["serial"], json!(slot.volume.replace('-', "")), "{sound:#}");
    assert_eq!(sound["routes"]["links"], json!([format!("eth1 up {}", slot.address)]), "{sound:#}");
    assert_eq!(
        (&sound["service"]["state"], &sound["gate"]["state"]),
        (&json!("active"), &json!("open for slot 0"))
    );
    assert_eq!(sound["contradictions"], json!([]), "{sound:#}");

    let page = shell(&lab, &me, "berth status").await;
    assert!(page.starts_with("broker 0 is ready since 20") && page.contains("2 GiB"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    // Another program takes the link's address away and gives it back: the kernel dropped the routes with it.
    let given = format!("ip address show dev eth1 | grep -o 'inet {}/[0-9]*'", slot.address);
    let address = shell(&lab, &me, &given).await.trim().replace("inet ", "");
    shell(&lab, &me, &format!("ip address del {address} dev eth1 && ip address add {address} dev eth1"))
        .await;
    let lost = status(&lab, &me, "").await;
    assert!(lost["routes"]["missing"].to_string().contains("no route in table 7001"), "{lost:#}");
    let page = shell(&lab, &me, "berth status").await;
    assert!(page.contains("!! eth1 has") && page.contains("berth puts the routes back"), "{page}");
    shell(&lab, &me, "berth boot").await;
    let sound = status(&lab, &me, "").await;
    assert_eq!(sound["routes"]["missing"], Value::Null, "{sound:#}");

    for (from, at, why) in [
        ("10.0.1.200", ZOOKEEPER, "ZooKeeper"),
        ("10.0.9.10", EC2, "EC2"),
        ("169.254.169.254", IMDS, "metadata"),
    ] {
        shell(&lab, &me, &silent(from)).await;
        misses(&lab, &me, &sound, "", at, why).await;
        shell(&lab, &me, HEARD).await;
    }
    for (kind, why) in [
        (FaultKind::Slow(20_000), "EC2"),
        (FaultKind::Throttle, "RequestLimitExceeded"),
        (FaultKind::Unauthorized, "UnauthorizedOperation"),
        (FaultKind::ServerError, "EC2"),
    ] {
        let fault = Fault { count: None, ..Fault::next("Describe*", kind) };
        lab.served.with(|region| region.inject(fault));
        misses(&lab, &me, &sound, "", EC2, why).await;
        lab.served.with(|region| region.clear_faults());
    }
    let not_found = FaultKind::Refuse { status: 404, code: "NotFound".into(), message: String::new() };
    let no_role = Fault {
        api: Some("imds".into()),
        count: None,
        ..Fault::next("GET /latest/meta-data/iam/*", not_found)
    };
    lab.served.with(|region| region.inject(no_role));
    misses(&lab, &me, &sound, "", EC2, "EC2").await;
    lab.served.with(|region| region.clear_faults());

    shell(&lab, &me, "mkdir /tmp/stub && printf '#!/bin/sh\\nexec sleep 1000\\n' >/tmp/stub/systemctl && chmod +x /tmp/stub/systemctl").await;
    misses(&lab, &me, &sound, "PATH=/tmp/stub:$PATH", &["/service"], "systemd: no answer within 4 s").await;
    assert_eq!(shell(&lab, &me, "pgrep -cx sleep; true").await.trim(), "0", "the hanging systemctl is ended");

    shell(&lab, &me, &silent("10.0.1.200, 10.0.9.10, 169.254.169.254")).await;
    let everywhere: Vec<&str> =
        ZOOKEEPER.iter().chain(&["/instance", "/attached", "/service"]).copied().collect();
    let report = status(&lab, &me, "PATH=/tmp/stub:$PATH").await;
    let mut found = BTreeMap::new();
    unreachable("", &report, &mut found);
    assert_eq!(
        found.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        everywhere.into_iter().collect(),
        "{report:#}"
    );
    shell(&lab, &me, HEARD).await;
    assert_eq!(nodes(&lab).await, before, "no session left anything");

    // Killed, and so refusing.
    lab.ensemble.lock().await.as_mut().unwrap().kill_server(0).await.unwrap();
    misses(&lab, &me, &sound, "", ZOOKEEPER, "ZooKeeper").await;
    lab.ensemble.lock().await.as_mut().unwrap().start_server(0).await.unwrap();

    // Its claim goes to another while its volume is mounted here: a zombie, and said so.
    take_claim_away(&lab).await;
    let zombie = status(&lab, &me, "").await;
    assert_eq!(zombie["slot"], Value::Null, "{zombie:#}");
    assert_eq!((&sound["zombie"], &zombie["zombie"]), (&json!(false), &json!(true)));
    let page = shell(&lab, &me, "berth status").await;
    assert!(page.starts_with("ZOMBIE: kafka.service runs here, but this instance has no slot\n"), "{page}");
    let said = zombie["contradictions"].to_string();
    assert!(said.contains("the volume of slot 0, whose claim names i-00000000000000009"), "{zombie:#}");
    assert!(said.contains("the service is up, but no claim names this instance"), "{zombie:#}");
    lab.end(false).await.unwrap();
}

/// Writes another holder into the claim of slot 0, from the clients' place.
async fn take_claim_away(lab: &LabRun) {
    let hosts = lab.ensemble.lock().await.as_ref().unwrap().hosts();
    let srv = lab.srv().to_owned();
    let written = tokio::task::spawn_blocking(move || {
        netns::inside(&srv, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = connect(&hosts).await?;
                let (data, _) = client.get_data("/kafka/berth/orders/slots/0").await.unwrap();
                let mut claim: Value = serde_json::from_slice(&data).unwrap();
                claim["holder"]["instance"] = json!("i-00000000000000009");
                let data = serde_json::to_vec(&claim).unwrap();
                client.set_data("/kafka/berth/orders/slots/0", &data, None).await.unwrap();
                lab::znodes::close(client).await;
                Ok(())
            })
        })
    });
    written.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_tells_a_boot_that_goes_on_from_one_that_is_dead() {
    let slow = "[region.delays]\nvolume-attach = \"20s\"\neni-attach = \"1s\"\n";
    let lab = lab(&format!("service = \"stub\"\nslots = 1\n{slow}{IDLE}")).await;
    let me = lab.instances()[0].clone();
    let boot = |report: &Value| report["boot"]["state"].as_str().unwrap_or_default().to_owned();
    assert_eq!(boot(&status(&lab, &me, "").await), "no boot has run since the kernel started");

    let from = lab.journal_length();
    shell(&lab, &me, "setsid berth boot >/tmp/boot.log 2>&1 & echo $! >/tmp/boot.pid").await;
    let attaching = |event: &Event| matches!(event, Event::VolumeAttaching { .. }).then_some(());
    lab.wait("attaching", Duration::from_secs(60), from, |entry| attaching(&entry.event)).await.unwrap();
    // The claim follows the accepted attach; then the boot waits for the device.
    let waits = async {
        loop {
            let report = status(&lab, &me, "").await;
            if report["boot"]["awaited"].to_string().contains(&lab.slots[0].volume) {
                return report;
            }
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(60), waits).await.unwrap();
    assert_eq!((boot(&report).as_str(), &report["slot"]), ("running", &json!(0)), "{report:#}");
    assert_eq!(report["claim"]["started"], Value::Null);
    assert_eq!(report["mount"]["state"], json!("nothing is mounted"));

    let pid = "$(python3 -c 'import json; print(json.load(open(\"/run/berth/boot.json\"))[\"process\"])')";
    shell(&lab, &me, &format!("kill -9 {pid}; while test -d /proc/{pid} && ! grep -q '^State:.Z' /proc/{pid}/status; do sleep 0.1; done")).await;
    const DEAD: &str = "the last run ended without a word; the next one goes on";
    assert_eq!(boot(&status(&lab, &me, "").await), DEAD);
    // The number is another process's now: PID 1 lives as long as the instance.
    let edited = |edit: &str| {
        format!(
            "cp /run/berth/boot.json /tmp/boot.json && python3 -c 'import json; p=\"/run/berth/boot.json\"; d=json.load(open(p)); {edit}; json.dump(d, open(p, \"w\"))'"
        )
    };
    shell(&lab, &me, &edited("d[\"process\"]=1")).await;
    assert_eq!(boot(&status(&lab, &me, "").await), DEAD);
    shell(&lab, &me, &edited("d[\"boot\"]=\"00000000-0000-4000-8000-000000000001\"")).await;
    let earlier = boot(&status(&lab, &me, "").await);
    assert!(earlier.starts_with("no boot has run since the kernel started; the timeline is of"), "{earlier}");
    shell(&lab, &me, "head -c 40 /tmp/boot.json >/run/berth/boot.json").await;
    let torn = status(&lab, &me, "").await;
    assert!(
        torn["boot"]["unreachable"].as_str().unwrap().contains("boot.json is not what berth writes"),
        "{torn:#}"
    );
    assert_eq!(torn["slot"], json!(0), "the others are right all the same: {torn:#}");

    shell(&lab, &me, "berth boot").await;
    let report = json(&lab, &me, "berth status --json").await;
    assert!(boot(&report).starts_with("broker 0 is ready"), "{report:#}");
    lab.end(false).await.unwrap();
}
