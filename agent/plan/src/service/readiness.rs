//! When a broker is back in sync: what "success" means.
//!
//! "Registered" is not enough: in a rolling update the next broker would go down while this one still copies.

use crate::BrokerId;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// For how long a partition must be seen in sync when its state node has not changed since we registered:
/// Kafka's replica.lag.time.max.ms, 30 s, after which a leader drops a follower that does not follow.
pub const HELD: Duration = Duration::from_secs(30);

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub number: u32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.number)
    }
}

/// What `/brokers/topics/<topic>` says of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    /// Replicas.
    pub replicas: Vec<u32>,
    /// Replicas that a reassignment is bringing in: not ours to wait for.
    pub adding: Vec<u32>,
    /// Replicas that a reassignment is taking away.
    pub removing: Vec<u32>,
}

/// The assignments of all topics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignments {
    /// Of each partition.
    pub partitions: BTreeMap<Partition, Assignment>,
    /// Topics whose node cannot be read, each as a sentence that names it. Whom they name cannot be told.
    pub unreadable: Vec<String>,
}

/// What the partition's `state` node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// Its leader; −1 where it has none.
    pub leader: i32,
    /// In-sync replicas.
    pub isr: Vec<i32>,
    /// Whether it was changed after the registration that the look names; the register judges that by its own order.
    pub changed_since: bool,
}

/// What a look at one partition found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Its state.
    State(PartitionState),
    /// The topic is gone, or marked for deletion.
    Deleted,
    /// No state node yet: the controller has not made the partition.
    NoState,
    /// The state node cannot be read, as a sentence that names it.
    Unreadable(String),
}

/// What became of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// In sync.
    Done,
    /// Not yet, and why.
    Open(String),
    /// Not waited for, and why.
    Dropped(String),
}

/// The partitions to wait for: those whose replicas name us, without those being reassigned to or from us.
pub fn ours(me: BrokerId, assignments: &BTreeMap<Partition, Assignment>) -> Vec<Partition> {
    let me = me.number();
    let is_ours =
        |a: &Assignment| a.replicas.contains(&me) && !a.adding.contains(&me) && !a.removing.contains(&me);
    assignments.iter().filter(|(_, a)| is_ours(a)).map(|(partition, _)| partition.clone()).collect()
}

/// Every partition that names us, those included that a reassignment brings or takes away: its data may be ours alone.
pub fn naming(me: BrokerId, assignments: &BTreeMap<Partition, Assignment>) -> Vec<Partition> {
    let me = me.number();
    let names = |a: &Assignment| [&a.replicas, &a.adding, &a.removing].iter().any(|ids| ids.contains(&me));
    assignments.iter().filter(|(_, a)| names(a)).map(|(partition, _)| partition.clone()).collect()
}

/// Judges one partition, looked at since our registration. `held` is how long it has been seen in sync without a break.
pub fn judge(me: BrokerId, look: &Look, held: Duration) -> Verdict {
    let me = i64::from(me.number());
    match look {
        Look::Deleted => Verdict::Dropped("its topic is deleted".to_owned()),
        Look::NoState => Verdict::Dropped("the controller has not made it yet".to_owned()),
        // It is ours: "in sync" would be said without having been seen.
        Look::Unreadable(why) => Verdict::Open(why.clone()),
        Look::State(state) => {
            let in_sync = state.isr.iter().any(|id| i64::from(*id) == me);
            match (state.leader, in_sync) {
                (-1, false) => Verdict::Dropped(
                    "it has no leader and cannot heal before another broker returns".to_owned(),
                ),
                (-1, true) => Verdict::Open("it has no leader".to_owned()),
                (_, false) => Verdict::Open("not in its in-sync replicas yet".to_owned()),
                (_, true) if state.changed_since || held >= HELD => Verdict::Done,
                (_, true) => {
                    Verdict::Open(format!("in sync for {} s of {} s", held.as_secs(), HELD.as_secs()))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> BrokerId {
        BrokerId::new(1).unwrap()
    }

    fn state(leader: i32, isr: &[i32], changed_since: bool) -> Look {
        Look::State(PartitionState { leader, isr: isr.to_vec(), changed_since })
    }

    #[test]
    fn in_sync_counts_when_it_is_newer_than_our_registration_or_held() {
        assert_eq!(judge(me(), &state(0, &[0, 1], true), Duration::ZERO), Verdict::Done);
        assert!(matches!(
            judge(me(), &state(0, &[0, 1], false), HELD - Duration::from_millis(1)),
            Verdict::Open(_)
        ));
        assert_eq!(judge(me(), &state(0, &[0, 1], false), HELD), Verdict::Done);
        assert!(matches!(judge(me(), &state(0, &[0], true), HELD), Verdict::Open(_)));
    }

    #[test]
    fn what_cannot_heal_by_waiting_for_us_is_dropped() {
        assert!(matches!(judge(me(), &state(-1, &[0], true), Duration::ZERO), Verdict::Dropped(_)));
        assert!(matches!(judge(me(), &state(-1, &[1], true), HELD), Verdict::Open(_)));
        assert!(matches!(judge(me(), &Look::Deleted, Duration::ZERO), Verdict::Dropped(_)));
        assert!(matches!(judge(me(), &Look::NoState, Duration::ZERO), Verdict::Dropped(_)));
        assert!(matches!(judge(me(), &Look::Unreadable("odd".into()), HELD), Verdict::Open(_)));
    }

    #[test]
    fn reassigned_replicas_are_not_waited_for() {
        let partition = |number| Partition { topic: "t".into(), number };
        let replicas = vec![0, 1];
        let assignments = [
            (partition(0), Assignment { replicas: replicas.clone(), ..Default::default() }),
            (partition(1), Assignment { replicas: replicas.clone(), adding: vec![1], ..Default::default() }),
            (partition(2), Assignment { replicas, removing: vec![1], ..Default::default() }),
            (partition(3), Assignment { replicas: vec![0, 2], ..Default::default() }),
        ];
        let assignments = assignments.into();
        assert_eq!(ours(me(), &assignments), [partition(0)]);
        assert_eq!(naming(me(), &assignments), [partition(0), partition(1), partition(2)]);
    }
}
