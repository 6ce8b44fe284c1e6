//! What berth writes for its configuration, read back by Kafka's own configuration and by ZooKeeper's own client.
//!
//! Values that two readers normalise differently are how an instance keeps its claims at one place and its cluster at
//! another. One JVM judges all cases: those that somebody thought of, and some hundreds that a seeded generator made.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use berth_plan::BrokerId;
use berth_plan::config::{Config, Layers};
use berth_plan::service::properties::{Identity, write};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Connect strings, and whether berth takes them.
const CONNECT: &[(&str, bool)] = &[
    ("10.0.1.200:2181,10.0.2.200:2181,10.0.3.200:2181/kafka", true),
    ("zk", true),
    ("zk_1.internal:2181,zk-2/a/b.c/..d", true),
    ("zk:2181/", true),
    ("zk/kafka/\u{e4}\u{20ac}", true),
    ("[2001:db8::1]:2181,[::1]/kafka", true),
    // To Java the chroot begins at the first slash and has all that follows.
    ("a:2181/kafka,b:2181/kafka", false),
    ("a:2181/kafka,b:2181", false),
    // Java trims hosts, keeps blanks of the chroot; Kafka trims the whole.
    ("a:2181, b:2181/kafka", false),
    (" a:2181", false),
    ("a:2181/kafka ", false),
    ("a:2181/ kafka", false),
    ("a:2181/ka\tfka", false),
    // Java refuses these, and Kafka ends before it logs anything of use.
    ("a:2181/kafka/", false),
    ("a:2181//kafka", false),
    ("a:2181/kafka//x", false),
    ("a:2181//", false),
    ("a:2181/../kafka", false),
    ("a:2181/kafka/.", false),
    ("a:2181/./x", false),
    ("a:2181/k\u{7f}", false),
    ("a:2181/k\u{1}", false),
    ("a:2181/k\u{e000}", false),
    ("a:2181/k\u{1f600}", false),
    ("a:99999", false),
    ("a:0", false),
    ("[::1]2181", false),
    // Java takes them, each in its own way.
    ("a,,b", false),
    ("a:", false),
    ("a:+2181", false),
    ("a:02181", false),
    ("2001:db8::1:2181", false),
    ("::1", false),
    ("/kafka", false),
    ("", false),
    ("zk://a:2181/kafka", false),
    ("a b:2181", false),
];

/// Other values, as lines of the file, and whether berth takes them.
const OTHERS: &[(&str, bool)] = &[
    ("[kafka]\nlisteners = [\"PLAINTEXT://{address}:9092\", \"SSL://{address}:9093\"]", true),
    ("[kafka]\nlisteners = [\"PLAINTEXT://broker_1.internal:9092\"]", true),
    ("[kafka]\nlisteners = [\"PLAINTEXT://[2001:db8::1]:9092\"]", true),
    ("[kafka]\nlisteners = [\"plaintext://{address}:9092\"]", false),
    ("[kafka]\nlisteners = [\"PLAINTEXT://{address}:9092\", \"PLAINTEXT://{address}:9093\"]", false),
    ("[kafka]\nlisteners = [\"PLAINTEXT://{address}:9092\", \"SSL://{address}:9092\"]", false),
    ("[kafka]\nlisteners = [\"PLAINTEXT://0.0.0.0:9092\"]", false),
    ("[kafka]\nlisteners = [\"PLAINTEXT://:9092\"]", false),
    ("[kafka]\nlisteners = [\"PLAINTEXT://{address}:09092\"]", false),
    ("[kafka]\nlisteners = [\"PLAINTEXT://{address}:0\"]", false),
    ("[kafka]\nlisteners = [\" PLAINTEXT://{address}:9092\"]", false),
    ("[kafka]\nlisteners = [\"PLAINTEXT://{address}:9092/\"]", false),
    ("[kafka]\nlisteners = [\"PLAIN TEXT://{address}:9092\"]", false),
    ("[kafka]\nlisteners = [\"PLAINTEXT://a b:9092\"]", false),
    ("[kafka]\nrack = \"eu central {zone}\"", true),
    ("[kafka]\nrack = \" {zone}\"", false),
    ("[kafka]\nrack = \"{zone}\\n\"", false),
    ("[volume]\nmount = \"/kafka logs\"\nlog_dir = \"a b/c\"", true),
    ("[volume]\nlog_dir = \".\"", true),
    ("[volume]\nlog_dir = \"data/\"", true),
    ("[volume]\nmount = \"/kafka,logs\"", false),
    ("[volume]\nlog_dir = \"a,b\"", false),
    ("[volume]\nlog_dir = \"data \"", false),
];

/// Pieces of connect strings, put together without any regard to the form.
fn scrambled() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "zk-1.x", "10.0.0.1", "[::1]", "::1", ":2181", ":1", ":", ",", ",", "/", "/kafka", "/k", ".",
        "..", " ", "\u{e4}", "\u{80}", "_", "//", "%", "@", "\\", "+1", "65536",
    ]);
    vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

fn config(connect: &str, more: &str) -> Result<Config, String> {
    let quoted = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_graphic() && c != '\\' {
                    c.to_string()
                } else {
                    format!("\\U{:08x}", u32::from(c))
                }
            })
            .collect()
    };
    let mut layers = Layers::default();
    let file = format!("cluster = \"a\"\nzookeeper = \"{}\"\n{more}\n", quoted(connect));
    layers.over("berth.toml", &file).map_err(|refused| refused.to_string())?;
    Config::of(&layers).map_err(|refused| refused.to_string())
}

