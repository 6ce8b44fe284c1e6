//! The whole product of what the disk says, what ZooKeeper says, and what the claim remembers; then the sentences.

use super::*;

const DIR: &str = "/kafkalogs/data";
const OURS: &str = "bdXEL3NFSaCR1I9ygdXLPg";
const THEIRS: &str = "YSGe9siYQf6muLANEOrMnQ";

/// `meta.properties` as Kafka 3.9 (version 0) and 4.1 (version 1) write it; `None` leaves the line out.
fn meta(version: &str, id: Option<&str>, cluster: Option<&str>) -> String {
    let key = if version == "1" { "node.id" } else { "broker.id" };
    let id = id.map_or(String::new(), |id| format!("{key}={id}\n"));
    let cluster = cluster.map_or(String::new(), |cluster| format!("cluster.id={cluster}\n"));
    format!("#\n#Sun Nov 22 07:49:47 UTC 2026\n{id}version={version}\n{cluster}")
}

fn expected(cluster: Option<&str>) -> Expected<'_> {
    let id = BrokerId::new(1).unwrap();
    Expected { id, cluster, registered_before: false, only_copy: None, log_dir: DIR }
}

fn found(in_log_dir: Option<Result<MetaProperties, String>>, elsewhere: &[&str]) -> Found {
    Found { in_log_dir, elsewhere: elsewhere.iter().map(|&place| place.to_owned()).collect() }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Starts,
    Fault,
    Configuration,
}

fn outcome(found: &Found, expected: &Expected<'_>) -> Outcome {
    match agrees(found, expected) {
        Ok(()) => Outcome::Starts,
        Err(Refused::Fault(_)) => Outcome::Fault,
        Err(Refused::Configuration(_)) => Outcome::Configuration,
    }
}

/// A file as it was read, and the id and the cluster that it names where it can be used.
type File = (Result<MetaProperties, String>, Option<(&'static str, Option<&'static str>)>);

/// A file with every id (right, wrong, no number, missing) and every cluster (right, wrong, missing), or none that can
/// be used. By the rule: it must name this broker and this cluster; version 0 alone may leave the cluster out, as
/// Kafka before 0.10.1 did.
fn files() -> Vec<File> {
    let mut files = vec![(Err("/kafkalogs/data/meta.properties: Permission denied".to_owned()), None)];
    for version in ["0", "1", "2", ""] {
        for id in [Some("1"), Some("2"), Some("one"), Some(""), None] {
            for cluster in [Some(OURS), Some(THEIRS), None] {
                let means = match (version, id, cluster) {
                    ("0", Some(id @ ("1" | "2")), cluster) => Some((id, cluster)),
                    ("1", Some(id @ ("1" | "2")), Some(cluster)) => Some((id, Some(cluster))),
                    _ => None,
                };
                files.push((MetaProperties::read(&meta(version, id, cluster)), means));
            }
        }
    }
    files
}

#[test]
fn every_cell_of_the_table_is_as_the_rule_says() {
    let places: [&[&str]; 4] =
        [&[], &["meta.properties"], &["logs/meta.properties"], &["logs/meta.properties", "meta.properties"]];
    let mut cells = 0;
    for (here, before, only) in [Some(OURS), Some(THEIRS), None]
        .into_iter()
        .flat_map(|here| [(here, false), (here, true)])
        .flat_map(|(here, before)| [(here, before, None), (here, before, Some("orders-3"))])
    {
        let expected = Expected { registered_before: before, only_copy: only, ..expected(here) };
        for elsewhere in places {
            let empty = match elsewhere {
                [] if before || only.is_some() => Outcome::Fault,
                [] => Outcome::Starts,
                _ => Outcome::Configuration,
            };
            assert_eq!(outcome(&found(None, elsewhere), &expected), empty, "{elsewhere:?}, {expected:?}");
            cells += 1;
            for (file, means) in files() {
                // What lies elsewhere is nothing to a log dir that has its own, and so is what was registered before.
                let rule = match (means, here) {
                    (Some(("1", Some(on_disk))), Some(here)) if on_disk == here => Outcome::Starts,
                    (Some(("1", Some(_))), None) => Outcome::Configuration,
                    (Some(("1", None)), _) => Outcome::Starts,
                    _ => Outcome::Fault,
                };
                let cell = format!("{file:?}, {elsewhere:?}, {expected:?}");
                assert_eq!(outcome(&found(Some(file), elsewhere), &expected), rule, "{cell}");
                cells += 1;
            }
        }
    }
    println!("{cells} cells");
}

