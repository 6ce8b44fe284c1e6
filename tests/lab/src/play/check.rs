//! What a `check` step looks at: who holds which slot by the journal, what answers, what is mounted, who told which outcome,
//! and whether the faults of the scenario have struck at all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use region::model::{Entry, Event, Fault};

use super::shell;
use crate::error::{Error, Result};
use crate::lab_run::LabRun;
use crate::netns;
use crate::scenario::Check;

pub(super) async fn check(lab: &LabRun, look: &Check) -> Result<()> {
    let mut wrong = Vec::new();
    if look.slots_taken {
        wrong.extend(slots_taken(lab));
    }
    for id in &look.answers {
        let Some(slot) = lab.slots.iter().find(|slot| slot.id == *id) else {
            wrong.push(format!("there is no slot {id}"));
            continue;
        };
        let at = SocketAddr::from((slot.address, 9092));
        if let Err(error) = netns::connect(lab.srv(), at, Duration::from_secs(3)) {
            wrong.push(format!("slot {id} does not answer: {}", error.chain()));
        }
    }
    if let Some(mount) = &look.mounted {
        wrong.extend(mounted(lab, mount).await);
    }
    if let Some(wanted) = look.signals {
        wrong.extend(signals(&lab.journal(0), wanted));
    }
    if look.faults_spent {
        lab.served.with(|region| wrong.extend(unspent(region.faults())));
    }
    if wrong.is_empty() {
        lab.story.tell("check", "holds");
        return Ok(());
    }
    Err(Error::new(format!("the check does not hold: {}", wrong.join("; "))))
}

/// What is wrong with who holds which slot.
pub fn slots_taken(lab: &LabRun) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut holders = BTreeSet::new();
    for slot in &lab.slots {
        let Some(holder) = lab.holder(slot.id) else {
            wrong.push(format!("nobody holds slot {}", slot.id));
            continue;
        };
        if holder.zone != slot.zone {
            wrong.push(format!(
                "slot {} of {} is held by {} of {}",
                slot.id, slot.zone, holder.label, holder.zone
            ));
        }
        if holder.state != "running" {
            wrong.push(format!("the holder of slot {}, {}, is {}", slot.id, holder.label, holder.state));
        }
        match lab.has(&slot.eni) {
            Some(has) if has == holder.id => {}
            Some(has) => wrong.push(format!(
                "the interface of slot {} is attached to {has}, its volume to {}",
                slot.id, holder.label
            )),
            None => wrong.push(format!("the interface of slot {} is attached nowhere", slot.id)),
        }
        if !holders.insert(holder.id.clone()) {
            wrong.push(format!("{} holds two slots", holder.label));
        }
    }
    wrong
}

/// Whose volume is mounted there: the serial of the device whose number the mount has.
async fn mounted(lab: &LabRun, mount: &str) -> Vec<String> {
    let line = format!(
        "n=$(findmnt -no MAJ:MIN {mount} | tr -d ' ') && for b in /sys/block/*; do \
         if [ \"$(cat $b/dev)\" = \"$n\" ]; then cat $b/device/serial; fi; done"
    );
    let mut wrong = Vec::new();
    for slot in &lab.slots {
        let serial = slot.volume.replace('-', "");
        match shell(lab, &format!("slot {}", slot.id), &line, Duration::from_secs(10)).await {
            Ok(ran) if ran.code == 0 && ran.out.trim() == serial => {}
            Ok(ran) => wrong.push(format!(
                "the device at {mount} of slot {} has the serial {:?}, not {serial}",
                slot.id,
                ran.out.trim()
            )),
            Err(error) => wrong.push(error.chain()),
        }
    }
    wrong
}

/// Outcomes of a call after which its sender cannot know that it was heard, and tells it again.
const UNHEARD: &[&str] =
    &["reset", "lost", "Throttling", "RequestLimitExceeded", "InternalFailure", "ServiceUnavailable"];

/// What is wrong with the outcomes that instances told: so many of them, one SUCCESS each. Counted are the calls, for a
/// stack that is complete refuses a signal and counts nothing.
fn signals(journal: &[Entry], wanted: usize) -> Vec<String> {
    let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in journal {
        let Event::Call { action, caller: Some(caller), params, outcome, .. } = &entry.event else {
            continue;
        };
        if action == "SignalResource" && !UNHEARD.contains(&outcome.as_str()) {
            told.entry(caller).or_default().push(params.get("Status").map_or("", String::as_str));
        }
    }
    let mut wrong = Vec::new();
    if told.len() != wanted {
        wrong.push(format!("{} instances told an outcome, not {wanted}", told.len()));
    }
    let not_one = told.iter().filter(|(_, statuses)| **statuses != ["SUCCESS"]);
    wrong.extend(not_one.map(|(instance, statuses)| format!("{instance} told {}", statuses.join(", "))));
    wrong
}

/// The faults with a count that have struck less often than they should.
fn unspent<'a>(faults: impl Iterator<Item = &'a Fault>) -> Vec<String> {
    let left = faults.filter_map(|fault| fault.count.map(|left| (fault, left)));
    left.map(|(fault, left)| {
        let action = fault.action.as_deref().unwrap_or("any call");
        format!("the fault {:?} of {action} has yet to strike {left} times", fault.kind)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use region::model::FaultKind;

    use super::*;

    fn call(caller: &str, status: &str, outcome: &str) -> Event {
        Event::Call {
            api: "cloudformation".into(),
            action: "SignalResource".into(),
            caller: Some(caller.into()),
            params: [("Status".to_owned(), status.to_owned())].into(),
            outcome: outcome.into(),
            request_id: String::new(),
        }
    }

    fn wrong(events: &[Event], wanted: usize) -> Vec<String> {
        let entry = |(seq, event): (usize, &Event)| Entry { seq, at: 0, event: event.clone() };
        signals(&events.iter().enumerate().map(entry).collect::<Vec<_>>(), wanted)
    }

    #[test]
    fn an_outcome_that_was_not_heard_may_be_told_again() {
        let once = [call("i-a", "SUCCESS", "reset"), call("i-a", "SUCCESS", "ok")];
        assert_eq!(wrong(&once, 1), Vec::<String>::new());
    }

    #[test]
    fn an_outcome_that_was_refused_is_told_all_the_same() {
        let again = [call("i-a", "SUCCESS", "ok"), call("i-a", "SUCCESS", "ValidationError")];
        assert_eq!(wrong(&again, 1), ["i-a told SUCCESS, SUCCESS"]);
        assert_eq!(wrong(&[call("i-a", "FAILURE", "ValidationError")], 1), ["i-a told FAILURE"]);
        assert_eq!(wrong(&[], 1), ["0 instances told an outcome, not 1"]);
    }

    #[test]
    fn a_fault_that_never_struck_is_named_and_one_without_a_count_is_not() {
        let faults =
            [Fault::next("AttachVolumes", FaultKind::Reset), Fault::always("Describe*", FaultKind::Throttle)];
        assert_eq!(unspent(faults.iter()), ["the fault Reset of AttachVolumes has yet to strike 1 times"]);
    }
}
