//! A whole file, and every way to get one wrong.

use super::*;
use std::time::Duration;

const WHOLE: &str = "cluster = \"orders\"\nzookeeper = \"10.0.1.200:2181,10.0.2.200/kafka\"\n";

fn config(texts: &[&str]) -> Result<Config, String> {
    let mut layers = Layers::default();
    for (n, text) in texts.iter().enumerate() {
        layers.over(&format!("{n}.toml"), text).map_err(|e| e.to_string())?;
    }
    Config::of(&layers).map_err(|e| e.to_string())
}

#[test]
fn two_lines_are_a_whole_file() {
    let config = config(&[WHOLE]).unwrap();
    assert_eq!(config.zookeeper_connect(), "10.0.1.200:2181,10.0.2.200:2181/kafka");
    assert_eq!((config.log_dir.as_str(), config.deadline), ("/kafkalogs/data", Duration::from_secs(1_800)));
    assert_eq!((config.ready, config.stack), (Ready::InSync, Telling::Auto));
}

#[test]
fn a_later_file_wins_key_by_key() {
    let config =
        config(&[WHOLE, "[volume]\nmount = \"/a\"\nlog_dir = \".\"\n", "[volume]\nmount = \"/b/\"\n"])
            .unwrap();
    assert_eq!((config.mount.as_str(), config.log_dir.as_str()), ("/b", "/b"));
}

#[test]
fn an_error_names_the_place_and_the_nearest_right_name() {
    for (text, sentence) in [
        ("clutser = \"x\"", "0.toml:1:1: there is no key `clutser`; did you mean `cluster`?"),
        ("[volum]\nmount = \"/a\"", "0.toml:1:2: there is no key `volum`; did you mean `volume`?"),
        ("[volume]\nunit = \"x\"", "0.toml:2:1: [volume] has no key `unit`; `unit` belongs to [kafka]"),
        ("mount = \"/a\"", "0.toml:1:1: there is no key `mount`; `mount` belongs to [volume]"),
        ("cluster = 7", "0.toml:1:11: `cluster` is a string, not an integer"),
        (
            "[slots]\nattach = [\"eni\", 7]",
            "0.toml:2:18: `slots.attach` is a list of strings, not an integer",
        ),
        ("volume = \"x\"", "0.toml:1:1: `volume` is a table, written [volume], not a string"),
        (
            "\u{feff}cluster = \"x\"",
            "0.toml:1:1: the file begins with a byte order mark; save it as UTF-8 without one",
        ),
        (
            "[kafka]\nwibblewobblezzz = 1",
            "0.toml:2:1: [kafka] has no key `wibblewobblezzz`; known here: unit, user, base, properties, rack, listeners, ready",
        ),
    ] {
        assert_eq!(config(&[text]).unwrap_err(), sentence);
    }
}

#[test]
fn a_missing_key_and_a_bad_value_are_sentences() {
    assert!(config(&["cluster = \"a\""]).unwrap_err().starts_with("0.toml: `zookeeper` is missing: "));
    for (text, part) in [
        ("[boot]\ndeadline = \"soon\"", "1.toml:2:12: `boot.deadline`: \"soon\" is no duration"),
        ("[slots]\nname = \"KAFKA\"", "{id} exactly once"),
        ("[slots]\nattach = []", "at least one part"),
        ("[slots]\nattach = [\"disk\"]", "\"disk\" is neither \"eni\" nor \"volume\""),
        ("[kafka]\nready = \"up\"", "neither \"in-sync\" nor \"registered\""),
        ("[kafka]\nlisteners = [\"PLAINTEXT://{addres}:9092\"]", "only {address} is filled in"),
        ("[volume]\nlog_dir = \"/data\"", "one directory below the mount"),
        ("[volume]\nlog_dir = \"../x\"", "must not hold . or .."),
        ("zookeeper = \"a:b\"", "is no host:port"),
        ("[volume]\noptions = \"noatime,nofail\"", "\"nofail\" is an option of fstab"),
        ("[volume]\noptions = \"X-mount.mkdir\"", "\"X-mount.mkdir\" is an option of fstab"),
        ("[volume]\noptions = \"noatime,ro\"", "\"ro\" makes no mount on which Kafka could run"),
        ("[volume]\noptions = \"noatime nodiratime\"", "options are joined by commas"),
        ("[kafka]\nunit = \"kafka@.service\"", "name an instance of it, as \"kafka@1.service\""),
        ("[kafka]\nunit = \"/kafka.service\"", "is no name of a service unit"),
        ("[kafka]\nunit = \".service\"", "is no name of a service unit"),
        ("[kafka]\nuser = \"kafka \"", "is no name of a user"),
        ("[kafka]\nrack = \" {zone}\"", "has a blank at an end"),
        ("[slots]\nname = \"KAFKA*{id}\"", "has the character '*', which a filter of EC2"),
        ("[boot]\nstack = \"a_b\"", "\"a_b\" is not a stack's name or ARN"),
        ("[boot]\nresource = \"a-b\"", "\"a-b\" is not a logical id"),
        ("[boot]\ngroup = \"a:b\"", "\"a:b\" is not the name of an Auto Scaling group"),
        (
            "zookeeper = \"zk://a:2181/kafka\"",
            "has a scheme (zk://), which is no part of it: write \"a:2181/kafka\"",
        ),
        ("zookeeper = \"2001:db8::1:2181\"", "an IPv6 address is written in brackets"),
    ] {
        let sentence = config(&[WHOLE, text]).unwrap_err();
        assert!(sentence.contains(part), "{sentence}");
    }
}

