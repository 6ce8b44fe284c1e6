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
    Expected { id, cluster, is_known_there: true, log_dir: DIR, root_may_hold_logs: true }
}

fn found(in_log_dir: Option<Result<MetaProperties, String>>, elsewhere: &[&str]) -> Found {
    let elsewhere = elsewhere.iter().map(|&place| place.to_owned()).collect();
    Found { in_log_dir, elsewhere, ..Found::default() }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Starts,
    Empty,
    Fault,
    Configuration,
}

fn outcome(found: &Found, expected: &Expected<'_>) -> Outcome {
    match agrees(found, expected) {
        Ok(Start::WithData) => Outcome::Starts,
        Ok(Start::Empty) => Outcome::Empty,
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
                    ("0", None, cluster) => Some(("no id", cluster)),
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
    let known = [false, true].into_iter();
    for (here, known) in known.flat_map(|known| [Some(OURS), Some(THEIRS), None].map(|here| (here, known))) {
        let expected = Expected { is_known_there: known, ..expected(here) };
        for elsewhere in places {
            let empty = if elsewhere.is_empty() { Outcome::Empty } else { Outcome::Configuration };
            assert_eq!(outcome(&found(None, elsewhere), &expected), empty, "{elsewhere:?}, {expected:?}");
            cells += 1;
            for (file, means) in files() {
                // What lies elsewhere is nothing to a log dir that has its own.
                let rule = match (means, here) {
                    (None, _) => Outcome::Fault,
                    // Another cluster's: the disk is wrong where the chroot is known to be right.
                    (Some((_, Some(on_disk))), here) if Some(on_disk) != here => match here {
                        Some(_) if known => Outcome::Fault,
                        _ => Outcome::Configuration,
                    },
                    (Some(("1", _)), _) => Outcome::Starts,
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
    let unknown = Expected { is_known_there: false, ..here.clone() };
    let partition = |here: Option<&str>, elsewhere: Option<&str>| Found {
        partition_in_log_dir: here.map(str::to_owned),
        partitions_elsewhere: elsewhere.map(str::to_owned).into_iter().collect(),
        ..Found::default()
    };
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
            found(None, &["kafka/data/meta.properties"]),
            &here,
            "/kafkalogs/data has no meta.properties, but the volume has one at kafka/data/meta.properties: write `log_dir = \"kafka/data\"` under [volume]",
        ),
        (
            read(&meta("1", Some("2"), Some(THEIRS))),
            &unknown,
            "/kafkalogs/data/meta.properties belongs to cluster YSGe9siYQf6muLANEOrMnQ, ZooKeeper's /cluster/id is bdXEL3NFSaCR1I9ygdXLPg, and no slot was ever registered there: the chroot in `zookeeper` is another cluster's",
        ),
        (
            partition(Some("orders-0"), None),
            &here,
            "/kafkalogs/data has the partition orders-0 and no meta.properties: whose data this is cannot be told",
        ),
        (
            partition(None, Some("kafka/data/orders-0")),
            &here,
            "/kafkalogs/data has no meta.properties, but the volume has a partition at kafka/data/orders-0: write `log_dir = \"kafka/data\"` under [volume]",
        ),
        (
            partition(None, Some("orders-0")),
            &here,
            "/kafkalogs/data has no meta.properties, but the volume has a partition at orders-0: write `log_dir = \".\"` under [volume]",
        ),
        (
            Found { given_up_after: Some(100_000), ..Found::default() },
            &here,
            "/kafkalogs/data has no meta.properties, and the search for one elsewhere on the volume was given up after 100000 entries: write the `log_dir` that has it under [volume], or take away what is not Kafka's",
        ),
    ];
    for (found, expected, sentence) in cells {
        match agrees(&found, expected) {
            Err(Refused::Fault(said) | Refused::Configuration(said)) => assert_eq!(said, sentence),
            Ok(_) => panic!("not refused: {sentence}"),
        }
    }
}

#[test]
fn the_root_of_an_ext4_is_never_named_as_the_log_dir() {
    let found = Found { in_log_dir: None, elsewhere: vec!["meta.properties".into()], ..Found::default() };
    let on_xfs = expected(Some(OURS));
    let on_ext4 = Expected { root_may_hold_logs: false, ..on_xfs.clone() };
    let said = |expected: &Expected<'_>| match agrees(&found, expected) {
        Err(Refused::Configuration(sentence)) => sentence,
        other => panic!("{other:?}"),
    };
    assert!(said(&on_xfs).contains("write `log_dir = \".\"`"));
    let moved = said(&on_ext4);
    assert!(moved.contains("write `log_dir = \"data\"`") && moved.ends_with(MOVE_FROM_ROOT), "{moved}");
}
