//! docs/architecture.md names paths that are there, and every room of the three crates.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/architecture.md";

/// Where the page's short paths begin.
const FROM: [&str; 4] = ["", "agent/plan/src", "agent/lifecycle/src", "agent/berth/src"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(root().join(PAGE)).unwrap()
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A path of the repository: one of a host begins with a slash, a node of ZooKeeper has a part to fill in.
fn is_path(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    word.chars().all(is_plain) && !word.starts_with('/') && (word.contains('/') || word.ends_with(".rs"))
}

#[test]
fn every_path_leads_somewhere() {
    let page = page();
    let paths: BTreeSet<&str> = page.lines().flat_map(quoted).filter(|word| is_path(word)).collect();
    let is_there = |path: &Path| path.exists() || path.with_extension("rs").exists();
    let leads = |path: &str| FROM.iter().any(|from| is_there(&root().join(from).join(path)));
    let lost: Vec<_> = paths.iter().filter(|path| !leads(path)).collect();
    assert!(lost.is_empty(), "{PAGE} names what is not there: {lost:?}");
    assert!(paths.len() >= 40, "only {} paths were found: {paths:?}", paths.len());
}

#[test]
fn every_link_leads_somewhere() {
    let page = page();
    let links = page.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let links: Vec<&str> = links.filter(|link| !link.contains("://") && !link.is_empty()).collect();
    let lost: Vec<_> = links.iter().filter(|link| !root().join("docs").join(link).exists()).collect();
    assert!(lost.is_empty(), "{PAGE} links to what is not there: {lost:?}");
    assert!(links.len() >= 3, "only {links:?}");
}

/// A section about a crate names each file and folder at the top of that crate.
#[test]
fn every_room_has_its_line() {
    let page = page();
    for section in page.split("\n### ").skip(1) {
        let Some(folder) = section.lines().next().and_then(|title| quoted(title).next()) else { continue };
        let section = section.split("\n## ").next().unwrap();
        let named: BTreeSet<String> = section
            .lines()
            .skip(1)
            .flat_map(quoted)
            .map(|word| word.trim_end_matches('/').to_owned())
            .collect();
        let src = root().join(folder).join("src");
        let rooms = fs::read_dir(&src).unwrap_or_else(|error| panic!("{}: {error}", src.display()));
        for room in rooms {
            let room = PathBuf::from(room.unwrap().file_name()).with_extension("").display().to_string();
            assert!(room == "lib" || named.contains(&room), "{PAGE} has no line for {folder}/src/{room}");
        }
    }
    assert_eq!(page.matches("\n### ").count(), 3, "a section for each crate of the agent");
}