/// The kernel has one spelling of a path, and so has the configuration: a mount is looked for by it.
#[test]
fn a_path_has_one_spelling() {
    for (text, sentence) in [
        (
            "[volume]\nmount = \"/kafka//logs\"",
            "1.toml:2:9: `volume.mount`: \"/kafka//logs\" has an empty part (//): write \"/kafka/logs\"",
        ),
        (
            "[volume]\nmount = \"/kafkalogs//\"",
            "1.toml:2:9: `volume.mount`: \"/kafkalogs//\" has an empty part (//): write \"/kafkalogs\"",
        ),
        (
            "[volume]\nmount = \"//kafkalogs\"",
            "1.toml:2:9: `volume.mount`: \"//kafkalogs\" has an empty part (//): write \"/kafkalogs\"",
        ),
        (
            "[volume]\nmount = \"/a/../b\"",
            "1.toml:2:9: `volume.mount`: \"/a/../b\" has a part . or ..: write the path that it leads to",
        ),
        (
            "[volume]\nmount = \"/kafka,logs\"",
            "1.toml:2:9: `volume.mount`: \"/kafka,logs\" has a comma, at which Kafka splits log.dirs: take it out",
        ),
        (
            "[volume]\nmount = \"/kafka \"",
            "1.toml:2:9: `volume.mount`: \"/kafka \" has a blank at the end of a name: take it out",
        ),
        (
            "[volume]\nmount = \"/a\\tb\"",
            "1.toml:2:9: `volume.mount`: \"/a\\tb\" has the character '\\t', which no reader after berth keeps: take it out",
        ),
        ("[volume]\nmount = \"/\"", "1.toml:2:9: `volume.mount`: \"/\" must be an absolute path, and not /"),
        (
            "[volume]\nlog_dir = \"a//b\"",
            "1.toml:2:11: `volume.log_dir`: \"a//b\" has an empty part (//): write \"a/b\"",
        ),
        (
            "[volume]\nlog_dir = \"data \"",
            "1.toml:2:11: `volume.log_dir`: \"/kafkalogs/data \" has a blank at the end of a name: take it out",
        ),
        (
            "[kafka]\nbase = \"/etc//kafka/base\"",
            "1.toml:2:8: `kafka.base`: \"/etc//kafka/base\" has an empty part (//): write \"/etc/kafka/base\"",
        ),
        (
            "[kafka]\nproperties = \"/etc/kafka/./p\"",
            "1.toml:2:14: `kafka.properties`: \"/etc/kafka/./p\" has a part . or ..: write the path that it leads to",
        ),
    ] {
        assert_eq!(config(&[WHOLE, text]).expect_err(text), sentence);
    }
    assert_eq!(config(&[WHOLE, "[volume]\nlog_dir = \"data/\""]).unwrap().log_dir, "/kafkalogs/data");
}

#[test]
fn files_of_one_layer_may_agree_but_not_disagree() {
    let mut layers = Layers::default();
    layers.over("berth.toml", WHOLE).unwrap();
    layers.over("10.toml", "[kafka]\nunit = \"a.service\"\n").unwrap();
    layers.beside("20.toml", "[kafka]\nunit = \"a.service\"\nuser = \"k\"\n").unwrap();
    layers.beside("30.toml", "zookeeper = \"z:1\"\n").expect("berth.toml is a layer below");
    let refused = layers.beside("40.toml", "[kafka]\n\n  user = \"l\"\n").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "40.toml:3:10: `kafka.user` is \"l\" here and \"k\" at 20.toml:3:8; neither file is over the other, so take it out of one"
    );
    let config = Config::of(&layers).unwrap();
    assert_eq!((config.unit.as_str(), config.zookeeper_connect().as_str()), ("a.service", "z:1"));
}

#[test]
fn the_base_file_is_never_the_file_that_is_written() {
    for (text, sentence) in [
        (
            "[kafka]\nbase = \"/etc/kafka/server.properties/\"",
            "1.toml:2:8: `kafka.base`: \"/etc/kafka/server.properties\" is `kafka.properties` too (defaults): berth writes the one and only reads the other",
        ),
        (
            "[kafka]\nbase = \"/a\"\nproperties = \"/a\"",
            "1.toml:3:14: `kafka.properties`: \"/a\" is `kafka.base` too (1.toml:2:8): berth writes the one and only reads the other",
        ),
    ] {
        assert_eq!(config(&[WHOLE, text]).unwrap_err(), sentence);
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let sentence = config(&["cluster = \"a\nzookeeper"]).unwrap_err();
    assert!(sentence.starts_with("0.toml:1:"), "{sentence}");
}

#[test]
fn without_a_configuration_the_tags_say_who_is_told() {
    let unread = Config::unread();
    assert_eq!((unread.stack, unread.resource, unread.group), (Telling::Auto, None, Telling::Auto));
}

#[test]
fn an_empty_rack_is_never_filled_in() {
    let (zone, id) = ("eu-central-1a".parse().unwrap(), "euc1-az2".parse().unwrap());
    let zones = config(&[WHOLE, "[kafka]\nrack = \"{zone-id}\""]).unwrap();
    assert_eq!(zones.rack_in(&zone, Some(&id)).unwrap(), "euc1-az2");
    let refused = zones.rack_in(&zone, None).unwrap_err().to_string();
    assert!(refused.contains("has no placement/availability-zone-id (404): write {zone}"), "{refused}");
    assert_eq!(config(&[WHOLE]).unwrap().rack_in(&zone, None).unwrap(), "eu-central-1a");
}
