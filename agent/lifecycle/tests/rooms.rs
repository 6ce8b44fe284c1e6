//! The order of the rooms in each crate of the agent: no arrow leads back up, and no circle is closed.
//!
//! Read from the paths in each file, so that whoever adds one that leads back sees it by name.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "rooms/arrows.rs"]
mod arrows;

use arrows::{Arrows, arrows};
use std::collections::BTreeSet;

/// A crate and its rooms. A room is a file or a folder, by its path; the longest that fits is a file's room.
struct House {
    folder: &'static str,
    /// From the ground up. A file may use its own room and those of the floors below.
    floors: &'static [&'static [&'static str]],
    /// Rooms whose files (and folders) do not know each other.
    apart: &'static str,
    /// How many arrows there are at the least, or the reading of paths is broken.
    arrows: usize,
}

const PLAN: House = House {
    folder: "agent/plan",
    floors: &[
        &["remote_text", "fs", "time"],
        &["ids", "addressing", "listeners"],
        &["ec2", "service", "network", "outcome"],
        &["records"],
        &["slot", "disk", "conflicts", "permit"],
        &["config"],
    ],
    apart: "none",
    arrows: 60,
};

/// Stories call steps, steps use parts, parts speak to ports. A boot has notes and spaced reads of its own, so these
/// parts stand below it.
const LIFECYCLE: House = House {
    folder: "agent/lifecycle",
    floors: &[
        &["step"],
        &["ports"],
        &["trouble", "agent"],
        &["retry", "parts/agreement", "parts/notes", "parts/settled"],
        &["boot_state"],
        &["parts"],
        &["steps"],
        &["stories"],
    ],
    apart: "steps",
    arrows: 100,
};

/// An adapter knows no other: what several of `host` need stands below them.
const BERTH: House = House {
    folder: "agent/berth",
    floors: &[
        &["cli", "units", "panics"],
        &["host/os_error", "host/names"],
        &["host/own_directory", "host/files"],
        &["host", "aws", "zookeeper"],
        &["claims", "service"],
        &["wiring"],
        &["commands"],
        &["main"],
    ],
    apart: "host",
    arrows: 100,
};

impl House {
    /// The room of a file and its floor.
    fn room(&self, file: &str) -> (&'static str, usize) {
        let rooms =
            self.floors.iter().enumerate().flat_map(|(n, rooms)| rooms.iter().map(move |room| (*room, n)));
        let is_in = |room: &str| file == room || file.starts_with(&format!("{room}/"));
        let found = rooms.filter(|(room, _)| is_in(room)).max_by_key(|(room, _)| room.len());
        found.unwrap_or_else(|| panic!("{}/src/{file}.rs has no floor in this test", self.folder))
    }

    /// The file or folder of the rooms that are apart to which a file belongs.
    fn kept_apart<'a>(&self, file: &'a str) -> Option<&'a str> {
        file.strip_prefix(self.apart)?.strip_prefix('/')?.split('/').next()
    }

    fn leads_back(&self, arrows: &Arrows) -> Vec<String> {
        let mut wrong = Vec::new();
        for (from, to) in arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to))) {
            let ((room, floor), (other, below)) = (self.room(from), self.room(to));
            if room != other && floor <= below {
                wrong.push(format!("{from}.rs uses {to}.rs, which is not below it"));
            }
            if room == other
                && let (Some(one), Some(two)) = (self.kept_apart(from), self.kept_apart(to))
                && one != two
            {
                wrong.push(format!("{from}.rs uses {to}.rs: these know nothing of each other"));
            }
        }
        wrong
    }

    fn stands(&self) {
        let arrows = arrows(self.folder);
        let count: usize = arrows.values().map(|to| to.len()).sum();
        assert!(count >= self.arrows, "only {count} arrows: the reading of paths is broken");
        let wrong = self.leads_back(&arrows);
        assert!(wrong.is_empty(), "in {}/src:\n{}", self.folder, wrong.join("\n"));
        println!("from the ground up: {}", from_the_ground_up(arrows).join(", "));
    }
}

/// The files in an order in which each uses only those before it.
fn from_the_ground_up(mut left: Arrows) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    while !left.is_empty() {
        let is_free = |to: &BTreeSet<String>| to.iter().all(|to| !left.contains_key(to));
        let free: Vec<String> = left.iter().filter(|(_, to)| is_free(to)).map(|(f, _)| f.clone()).collect();
        assert!(!free.is_empty(), "these files use each other in a circle: {:#?}", circle(left));
        for file in free {
            left.remove(&file);
            order.push(file);
        }
    }
    order
}

/// Without those that no other of them uses: what is left goes round.
fn circle(mut left: Arrows) -> Arrows {
    while let Some(top) = left.keys().find(|file| !left.values().any(|to| to.contains(*file))).cloned() {
        left.remove(&top);
    }
    let files: BTreeSet<String> = left.keys().cloned().collect();
    left.into_iter().map(|(file, to)| (file, to.intersection(&files).cloned().collect())).collect()
}

#[test]
fn decisions_stand_on_what_was_observed() {
    PLAN.stands();
}

#[test]
fn stories_call_steps_and_steps_use_parts() {
    LIFECYCLE.stands();
}

#[test]
fn commands_wire_adapters_that_know_no_other() {
    BERTH.stands();
}