#[test]
fn reads_what_kafka_writes_in_any_order() {
    for text in [
        "#\n#Sun Nov 22 07:49:47 UTC 2026\nbroker.id=1\nversion=0\ncluster.id=abc\n",
        "node.id=1\ndirectory.id=JANi2GVlPEs3jgTBZQtN4w\nversion=1\ncluster.id=abc\n",
        // What Kafka 4 makes of a volume of ZooKeeper's days.
        "version=0\nbroker.id=1\ndirectory.id=JANi2GVlPEs3jgTBZQtN4w\ncluster.id=abc\n",
        "cluster.id=abc\r\nversion=0\r\nbroker.id=1\r\n",
        "! by hand\n cluster.id : abc\n version : 0\n broker.id : 1\n",
    ] {
        let read = MetaProperties::read(text).unwrap();
        assert_eq!((read.id.unwrap().number(), read.cluster.as_deref()), (1, Some("abc")), "{text}");
    }
}

#[test]
fn the_sentences_say_what_was_seen_and_what_to_do() {
    let here = expected(Some(OURS));
    let read = |text: &str| found(Some(MetaProperties::read(text)), &[]);
    let before = Expected { registered_before: true, ..here.clone() };
    let only = Expected { only_copy: Some("orders-3"), ..here.clone() };
    let cells = [
        (
            read(&meta("0", Some("2"), Some(OURS))),
            &here,
            "/kafkalogs/data/meta.properties says broker 2, the slot is 1: this is another broker's data",
        ),
        (
            read(&meta("0", None, Some(OURS))),
            &here,
            "/kafkalogs/data/meta.properties names no broker: whose data this is cannot be told",
        ),
        (
            read(&meta("1", Some("1"), Some(THEIRS))),
            &here,
            "/kafkalogs/data/meta.properties belongs to cluster YSGe9siYQf6muLANEOrMnQ, ZooKeeper's /cluster/id is bdXEL3NFSaCR1I9ygdXLPg",
        ),
        (
            read(&meta("1", Some("1"), Some(OURS))),
            &expected(None),
            "/kafkalogs/data/meta.properties belongs to cluster bdXEL3NFSaCR1I9ygdXLPg, but ZooKeeper has no /cluster/id: the chroot in `zookeeper` is not this cluster's",
        ),
        (
            read(&meta("2", Some("1"), Some(OURS))),
            &here,
            "/kafkalogs/data/meta.properties cannot be used: its version=2 is neither 0 nor 1",
        ),
        (read("broker.id=1\n"), &here, "/kafkalogs/data/meta.properties cannot be used: it has no version"),
        (
            read(&meta("0", Some("one"), Some(OURS))),
            &here,
            "/kafkalogs/data/meta.properties cannot be used: its id \"one\" is no broker id",
        ),
        (
            read(&meta("1", None, Some(OURS))),
            &here,
            "/kafkalogs/data/meta.properties cannot be used: it has version=1 and no node.id",
        ),
        (
            read(&meta("1", Some("1"), None)),
            &here,
            "/kafkalogs/data/meta.properties cannot be used: it has version=1 and no cluster.id",
        ),
        (
            found(None, &["meta.properties"]),
            &here,
            "/kafkalogs/data has no meta.properties, but the volume has one at meta.properties: write `log_dir = \".\"` under [volume]",
        ),
        (
            found(None, &["logs/meta.properties"]),
            &here,
            "/kafkalogs/data has no meta.properties, but the volume has one at logs/meta.properties: write `log_dir = \"logs\"` under [volume]",
        ),
        (
            found(None, &[]),
            &before,
            "/kafkalogs/data is empty, but broker 1 was registered on this slot before: an empty broker that was the last in-sync replica truncates its followers; give the slot its data back, or, where other brokers have all of it in sync, delete slots/1 and faults/1 below berth's node in ZooKeeper",
        ),
        (
            found(None, &[]),
            &only,
            "/kafkalogs/data is empty, but ZooKeeper has broker 1 as the only in-sync replica of orders-3: an empty broker would truncate its followers; bring its data back under the log dir",
        ),
    ];
    for (found, expected, sentence) in cells {
        match agrees(&found, expected) {
            Err(Refused::Fault(said) | Refused::Configuration(said)) => assert_eq!(said, sentence),
            Ok(()) => panic!("not refused: {sentence}"),
        }
    }
}
