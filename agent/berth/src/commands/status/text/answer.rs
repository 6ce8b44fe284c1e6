//! The first line: which broker, and how it stands. And the last: what to do next.

use super::super::facts::{
    Asked, Awaited, BootFacts, ClaimFacts, Facts, RegistrationFacts, ReleasedFacts, ServiceFacts,
};
use super::mine::{is_mine, is_resumed, slot};
use crate::host::timeline::Outcome;
use crate::units;
use berth_plan::UnixTime;
use berth_plan::records::State;
use std::time::Duration;

/// The answer, and what a person would do now.
pub(super) struct Answer {
    pub(super) line: String,
    pub(super) next: String,
}

const RUN: &str = "systemctl restart berth";
const NOTHING: &str = "nothing to do";

fn answered(line: impl Into<String>, next: impl Into<String>) -> Answer {
    Answer { line: line.into(), next: next.into() }
}

pub(super) fn answer(facts: &Facts, now: UnixTime) -> Answer {
    if facts.zombie == Some(true) {
        return zombie(facts);
    }
    if let Some(of) = &facts.released {
        return released(facts, of, now);
    }
    let boot = match &facts.boot {
        Asked::Known(boot) => boot,
        Asked::Away { .. } => {
            let next = format!("{RUN} (a broker that runs is left alone)");
            return answered(format!("how the boot ended is not known; {}", stands(facts, now)), next);
        }
    };
    if let Some(awaited) = &boot.awaited {
        return booting(facts, boot, awaited, now);
    }
    let at = boot.ended_at.map_or_else(|| "before".to_owned(), |at| units::since(at, now));
    match (boot.outcome, &boot.steps) {
        (Some(Outcome::Ready), _) => ready(facts, &at, now),
        (Some(Outcome::NotNow | Outcome::Released), _) => {
            answered(format!("nothing to do for this instance now: {}", boot.state), NOTHING)
        }
        (Some(Outcome::GaveUp), _) => gave_up(facts, boot, &at, now),
        (Some(Outcome::CutOff), _) => answered(
            format!("no boot is running: the last one was ended {at}: {}", boot.state),
            format!("{RUN} (it goes on where the last run was)"),
        ),
        // Of an older berth, or cut off without a word.
        (None, Some(_)) => answered(
            format!("no boot is running: {}; {}", boot.state, stands(facts, now)),
            format!("{RUN} (it goes on where the last run was)"),
        ),
        (None, None) => none(facts, now),
    }
}

fn released(facts: &Facts, of: &ReleasedFacts, now: UnixTime) -> Answer {
    let (since, reason) = (units::since(of.at, now), &of.reason);
    let what = match slot(facts) {
        Some(id) => format!("slot {id} is being let go of since {since}, for \"{reason}\""),
        None if facts.slot.away().is_some() => {
            format!("released {since}, for \"{reason}\"; whether its slot is free is not known")
        }
        None => {
            return answered(
                format!("released {since}, for \"{reason}\": this instance has no slot and takes none"),
                "berth boot --again takes a slot again",
            );
        }
    };
    match &of.waits_for {
        Some(awaited) => answered(format!("{what}: waiting for {awaited}"), NOTHING),
        None if of.goes_on => answered(what, NOTHING),
        None => answered(format!("{what}, and no run goes on with it"), "berth release goes on"),
    }
}

fn service(facts: &Facts) -> Option<&ServiceFacts> {
    facts.service.known()
}

fn unit(facts: &Facts) -> &str {
    service(facts).map_or("the service", |service| &service.unit)
}

fn is_up(facts: &Facts) -> Option<bool> {
    service(facts).map(|service| service.state == "active")
}

fn zombie(facts: &Facts) -> Answer {
    let unit = unit(facts);
    let line = match facts.slot.known().copied().flatten() {
        None => format!("ZOMBIE: {unit} runs here, but this instance has no slot"),
        Some(id) => format!("ZOMBIE: {unit} runs here as broker {id}, but the slot's volume is not here"),
    };
    answered(line, format!("systemctl stop {unit}, at once; then {RUN}"))
}

/// What is known without the timeline.
fn stands(facts: &Facts, now: UnixTime) -> String {
    let unit = unit(facts);
    let service = match service(facts) {
        Some(service) => match service.since {
            Some(since) => format!("{unit} is {} since {}", service.state, units::since(since, now)),
            None => format!("{unit} is {}", service.state),
        },
        None => format!("{unit} is not known"),
    };
    match slot(facts) {
        Some(id) => format!("slot {id} is this instance's, {service}"),
        None if facts.slot.away().is_some() => format!("its slot is not known, {service}"),
        None => format!("it has no slot, {service}"),
    }
}

