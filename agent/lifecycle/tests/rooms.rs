//! Stories call steps, steps use parts, parts speak to ports: no arrow leads back, and no step knows another.
//!
//! Read from the `use` lines of each file, so that whoever adds one that leads back sees it by name.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up. A file may use what is on its own floor or below.
const FLOORS: [&[&str]; 7] = [
    &["step"],
    &["ports"],
    &["trouble", "agent"],
    &["retry", "parts/agreement", "parts/notes", "parts/settled"],
    &["boot_state"],
    &["parts"],
    &["steps"],
];
const STORIES: usize = FLOORS.len();

/// Where the names that lib.rs shows are made.
const SHOWN: [(&str, &str); 8] = [
    ("Agent", "agent"),
    ("Me", "agent"),
    ("Boot", "boot_state"),
    ("Progress", "boot_state"),
    ("deadline", "boot_state"),
    ("Ports", "ports"),
    ("Step", "step"),
    ("Trouble", "trouble"),
];

fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut dirs) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The paths that the `use` lines of a file name, each written out.
fn used(file: &str, source: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for statement in source.split(';') {
        let Some((_, path)) = statement.rsplit_once("\nuse ").or_else(|| statement.split_once("use ")) else {
            continue;
        };
        let parent = file.rsplit_once('/').map_or("", |(parent, _)| parent);
        let path: String = path.split_whitespace().collect::<Vec<_>>().join("");
        let path = match path.strip_prefix("super::") {
            Some(rest) if parent.is_empty() => format!("crate::{rest}"),
            Some(rest) => format!("crate::{}::{rest}", parent.replace('/', "::")),
            None => path,
        };
        // `super::*` is how the tests of a file see it.
        if let Some(path) = path.strip_prefix("crate::").filter(|path| !path.ends_with('*')) {
            written_out(path, String::new(), &mut paths);
        }
    }
    paths
}

fn written_out(path: &str, before: String, to: &mut Vec<String>) {
    let Some((head, group)) = path.split_once('{') else {
        to.push(before + path);
        return;
    };
    let (mut depth, mut item) = (0, String::new());
    for c in group.strip_suffix('}').unwrap_or(group).chars() {
        match c {
            ',' if depth == 0 => written_out(&std::mem::take(&mut item), format!("{before}{head}"), to),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                item.push(c);
            }
        }
    }
    if !item.is_empty() {
        written_out(&item, format!("{before}{head}"), to);
    }
}

/// The file that a path leads to: the longest that there is.
fn file_of(path: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    if let Some((_, file)) = SHOWN.iter().find(|(name, _)| *name == parts[0]) {
        return Some((*file).to_owned());
    }
    (1..=parts.len()).rev().map(|n| parts[..n].join("/")).find(|name| files.contains_key(name))
}

fn floor(file: &str) -> usize {
    let is_in = |room: &&str| file == *room || file.starts_with(&format!("{room}/"));
    let exact = FLOORS.iter().position(|rooms| rooms.contains(&file));
    exact.or_else(|| FLOORS.iter().position(|rooms| rooms.iter().any(&is_in))).unwrap_or(STORIES)
}

/// Each file and those that it uses. What a folder's own file shows of its files is no arrow.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let files = sources();
    let of = |(name, source): (&String, &String)| {
        let to = used(name, source).iter().filter_map(|path| file_of(path, &files)).collect::<BTreeSet<_>>();
        let own = format!("{name}/");
        (name.clone(), to.into_iter().filter(|to| to != name && !to.starts_with(&own)).collect())
    };
    files.iter().filter(|(name, _)| *name != "lib").map(of).collect()
}

/// The step that a file belongs to; one with a folder is one step.
fn step_of(file: &str) -> Option<&str> {
    file.strip_prefix("steps/")?.split('/').next()
}

#[test]
fn no_arrow_leads_back() {
    let arrows = arrows();
    for (from, to) in arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to))) {
        assert!(floor(from) >= floor(to), "{from}.rs uses {to}.rs, which is above it");
        let (of, other) = (step_of(from), step_of(to));
        assert!(of.is_none() || other.is_none() || of == other, "the step {from}.rs uses the step {to}.rs");
    }
    let steps = arrows.iter().filter(|(from, to)| from.starts_with("steps/") && !to.is_empty()).count();
    assert!(
        steps >= 10,
        "only {steps} steps were found to use anything: the reading of `use` lines is broken"
    );
}

#[test]
fn there_is_no_circle() {
    let mut left = arrows();
    let mut order: Vec<String> = Vec::new();
    while !left.is_empty() {
        let free: Vec<String> = left
            .iter()
            .filter(|(_, to)| to.iter().all(|to| !left.contains_key(to)))
            .map(|(f, _)| f.clone())
            .collect();
        assert!(!free.is_empty(), "these files use each other in a circle: {left:#?}");
        for file in free {
            left.remove(&file);
            order.push(file);
        }
    }
    println!("from the ground up: {}", order.join(", "));
}
