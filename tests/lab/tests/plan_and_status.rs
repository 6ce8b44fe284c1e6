//! `berth plan` and `berth status` against the real world: what they say is so, and they change nothing.
//!
//! Judged by the region's journal, the nodes of ZooKeeper, and files and processes of the instance.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use common::worlds::{IDLE, json, made, played, run, shell, world};
use lab::netns;
use lab::world::{Known, World};
use lab::znodes::connect;
use region::model::{Event, Fault, FaultKind, Tags, VolumeSpec};
use serde_json::{Value, json};

/// A status must end within the limits of its sources: 4 s each, and EC2 after the metadata service. A busy machine
/// adds to it.
const BOUND: Duration = Duration::from_secs(15);

/// The other instance boots by itself and takes the lowest slot.
const OTHER: &str = r#"
[[instance]]
zone = "a"
[[step]]
run = "systemctl is-active berth.service"
on = "instance 1"
until = true
timeout = "2m"
"#;

async fn nodes(world: &World) -> BTreeMap<String, (i64, i64)> {
    let nodes = world.znodes(&["/"]).await.unwrap().into_iter();
    nodes.map(|(path, node)| (path, (node.czxid, node.mzxid))).collect()
}

/// What an instance called, metadata left out.
fn calls_of(world: &World, of: &Known, from: usize) -> Vec<(String, String)> {
    let entries = world.journal(from).into_iter();
    let call = |event| match event {
        Event::Call { api, action, caller, params, .. }
            if api != "imds" && caller.as_deref() == Some(&of.id) =>
        {
            Some((action, params.get("VolumeId").cloned().unwrap_or_default()))
        }
        _ => None,
    };
    entries.filter_map(|entry| call(entry.event)).collect()
}

async fn files(world: &World, on: &Known) -> String {
    shell(
        world,
        on,
        "find /run/berth /var/lib/berth /etc/kafka /etc/berth -printf '%p %s %T@\\n' 2>/dev/null; true",
    )
    .await
}

/// Runs a look at everything, which must change nothing.
async fn looks(world: &World, on: &Known, line: &str) -> String {
    let before = (nodes(world).await, files(world, on).await);
    let from = world.journal_length();
    let said = shell(world, on, line).await;
    let calls = calls_of(world, on, from);
    assert!(calls.iter().all(|(action, _)| action.starts_with("Describe")), "`{line}`: {calls:?}");
    assert_eq!((nodes(world).await, files(world, on).await), before, "`{line}`");
    said
}

