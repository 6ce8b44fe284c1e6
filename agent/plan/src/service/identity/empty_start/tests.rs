//! Who lives and leads, against what was said: the whole product, then the sentences.

use super::*;
use crate::UnixTime;
use crate::service::readiness::PartitionState;

const DIR: &str = "/kafkalogs/data";

fn id(number: u32) -> BrokerId {
    BrokerId::new(number).unwrap()
}

fn partition(number: u32) -> Partition {
    Partition { topic: "orders".into(), number }
}

fn state(leader: i32, isr: &[i32]) -> Look {
    Look::State(PartitionState { leader, isr: isr.to_vec(), changed_since: false })
}

/// Broker 0 is away; 1 and 2 live where listed.
fn stands(look: &Look, live: &[u32]) -> Option<Standing> {
    standing(id(0), look, &live.iter().copied().map(id).collect())
}

#[test]
fn a_partition_stands_by_who_lives_and_leads() {
    use Standing::*;
    let cells: &[(i32, &[i32], &[u32], Standing)] = &[
        (1, &[1], &[1], Led),
        (1, &[1, 2], &[1], Led),
        // Its own stale registration counts for nothing.
        (0, &[0, 1], &[0, 1], Electing(vec![1])),
        (0, &[0, 1], &[0], Down(vec![1])),
        (0, &[0], &[0, 1, 2], Alone),
        // Led elsewhere, but the controller could elect the empty one yet.
        (1, &[1, 0], &[1], Listed),
        (-1, &[0, 1], &[], Down(vec![1])),
        (-1, &[0, 1, 2], &[2], Electing(vec![2])),
        (-1, &[0], &[1, 2], Alone),
        (-1, &[], &[1], Alone),
        // A leader that is dead leads nothing.
        (1, &[1], &[], Down(vec![1])),
        (1, &[1], &[2], Down(vec![1])),
        (1, &[0, 1, 2], &[2], Electing(vec![2])),
    ];
    for (leader, isr, live, expected) in cells {
        let found = stands(&state(*leader, isr), live);
        assert_eq!(found.as_ref(), Some(expected), "leader {leader}, in sync {isr:?}, live {live:?}");
    }
    assert_eq!(stands(&Look::Deleted, &[1]), None);
    assert_eq!(stands(&Look::NoState, &[1]), Some(NotMade));
    assert_eq!(stands(&Look::Unreadable("no".into()), &[1]), Some(Unreadable("no".into())));
}

fn reset(accept: &[&str]) -> Reset {
    Reset {
        at: UnixTime::from_millis(1),
        by: "root@ops".into(),
        accept: accept.iter().map(|&p| p.to_owned()).collect(),
    }
}

fn evidence<'a>(before: bool, reset: Option<&'a Reset>, stand: &[Standing]) -> Evidence<'a> {
    let partitions = (0..).map(partition).zip(stand.iter().cloned()).collect();
    Evidence { id: id(0), log_dir: DIR, registered_before: before, reset, partitions, unreadable: vec![] }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Accepted,
    Wait,
    Fault,
    Configuration,
}

fn outcome(evidence: &Evidence<'_>) -> Outcome {
    match judge(evidence) {
        Verdict::Accepted => Outcome::Accepted,
        Verdict::Wait(_) => Outcome::Wait,
        Verdict::Refused(Refused::Fault(_)) => Outcome::Fault,
        Verdict::Refused(Refused::Configuration(_)) => Outcome::Configuration,
    }
}

#[test]
fn every_cell_of_the_table_is_as_the_rule_says() {
    let all = [
        Standing::Led,
        Standing::Listed,
        Standing::Electing(vec![1]),
        Standing::Down(vec![1]),
        Standing::Alone,
        Standing::NotMade,
        Standing::Unreadable("orders is odd".into()),
    ];
    let (plain, first, both) = (reset(&[]), reset(&["orders-0"]), reset(&["orders-0", "orders-1"]));
    let mut cells = 0;
    for before in [false, true] {
        for said in [None, Some(&plain), Some(&first), Some(&both)] {
            let nothing = match (before, said) {
                (true, None) => Outcome::Fault,
                _ => Outcome::Accepted,
            };
            assert_eq!(outcome(&evidence(before, said, &[])), nothing, "{before}, {said:?}");
            for one in &all {
                for two in &all {
                    let accepts = |n: usize| said.is_some_and(|r| r.accept.len() > n);
                    let of = |standing: &Standing, n: usize| match standing {
                        Standing::Unreadable(_) => Outcome::Configuration,
                        _ if said.is_none() => Outcome::Fault,
                        Standing::Led => Outcome::Accepted,
                        // Somebody who lives has it: it is not lost, whatever was accepted.
                        Standing::Electing(_) | Standing::Listed => Outcome::Wait,
                        _ if accepts(n) => Outcome::Accepted,
                        Standing::Alone => Outcome::Fault,
                        _ => Outcome::Wait,
                    };
                    let both = [of(one, 0), of(two, 1)];
                    let worst = [Outcome::Configuration, Outcome::Fault, Outcome::Wait, Outcome::Accepted];
                    let expected = worst.into_iter().find(|o| both.contains(o)).unwrap();
                    let cell = evidence(before, said, &[one.clone(), two.clone()]);
                    assert_eq!(outcome(&cell), expected, "{cell:?}");
                    cells += 1;
                }
            }
        }
    }
    println!("{cells} cells");
}

#[test]
fn a_topic_that_cannot_be_read_may_name_the_broker() {
    let mut odd = evidence(false, None, &[]);
    odd.unreadable.push("/kafka/brokers/topics/odd is not what Kafka writes there".into());
    assert_eq!(outcome(&odd), Outcome::Configuration);
}

#[test]
fn the_sentences_name_the_partitions_and_what_to_do() {
    let (plain, first) = (reset(&[]), reset(&["orders-0"]));
    let alone = Standing::Alone;
    let cells = [
        (
            evidence(true, None, &[]),
            "/kafkalogs/data is empty, but broker 0 was registered on this slot before; bring its data back, or, where it is lost, say so: berth slot reset 0",
        ),
        (
            evidence(false, None, &[Standing::Led, alone.clone(), Standing::Led, Standing::Led]),
            "/kafkalogs/data is empty, but broker 0 has a copy of orders-0, orders-1, orders-2 and 1 more: an empty broker that comes to lead makes the others truncate; bring its data back, or, where it is lost, say so: berth slot reset 0",
        ),
        (
            evidence(true, Some(&first), &[alone.clone(), alone]),
            "/kafkalogs/data is empty, and no other broker has orders-1 in sync: broker 0 would lead it empty; bring its data back, or accept the loss: berth slot reset 0 --accept-loss",
        ),
        (
            evidence(true, Some(&plain), &[Standing::Electing(vec![1, 2])]),
            "the controller to make broker 1 or 2 the leader of orders-0",
        ),
        (
            evidence(true, Some(&plain), &[Standing::Down(vec![1])]),
            "broker 1 to come back, in sync with orders-0; where that copy is lost too: berth slot reset 0 --accept-loss",
        ),
        (
            evidence(true, Some(&plain), &[Standing::Listed]),
            "the controller to take broker 0 out of the in-sync replicas of orders-0",
        ),
        (evidence(true, Some(&plain), &[Standing::NotMade]), "the controller to make orders-0"),
    ];
    for (evidence, sentence) in cells {
        match judge(&evidence) {
            Verdict::Refused(Refused::Fault(said) | Refused::Configuration(said)) | Verdict::Wait(said) => {
                assert_eq!(said, sentence);
            }
            Verdict::Accepted => panic!("not refused: {sentence}"),
        }
    }
}