/// The identity of slot 7 at 10.0.1.50, as the step that writes it fills it in.
fn identity(config: &Config) -> Identity {
    Identity {
        id: BrokerId::new(7).unwrap(),
        rack: config.rack.replace("{zone}", "eu-central-1a"),
        listeners: config.listeners.iter().map(|text| text.replace("{address}", "10.0.1.50")).collect(),
        log_dir: config.log_dir.clone(),
        zookeeper: config.zookeeper_connect(),
    }
}

/// Kafka's and ZooKeeper's jars, as `make setup` leaves them.
fn jars() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache");
    let jars = cache.unwrap_or_else(home).join("berth/kafka-3.9.1/lib");
    assert!(jars.is_dir(), "{}: Kafka's jars are not there; .ci/setup brings them", jars.display());
    jars
}

type Said = BTreeMap<(String, String), String>;

fn judged(dir: &Path) -> Said {
    let judge = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/as_kafka_reads/Judge.java");
    let asked = Command::new("java")
        .args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp"])
        .args([&format!("{}/*", jars().display()), judge])
        .arg(dir)
        .output();
    let answer = asked.expect("this needs a JDK (java, with its compiler): .ci/setup installs one");
    let errors = String::from_utf8_lossy(&answer.stderr);
    assert!(
        answer.status.success(),
        "java {judge}: {errors}; a JRE alone cannot run it: .ci/setup installs a JDK"
    );
    let text = |hexadecimal: &str| {
        let digits = hexadecimal.strip_prefix('x').expect("the judge writes x first").as_bytes();
        let units: Vec<u16> = digits
            .chunks(4)
            .map(|four| u16::from_str_radix(std::str::from_utf8(four).unwrap(), 16).unwrap())
            .collect();
        String::from_utf16(&units).unwrap()
    };
    let said = String::from_utf8(answer.stdout).unwrap();
    said.lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [file, what, hexadecimal] = words[..] else { panic!("the judge said {line:?}") };
            ((file.to_owned(), what.to_owned()), text(hexadecimal))
        })
        .collect()
}

/// As the judge writes them.
fn hosts(config: &Config) -> String {
    let host = |text: &String| {
        let (name, port) = text.rsplit_once(':').unwrap();
        format!("{} {port}", name.trim_start_matches('[').trim_end_matches(']'))
    };
    config.zookeeper_hosts.iter().map(host).collect::<Vec<_>>().join(",")
}

#[test]
fn kafka_and_zookeepers_client_read_what_berth_reads() {
    let dir = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::deterministic();
    let mut cases: Vec<(String, String, Option<bool>)> = Vec::new();
    cases.extend(CONNECT.iter().map(|(text, taken)| ((*text).to_owned(), String::new(), Some(*taken))));
    cases.extend(
        OTHERS.iter().map(|(text, taken)| ("zk:2181/kafka".to_owned(), (*text).to_owned(), Some(*taken))),
    );
    for _ in 0..600 {
        let text = scrambled().new_tree(&mut runner).expect("no strategy here rejects anything").current();
        cases.push((text, String::new(), None));
    }
    let mut configs = Vec::new();
    for (n, (connect, more, taken)) in cases.iter().enumerate() {
        let config = config(connect, more);
        if let Some(taken) = taken {
            assert_eq!(config.is_ok(), *taken, "{connect:?} {more:?}: {config:?}");
        }
        std::fs::write(dir.path().join(format!("{n}.connect")), connect).unwrap();
        if let Ok(config) = &config {
            let written = write(b"", &identity(config)).unwrap();
            std::fs::write(dir.path().join(format!("{n}.properties")), written.bytes).unwrap();
        }
        configs.push(config);
    }
    let said = judged(dir.path());
    let of = |n: usize, kind: &str, what: &str| said.get(&(format!("{n}.{kind}"), what.to_owned())).cloned();
    let mut accepted = 0;
    for (n, config) in configs.iter().enumerate() {
        let Ok(config) = config else { continue };
        accepted += 1;
        let shown = &cases[n];
        assert_eq!(of(n, "properties", "refused"), None, "Kafka does not start: {shown:?}");
        // What the operator wrote, as others read it who were given the same text; and what berth wrote for Kafka.
        for kind in ["connect", "properties"] {
            assert_eq!(of(n, kind, "hosts"), Some(hosts(config)), "{kind}: {shown:?}");
            assert_eq!(of(n, kind, "chroot"), Some(config.chroot.clone()), "{kind}: {shown:?}");
        }
        let identity = identity(config);
        let listeners = identity.listeners.join(",").replace(['[', ']'], "");
        assert_eq!(of(n, "properties", "listeners"), Some(listeners.clone()), "{shown:?}");
        assert_eq!(of(n, "properties", "advertised"), Some(listeners), "{shown:?}");
        assert_eq!(of(n, "properties", "dirs"), Some(identity.log_dir), "{shown:?}");
        assert_eq!(of(n, "properties", "rack"), Some(identity.rack), "{shown:?}");
    }
    println!("{} configurations, {accepted} accepted", configs.len());
    assert!(accepted > 40, "{accepted} accepted: the generator makes nothing that is one");
}