/// Ids by the names that a reader knows them by, and any UUID as one.
fn named(world: &World, text: &str) -> String {
    let mut text = text.to_owned();
    for slot in &world.slots {
        let (volume, eni) = (format!("vol-{}", slot.id), format!("eni-{}", slot.id));
        text = text.replace(&slot.volume, &volume).replace(&slot.eni, &eni);
        text = text.replace(&slot.address.to_string(), &format!("address-{}", slot.id));
    }
    for (n, known) in world.instances().iter().enumerate() {
        text = text.replace(&known.id, &format!("i-{n}"));
    }
    let is_uuid = |word: &str| word.len() == 36 && word.split('-').count() == 5;
    text.split_inclusive([' ', '\n'])
        .map(|word| if is_uuid(word.trim_end()) { "UUID " } else { word })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_shows_every_slot_of_the_zone_and_the_boot_does_what_it_said() {
    let slots = "[[slot]]\nid = 0\nzone = \"a\"\n[[slot]]\nid = 1\nzone = \"a\"\n[[slot]]\nid = 2\nzone = \"a\"\n\
                 [[slot]]\nid = 4\nzone = \"a\"\n[[slot]]\nid = 5\nzone = \"a\"\ndisk = \"blank\"\n[[slot]]\nid = 6\nzone = \"b\"\n";
    // Somebody attached slot 1 to an instance that has nothing to do with berth.
    let by_hand = "[[instance]]\nzone = \"a\"\nscript = \"#!/bin/sh\"\n[[step]]\nattach-slot = 1\non = \"instance 2\"\n\
                   [[step]]\nwait = \"eni-attached\"\ntimeout = \"1m\"\n";
    let world = made(&format!("service = \"stub\"\n{slots}{IDLE}{OTHER}{by_hand}")).await;
    let (third, second) = world.served.with(|region| {
        let tagged = |id: u32| -> Tags {
            let name = format!("KAFKA-{id}");
            [("berth:cluster", "orders"), ("Name", &name), ("berth:format", "xfs")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into()
        };
        let volume = |id| VolumeSpec {
            zone: "eu-central-1a".into(),
            tags: tagged(id),
            size_gib: 2,
            ..VolumeSpec::default()
        };
        (region.add_volume(volume(3)), region.add_volume(volume(2)))
    });
    let world = played(world).await;
    let me = world.instances()[0].clone();

    let said = named(&world, &looks(&world, &me, "berth plan").await);
    let said = said.replace(&third, "vol-3").replace(&second, "vol-2");
    assert_eq!(said, include_str!("golden/plan.txt"), "the plan was:\n{said}");

    let plan: Value = serde_json::from_str(&looks(&world, &me, "berth plan --json").await).unwrap();
    assert_eq!((&plan["slot"], &plan["exit"]), (&json!(4), &json!(0)), "{plan:#}");
    let shown: Vec<(u64, bool)> = (plan["slots"].as_array().unwrap().iter())
        .map(|slot| (slot["id"].as_u64().unwrap(), slot["vacant"].as_bool().unwrap()))
        .collect();
    assert_eq!(shown, [(0, false), (1, false), (2, false), (3, false), (4, true), (5, true)]);
    let other = &world.instances()[1];
    let gone = looks(&world, &me, &format!("berth plan --if-terminated {}", other.id)).await;
    assert!(gone.contains("would take slot 0"), "{gone}");

    let from = world.journal_length();
    shell(&world, &me, "berth boot").await;
    let attached =
        calls_of(&world, &me, from).into_iter().find(|(action, _)| action == "AttachVolume").unwrap();
    assert_eq!(attached.1, world.slots[3].volume, "slot 4, as it was told");
    world.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_for_a_cluster_that_never_booted_makes_no_directory() {
    let world = world(&format!("service = \"stub\"\nslots = 1\n{IDLE}")).await;
    let me = world.instances()[0].clone();
    let said = looks(&world, &me, "berth plan").await;
    assert!(said.contains("would take slot 0") && said.contains("never claimed"), "{said}");
    looks(&world, &me, "berth status").await;
    let nodes = nodes(&world).await;
    assert!(!nodes.is_empty() && !nodes.keys().any(|path| path.starts_with("/kafka")), "{nodes:?}");

    // Where nobody can be asked the plan fails with what it waited for.
    world.served.with(|region| {
        region.inject(Fault { count: None, ..Fault::next("Describe*", FaultKind::Unauthorized) })
    });
    let refused = run(&world, &me, "berth", &["plan"], BOUND).await;
    assert_eq!((refused.code, refused.out.contains("give up with exit code 78")), (78, true), "{refused:?}");
    world.end(false).await.unwrap();
}

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
async fn status(world: &World, on: &Known, environment: &str) -> Value {
    let began = Instant::now();
    let line = format!("{environment} berth status --json");
    let ran = run(world, on, "/bin/sh", &["-c", &line], BOUND).await;
    println!("status took {:?}", began.elapsed());
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

/// Each trouble: the places that are unreachable, a word of the reason, and everything else as it is without trouble.
/// On a busy machine a source that answers may be late once, which is said and no lie: three tries.
async fn misses(world: &World, on: &Known, sound: &Value, environment: &str, at: &[&str], why: &str) {
    let mut wrong = String::new();
    for _ in 0..3 {
        match missed(&status(world, on, environment).await, sound, at, why) {
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
    let world = world(&format!("service = \"stub\"\nslots = 1\n{IDLE}")).await;
    let me = world.instances()[0].clone();
    shell(&world, &me, "berth boot").await;
    let slot = world.slots[0].clone();
    let before = nodes(&world).await;
    let sound = status(&world, &me, "").await;
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

    let page = shell(&world, &me, "berth status").await;
    assert!(page.starts_with("broker 0 is ready since 20") && page.contains("2 GiB"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    // Another program takes the link's address away and gives it back: the kernel dropped the routes with it.
    let given = format!("ip address show dev eth1 | grep -o 'inet {}/[0-9]*'", slot.address);
    let address = shell(&world, &me, &given).await.trim().replace("inet ", "");
    shell(&world, &me, &format!("ip address del {address} dev eth1 && ip address add {address} dev eth1"))
        .await;
    let lost = status(&world, &me, "").await;
    assert!(lost["routes"]["missing"].to_string().contains("no route in table 7001"), "{lost:#}");
    let page = shell(&world, &me, "berth status").await;
    assert!(page.contains("!! eth1 has") && page.contains("berth puts the routes back"), "{page}");
    shell(&world, &me, "berth boot").await;
    let sound = status(&world, &me, "").await;
    assert_eq!(sound["routes"]["missing"], Value::Null, "{sound:#}");

    for (from, at, why) in [
        ("10.0.1.200", ZOOKEEPER, "ZooKeeper"),
        ("10.0.9.10", EC2, "EC2"),
        ("169.254.169.254", IMDS, "metadata"),
    ] {
        shell(&world, &me, &silent(from)).await;
        misses(&world, &me, &sound, "", at, why).await;
        shell(&world, &me, HEARD).await;
    }
    for (kind, why) in [
        (FaultKind::Slow(20_000), "EC2"),
        (FaultKind::Throttle, "RequestLimitExceeded"),
        (FaultKind::Unauthorized, "UnauthorizedOperation"),
        (FaultKind::ServerError, "EC2"),
    ] {
        let fault = Fault { count: None, ..Fault::next("Describe*", kind) };
        world.served.with(|region| region.inject(fault));
        misses(&world, &me, &sound, "", EC2, why).await;
        world.served.with(|region| region.clear_faults());
    }
    let not_found = FaultKind::Refuse { status: 404, code: "NotFound".into(), message: String::new() };
    let no_role = Fault {
        api: Some("imds".into()),
        count: None,
        ..Fault::next("GET /latest/meta-data/iam/*", not_found)
    };
    world.served.with(|region| region.inject(no_role));
    misses(&world, &me, &sound, "", EC2, "EC2").await;
    world.served.with(|region| region.clear_faults());

    shell(&world, &me, "mkdir /tmp/stub && printf '#!/bin/sh\\nexec sleep 1000\\n' >/tmp/stub/systemctl && chmod +x /tmp/stub/systemctl").await;
    misses(&world, &me, &sound, "PATH=/tmp/stub:$PATH", &["/service"], "systemd: no answer within 4 s").await;
    assert_eq!(
        shell(&world, &me, "pgrep -cx sleep; true").await.trim(),
        "0",
        "the hanging systemctl is ended"
    );

    shell(&world, &me, &silent("10.0.1.200, 10.0.9.10, 169.254.169.254")).await;
    let everywhere: Vec<&str> =
        ZOOKEEPER.iter().chain(&["/instance", "/attached", "/service"]).copied().collect();
    let report = status(&world, &me, "PATH=/tmp/stub:$PATH").await;
    let mut found = BTreeMap::new();
    unreachable("", &report, &mut found);
    assert_eq!(
        found.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        everywhere.into_iter().collect(),
        "{report:#}"
    );
    shell(&world, &me, HEARD).await;
    assert_eq!(nodes(&world).await, before, "no session left anything");

    // Killed, and so refusing.
    world.ensemble.lock().await.as_mut().unwrap().kill_server(0).await.unwrap();
    misses(&world, &me, &sound, "", ZOOKEEPER, "ZooKeeper").await;
    world.ensemble.lock().await.as_mut().unwrap().start_server(0).await.unwrap();

    // Its claim goes to another while its volume is mounted here: a zombie, and said so.
    take_claim_away(&world).await;
    let zombie = status(&world, &me, "").await;
    assert_eq!(zombie["slot"], Value::Null, "{zombie:#}");
    assert_eq!((&sound["zombie"], &zombie["zombie"]), (&json!(false), &json!(true)));
    let page = shell(&world, &me, "berth status").await;
    assert!(page.starts_with("ZOMBIE: kafka.service runs here, but this instance has no slot\n"), "{page}");
    let said = zombie["contradictions"].to_string();
    assert!(said.contains("the volume of slot 0, whose claim names i-00000000000000009"), "{zombie:#}");
    assert!(said.contains("the service is up, but no claim names this instance"), "{zombie:#}");
    world.end(false).await.unwrap();
}

/// Writes another holder into the claim of slot 0, from the clients' place.
async fn take_claim_away(world: &World) {
    let hosts = world.ensemble.lock().await.as_ref().unwrap().hosts();
    let srv = world.srv().to_owned();
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
    let world = world(&format!("service = \"stub\"\nslots = 1\n{slow}{IDLE}")).await;
    let me = world.instances()[0].clone();
    let boot = |report: &Value| report["boot"]["state"].as_str().unwrap_or_default().to_owned();
    assert_eq!(boot(&status(&world, &me, "").await), "no boot has run since the kernel started");

    let from = world.journal_length();
    shell(&world, &me, "setsid berth boot >/tmp/boot.log 2>&1 & echo $! >/tmp/boot.pid").await;
    let attaching = |event: &Event| matches!(event, Event::VolumeAttaching { .. }).then_some(());
    world.wait("attaching", Duration::from_secs(60), from, |entry| attaching(&entry.event)).await.unwrap();
    // The claim follows the accepted attach; then the boot waits for the device.
    let waits = async {
        loop {
            let report = status(&world, &me, "").await;
            if report["boot"]["awaited"].to_string().contains(&world.slots[0].volume) {
                return report;
            }
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(60), waits).await.unwrap();
    assert_eq!((boot(&report).as_str(), &report["slot"]), ("running", &json!(0)), "{report:#}");
    assert_eq!(report["claim"]["started"], Value::Null);
    assert_eq!(report["mount"]["state"], json!("nothing is mounted"));

    let pid = "$(python3 -c 'import json; print(json.load(open(\"/run/berth/boot.json\"))[\"process\"])')";
    shell(&world, &me, &format!("kill -9 {pid}; while test -d /proc/{pid} && ! grep -q '^State:.Z' /proc/{pid}/status; do sleep 0.1; done")).await;
    const DEAD: &str = "the last run ended without a word; the next one goes on";
    assert_eq!(boot(&status(&world, &me, "").await), DEAD);
    // The number is another process's now: PID 1 lives as long as the instance.
    let edited = |edit: &str| {
        format!(
            "cp /run/berth/boot.json /tmp/boot.json && python3 -c 'import json; p=\"/run/berth/boot.json\"; d=json.load(open(p)); {edit}; json.dump(d, open(p, \"w\"))'"
        )
    };
    shell(&world, &me, &edited("d[\"process\"]=1")).await;
    assert_eq!(boot(&status(&world, &me, "").await), DEAD);
    shell(&world, &me, &edited("d[\"boot\"]=\"00000000-0000-4000-8000-000000000001\"")).await;
    let earlier = boot(&status(&world, &me, "").await);
    assert!(earlier.starts_with("no boot has run since the kernel started; the timeline is of"), "{earlier}");
    shell(&world, &me, "head -c 40 /tmp/boot.json >/run/berth/boot.json").await;
    let torn = status(&world, &me, "").await;
    assert!(
        torn["boot"]["unreachable"].as_str().unwrap().contains("boot.json is not what berth writes"),
        "{torn:#}"
    );
    assert_eq!(torn["slot"], json!(0), "the others are right all the same: {torn:#}");

    shell(&world, &me, "berth boot").await;
    let report = json(&world, &me, "berth status --json").await;
    assert!(boot(&report).starts_with("broker 0 is ready"), "{report:#}");
    world.end(false).await.unwrap();
}
