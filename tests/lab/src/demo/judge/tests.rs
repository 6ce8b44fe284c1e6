//! The judging, on registrations and journals that are wrong in one thing each.

use std::net::Ipv4Addr;

use super::*;
use crate::znodes::Node;

fn slot(id: u32, zone: &str) -> SlotMade {
    let address = Ipv4Addr::new(10, 0, id as u8 + 1, 50 + id as u8);
    SlotMade { id, zone: zone.into(), volume: format!("vol-{id}"), eni: format!("eni-{id}"), address }
}

fn slots() -> Vec<SlotMade> {
    vec![slot(0, "eu-central-1a"), slot(1, "eu-central-1b")]
}

fn node(data: Value, ctime: i64, mtime: i64) -> Node {
    Node { data: data.to_string(), czxid: 1, mzxid: 1, ctime, mtime, ephemeral: true }
}

fn broker_node(id: u32, host: &str, rack: &str) -> (String, Node) {
    (format!("{IDS}/{id}"), node(serde_json::json!({"host": host, "rack": rack}), 1, 1))
}

#[test]
fn brokers_on_their_slots_are_in_place() {
    let nodes = Nodes::from([
        broker_node(0, "10.0.1.50", "eu-central-1a"),
        broker_node(1, "10.0.2.51", "eu-central-1b"),
    ]);
    assert_eq!(slots_in_place(&slots(), &nodes), Vec::<String>::new());
}

#[test]
fn two_brokers_with_swapped_ids_are_not_in_place() {
    let nodes = Nodes::from([
        broker_node(1, "10.0.1.50", "eu-central-1a"),
        broker_node(0, "10.0.2.51", "eu-central-1b"),
    ]);
    assert_eq!(slots_in_place(&slots(), &nodes).len(), 2);
}

#[test]
fn a_broker_with_the_rack_of_another_zone_a_missing_one_and_a_third_one_are_not_in_place() {
    let right = || broker_node(0, "10.0.1.50", "eu-central-1a");
    let wrong = |nodes: &[(String, Node)]| slots_in_place(&slots(), &nodes.iter().cloned().collect());
    assert_eq!(wrong(&[right(), broker_node(1, "10.0.2.51", "eu-central-1a")]).len(), 1);
    assert_eq!(wrong(&[right()]).len(), 2);
    let third = broker_node(7, "10.0.2.99", "eu-central-1b");
    assert_eq!(wrong(&[right(), broker_node(1, "10.0.2.51", "eu-central-1b"), third]).len(), 1);
}

fn journal(events: Vec<Event>) -> Vec<Entry> {
    events.into_iter().enumerate().map(|(seq, event)| Entry { seq, at: seq as u64, event }).collect()
}

fn attaching(volume: &str, instance: &str) -> Event {
    Event::VolumeAttaching {
        volume: volume.into(),
        instance: instance.into(),
        device: "/dev/sdf".into(),
        delay_ms: None,
    }
}

fn attached(volume: &str, instance: &str) -> Event {
    Event::VolumeAttached { volume: volume.into(), instance: instance.into(), device: "/dev/sdf".into() }
}

#[test]
fn a_slot_that_changed_hands_and_came_back_was_not_taken_once() {
    let once = vec![attaching("vol-0", "i-a"), attaching("vol-1", "i-b")];
    assert_eq!(taken_once(&slots(), &journal(once.clone())), Vec::<String>::new());
    let mut more = once;
    more.extend([attaching("vol-0", "i-b"), attaching("vol-0", "i-a")]);
    assert_eq!(taken_once(&slots(), &journal(more)), ["3 were accepted for slot 0"]);
    assert_eq!(taken_once(&slots(), &[]).len(), 2);
}

#[test]
fn the_volume_of_an_instance_is_the_last_of_a_slot_that_was_attached_to_it() {
    let journal = journal(vec![
        attached("vol-root", "i-a"),
        attached("vol-0", "i-a"),
        attached("vol-1", "i-a"),
        attached("vol-other", "i-a"),
        attached("vol-0", "i-b"),
    ]);
    assert_eq!(last_attached(&slots(), &journal, "i-a").as_deref(), Some("vol-1"));
    assert_eq!(last_attached(&slots(), &journal, "i-c"), None);
}

#[test]
fn only_partitions_of_the_broker_that_existed_at_the_signal_are_judged() {
    let topic = |n: u32| format!("/kafka/brokers/topics/t/partitions/{n}/state");
    let state = |isr: &[u32], ctime, mtime| node(serde_json::json!({"isr": isr}), ctime, mtime);
    let mut nodes = Nodes::from([
        (
            "/kafka/brokers/topics/t".to_owned(),
            node(serde_json::json!({"partitions": {"0": [1, 0], "1": [0], "2": [1]}}), 1, 1),
        ),
        (topic(0), state(&[0, 1], 10, 20)),
        (topic(1), state(&[], 10, 20)),
        (topic(2), state(&[], 40, 40)),
    ]);
    assert_eq!(replicas(&nodes, 1, 30).unwrap(), Replicas { judged: 1, late: Vec::new() });
    nodes.insert(topic(0), state(&[0], 10, 20));
    assert_eq!(replicas(&nodes, 1, 30).unwrap().late.len(), 1, "not in sync");
    nodes.insert(topic(0), state(&[0, 1], 10, 31));
    assert_eq!(replicas(&nodes, 1, 30).unwrap().late.len(), 1, "in sync only after the signal");
    assert_eq!(replicas(&Nodes::new(), 1, 30).unwrap(), Replicas::default());
}
