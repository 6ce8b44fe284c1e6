//! The table of docs/operations.md is the table of the program.

use berth_plan::outcome::{Course, Ending, Kind, Phase, SlotAction, course};

const KINDS: [(Kind, &str); 8] = [
    (Kind::ControlPlane, "control plane (ZooKeeper, EC2, metadata, throttling)"),
    (Kind::Permission, "permission (the role may not make a call)"),
    (Kind::Host, "host (a device, link, tool or unit of this machine)"),
    (Kind::Configuration, "configuration"),
    (Kind::SlotFault, "slot fault"),
    (Kind::NoSlot, "no slot"),
    (Kind::Elsewhere, "choose again"),
    (Kind::UnitFailed, "unit failed"),
];

const PHASES: [(Phase, &str); 3] = [
    (Phase::NoSlot, "before a slot is attached"),
    (Phase::Attached, "slot attached, broker not started"),
    (Phase::Started, "broker started"),
];

fn ending(ending: Ending) -> String {
    let slot = (ending.slot == SlotAction::Unwind).then_some("the slot is given back".to_owned());
    let failure = ending.failure.then_some("FAILURE".to_owned());
    let unhealthy = ending.unhealthy.then_some("unhealthy".to_owned());
    let parts = slot.into_iter().chain(failure).chain(unhealthy).chain([format!("exit {}", ending.exit)]);
    parts.collect::<Vec<_>>().join(", ")
}

fn cell(kind: Kind, phase: Phase) -> String {
    let until = if kind == Kind::Permission { "for some minutes" } else { "until the deadline" };
    match (course(kind, phase, false), course(kind, phase, true)) {
        (Course::Retry, Course::Retry) => "tried again for ever".to_owned(),
        (Course::Retry, Course::FailAndGoOn) => {
            format!("tried again {until}; then FAILURE once, and tried on, slower")
        }
        (Course::Retry, Course::End(end)) => format!("tried again {until}; then: {}", ending(end)),
        (Course::End(end), _) => format!("at once: {}", ending(end)),
        (Course::ChooseAgain { record_fault: true }, _) => {
            "the fault is recorded, the slot let go of, another one chosen".to_owned()
        }
        (Course::ChooseAgain { record_fault: false }, _) => {
            "the slot is let go of, and the choice made again".to_owned()
        }
        (Course::FailAndGoOn, _) => "FAILURE once, and tried on, slower".to_owned(),
        other => panic!("docs/operations.md has no words for {other:?}"),
    }
}

#[test]
fn the_page_has_the_programs_own_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let page = std::fs::read_to_string(path).expect("docs/operations.md is in the repository");
    let columns: Vec<&str> = PHASES.iter().map(|(_, name)| *name).collect();
    let mut table = vec![format!("| kind | {} |", columns.join(" | ")), "|---|---|---|---|".to_owned()];
    for (kind, name) in KINDS {
        let cells: Vec<String> = PHASES.iter().map(|(phase, _)| cell(kind, *phase)).collect();
        table.push(format!("| {name} | {} |", cells.join(" | ")));
    }
    let table = table.join("\n");
    assert!(page.contains(&table), "docs/operations.md should have this table:\n{table}");
}
