//! Whether a broker may leave: no partition may fall under its min.insync.replicas by that.
//!
//! Kafka's own controlled shutdown moves leaders away and asks nobody whether the copies that stay are enough. With
//! too few of them producers with acks=all get NotEnoughReplicas until the broker is back.

use super::readiness::{Assignment, Look, Partition};
use crate::BrokerId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a release does about partitions that need this broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// It waits for them, and goes nowhere where they still need it at the deadline.
    Patient,
    /// It waits for them, and goes at the deadline: the instance goes anyway.
    Bounded,
    /// It does not wait.
    Now,
}

/// `min.insync.replicas` as the brokers of a cluster have it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MinInSync {
    /// What topics say for themselves.
    pub topics: BTreeMap<String, usize>,
    /// What the cluster's dynamic default says; none where it says nothing.
    pub default: Option<usize>,
    /// What `server.properties` says; none where it says nothing. The brokers of a cluster share it.
    pub file: Option<usize>,
}

impl MinInSync {
    /// What counts for a topic: its own word, the dynamic default, the file, and else Kafka's default of 1 (Kafka
    /// documentation, "Updating Broker Configs": order of precedence).
    pub fn of(&self, topic: &str) -> usize {
        self.topics.get(topic).copied().or(self.default).or(self.file).unwrap_or(1)
    }
}

/// What our going means for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Going {
    /// Nothing: enough others are in sync, or we are not.
    Free,
    /// It has too few in sync without us now, and may have enough later.
    Waits(String),
    /// It never has enough without us, however long it is waited for: it has too few replicas.
    Never(String),
}

/// What is known of all partitions that name us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leave {
    /// What is to be waited for, as sentences.
    pub waits: Vec<String>,
    /// What is not waited for and will be written by nobody until a broker is back, as sentences.
    pub never: Vec<String>,
}

/// How many partitions a sentence names.
const SHOWN: usize = 5;

impl Leave {
    /// Whether nothing has to be waited for.
    pub fn is_free(&self) -> bool {
        self.waits.is_empty()
    }
}

/// What is waited for.
impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.waits.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
        let more = self.waits.len().saturating_sub(SHOWN);
        write!(f, "{shown}")?;
        if more > 0 { write!(f, "; and {more} more") } else { Ok(()) }
    }
}

/// Judges one partition. `living` are the registered brokers: one that is gone may still be listed as in sync.
pub fn judge(
    me: BrokerId,
    partition: &Partition,
    assignment: &Assignment,
    look: &Look,
    living: &BTreeSet<BrokerId>,
    min: usize,
) -> Going {
    let state = match look {
        Look::Deleted | Look::NoState => return Going::Free,
        Look::Unreadable(why) => {
            return Going::Waits(format!("the state of {partition} to be readable: {why}"));
        }
        Look::State(state) => state,
    };
    let id = |id: &i32| u32::try_from(*id).ok().and_then(BrokerId::new);
    let in_sync: BTreeSet<BrokerId> = state.isr.iter().filter_map(id).collect();
    if !in_sync.contains(&me) {
        return Going::Free;
    }
    let others = in_sync.iter().filter(|id| **id != me && living.contains(id)).count();
    if others >= min {
        return Going::Free;
    }
    let replicas = assignment.replicas.iter().filter(|id| **id != me.number()).count();
    if replicas < min {
        let all = replicas + 1;
        return Going::Never(format!("{partition} has {all} replicas and min.insync.replicas={min}"));
    }
    Going::Waits(format!("{partition} to have {min} in sync without broker {me} (it has {others})"))
}

/// Judges all that name us.
pub fn judge_all(
    me: BrokerId,
    partitions: &BTreeMap<Partition, Assignment>,
    looks: &BTreeMap<Partition, Look>,
    living: &BTreeSet<BrokerId>,
    min: &MinInSync,
) -> Leave {
    let mut leave = Leave::default();
    for (partition, look) in looks {
        let Some(assignment) = partitions.get(partition) else { continue };
        match judge(me, partition, assignment, look, living, min.of(&partition.topic)) {
            Going::Free => {}
            Going::Waits(why) => leave.waits.push(why),
            Going::Never(why) => leave.never.push(why),
        }
    }
    leave
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::readiness::PartitionState;

    fn id(number: u32) -> BrokerId {
        BrokerId::new(number).unwrap()
    }

    fn going(replicas: &[u32], isr: &[i32], living: &[u32], min: usize) -> Going {
        let partition = Partition { topic: "orders".into(), number: 3 };
        let assignment = Assignment { replicas: replicas.to_vec(), ..Assignment::default() };
        let look = Look::State(PartitionState { leader: 1, isr: isr.to_vec(), changed_since: false });
        judge(id(0), &partition, &assignment, &look, &living.iter().map(|n| id(*n)).collect(), min)
    }

    #[test]
    fn a_broker_may_go_where_enough_others_are_in_sync() {
        assert_eq!(going(&[0, 1, 2], &[0, 1, 2], &[0, 1, 2], 2), Going::Free);
        assert_eq!(going(&[0, 1, 2], &[0, 1], &[0, 1, 2], 1), Going::Free);
    }

    #[test]
    fn it_waits_where_its_going_would_leave_too_few() {
        let waits = going(&[0, 1, 2], &[0, 1], &[0, 1, 2], 2);
        assert_eq!(waits, Going::Waits("orders-3 to have 2 in sync without broker 0 (it has 1)".into()));
    }

    #[test]
    fn who_is_listed_in_sync_and_not_registered_does_not_count() {
        assert!(matches!(going(&[0, 1, 2], &[0, 1, 2], &[0, 1], 2), Going::Waits(_)));
    }

    #[test]
    fn what_can_never_have_enough_is_named_and_not_waited_for() {
        let never = going(&[0, 1], &[0, 1], &[0, 1], 2);
        assert_eq!(never, Going::Never("orders-3 has 2 replicas and min.insync.replicas=2".into()));
        assert!(matches!(going(&[0], &[0], &[0], 1), Going::Never(_)));
    }

    #[test]
    fn who_is_not_in_sync_is_not_missed() {
        assert_eq!(going(&[0, 1, 2], &[1], &[0, 1], 2), Going::Free);
    }

    #[test]
    fn an_unreadable_partition_is_waited_for_and_a_deleted_one_is_not() {
        let partition = Partition { topic: "orders".into(), number: 0 };
        let of = |look: &Look| judge(id(0), &partition, &Assignment::default(), look, &BTreeSet::new(), 1);
        assert!(matches!(of(&Look::Unreadable("odd".into())), Going::Waits(_)));
        assert_eq!((of(&Look::Deleted), of(&Look::NoState)), (Going::Free, Going::Free));
    }

    #[test]
    fn the_nearest_word_on_min_insync_replicas_counts() {
        let mut min = MinInSync { topics: [("a".to_owned(), 3)].into(), ..MinInSync::default() };
        assert_eq!((min.of("a"), min.of("b")), (3, 1));
        min.file = Some(2);
        assert_eq!(min.of("b"), 2);
        min.default = Some(1);
        assert_eq!(min.of("b"), 1);
    }

    #[test]
    fn a_sentence_names_some_and_counts_the_others() {
        let waits = (0..8).map(|n| format!("p-{n} is short")).collect();
        let text = Leave { waits, never: Vec::new() }.to_string();
        assert!(text.ends_with("p-4 is short; and 3 more"), "{text}");
    }
}