fn booting(facts: &Facts, boot: &BootFacts, awaited: &[Awaited], now: UnixTime) -> Answer {
    let who = match (slot(facts), facts.claim.known()) {
        (None, _) if facts.slot.away().is_some() => "booting".to_owned(),
        (None, _) => "booting, no slot yet".to_owned(),
        (Some(id), Some(ClaimFacts::Record(claim))) if is_resumed(claim) => {
            format!("booting again as broker {id}")
        }
        (Some(id), Some(ClaimFacts::Record(claim))) if is_mine(facts, claim.names()) => {
            format!("booting as broker {id}")
        }
        (Some(id), None) => format!("booting as broker {id}"),
        (Some(id), _) => format!("booting, about to take slot {id}"),
    };
    // The longest wait is the one that holds the boot.
    let longest = awaited.iter().max_by_key(|wait| wait.for_s);
    let steps = boot.steps.iter().flatten().filter(|step| step.since_ms.is_some());
    let does = match longest {
        Some(Awaited { waits_for: Some(what), for_s, .. }) => {
            format!("waiting since {} for {what}", units::since(now - Duration::from_secs(*for_s), now))
        }
        _ => match steps.max_by_key(|step| step.since_ms) {
            Some(step) => format!(
                "{}, for {}",
                step.step,
                units::duration(Duration::from_millis(step.since_ms.unwrap_or(0)))
            ),
            None => "between two steps".to_owned(),
        },
    };
    let is_started = facts.claim.known().is_some_and(|claim| match claim {
        ClaimFacts::Record(claim) => is_mine(facts, claim.names()) && claim.started.is_some(),
        ClaimFacts::None { .. } => false,
    });
    let until = match boot.deadline.filter(|_| !is_started) {
        Some(at) if at > now => {
            format!("{NOTHING}: berth tries until its deadline, {}", units::until(at, now))
        }
        Some(_) => format!("{NOTHING}: the deadline has passed, and berth goes on, more slowly"),
        None => format!("{NOTHING}: berth goes on until the broker is ready, however long it takes"),
    };
    answered(format!("{who}: {does}"), until)
}

fn ready(facts: &Facts, at: &str, now: UnixTime) -> Answer {
    let Some(id) = slot(facts) else {
        let why =
            if facts.slot.away().is_some() { "which slot it has is not known" } else { "it has no slot now" };
        return answered(format!("the broker became ready {at}, but {why}"), "berth plan");
    };
    let again = match facts.claim.known() {
        Some(ClaimFacts::Record(claim)) if is_resumed(claim) => " again, after a reboot,",
        _ => "",
    };
    let unit = unit(facts);
    match (is_up(facts), &facts.registration) {
        (Some(false), _) => {
            let service = service(facts);
            let state = service.map_or("down", |service| service.state.as_str());
            let since = service.and_then(|service| service.since);
            let since =
                since.map_or_else(String::new, |since| format!(" since {}", units::since(since, now)));
            answered(
                format!("broker {id} is down: {unit} is {state}{since}; it was ready {at}"),
                format!("journalctl -u {unit}; then systemctl start {unit}"),
            )
        }
        (_, Asked::Away { .. }) => answered(
            format!("broker {id} became ready{again} {at}; whether it still is, ZooKeeper does not say"),
            "look at ZooKeeper; a running broker is left alone",
        ),
        (None, _) => answered(
            format!("broker {id} became ready{again} {at}; whether {unit} is up, systemd does not say"),
            "look at systemd",
        ),
        (_, Asked::Known(RegistrationFacts::Missing { .. })) => answered(
            format!("broker {id} is not registered, though {unit} is up; it was ready {at}"),
            format!("journalctl -u {unit}"),
        ),
        _ => {
            let is_whole = facts.routes.known().is_none_or(|routes| routes.missing.is_empty());
            let next = if is_whole { NOTHING.to_owned() } else { format!("{RUN} puts the routes back") };
            answered(format!("broker {id} is ready{again} since {at}"), next)
        }
    }
}

fn gave_up(facts: &Facts, boot: &BootFacts, at: &str, now: UnixTime) -> Answer {
    let exit = boot.exit.unwrap_or(1);
    let kept = match slot(facts) {
        Some(_) => format!("; {}", stands(facts, now)),
        None => String::new(),
    };
    let next = if exit == berth_plan::outcome::EXIT_CONFIGURATION {
        format!("mend that; then {RUN}")
    } else {
        format!("berth plan shows why each slot is not taken; then {RUN}")
    };
    answered(format!("gave up (exit code {exit}) {at}: {}{kept}", boot.state.trim_end_matches('.')), next)
}

fn none(facts: &Facts, now: UnixTime) -> Answer {
    let has = match (slot(facts), facts.claim.known()) {
        (Some(id), Some(ClaimFacts::Record(claim))) if claim.state == State::Held => {
            format!("; slot {id} is this instance's from before")
        }
        (Some(_), _) => format!("; {}", stands(facts, now)),
        _ => String::new(),
    };
    answered(format!("no boot has run since the kernel started{has}"), "systemctl start berth")
}
