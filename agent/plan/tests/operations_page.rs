//! docs/operations.md, held against the sentences in the sources: each is on the page, and none is there that no
//! source has.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "operations_page/literals.rs"]
mod literals;

use literals::{Literal, literals};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Shorter literals are names, or parts of a sentence that do not stand alone.
const WORDS: usize = 3;

/// Calls whose words nobody reads in trouble: facts of the timeline, what only a developer turns on, and what must be
/// true or is a bug.
const NO_SENTENCES: &[&str] = &["fact", "info!", "debug!", "expect", "unreachable!"];

/// Literals that are no sentences of trouble: by the beginning of the path, the beginning of the text, and what they are.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("plan/src/config/schema.rs", "", "meanings of keys: docs/configuration.md has them all"),
    ("berth/src/cli.rs", "", "help"),
    ("plan/src/ec2/states.rs", "… is not a", "what a state should be: the end of another sentence"),
    ("plan/src/ids.rs", "", "what an id should be: the end of \"… is not …\""),
    ("plan/src/network/command.rs", "", "commands"),
    ("plan/src/network/unmanaged.rs", "", "files for managers of the network"),
    ("plan/src/addressing.rs", "an ", "what an address should be: the end of \"… is not …\""),
    ("plan/src/disk/probe", "", "what a probe finds: the end of \"… has the signature of …\""),
    ("plan/src/slot/assemble.rs", "… without a Name", "fills a sentence"),
    ("plan/src/slot.rs", "… …GiB", "what a fault record was seen on, for comparing"),
    ("plan/src/service/properties.rs", "# The identity", "a line of server.properties"),
    ("plan/src/records/claim.rs", "resumed in", "history of a claim"),
    ("plan/src/records/claim.rs", "took the slot", "history of a claim"),
    ("plan/src/permit/", "", "what berth slot permit says: docs/decisions/0009-replacement-permit.md"),
    ("lifecycle/src/parts/stray_attachments.rs", "finished what", "history of a claim"),
    ("plan/src/slot/choose.rs", "an unknown host", "fills a sentence"),
    ("plan/src/config/layer.rs", "the top of", "fills a sentence"),
    ("plan/src/disk/plan.rs", "no file system", "fills a sentence"),
    ("plan/src/disk/plan.rs", "an unfinished xfs", "fills a sentence"),
    ("plan/src/service/identity/empty_start.rs", "led by another", "the list of berth slot reset"),
    ("plan/src/service/identity/empty_start.rs", "no leader", "the list of berth slot reset"),
    ("plan/src/service/identity/empty_start.rs", "in sync on", "the list of berth slot reset"),
    ("plan/src/service/identity/empty_start.rs", "not made by", "the list of berth slot reset"),
    ("lifecycle/src/stories/slot.rs", "an unknown host", "fills a sentence"),
    ("lifecycle/src/stories/slot.rs", "the log dir", "fills a sentence"),
    ("berth/src/commands/slot.rs", "", "the lists of berth slot"),
    ("lifecycle/src/stories/gate.rs", "nothing of a known serial", "fills a sentence"),
    ("plan/src/config/check.rs", "cluster = ", "a configuration"),
    ("plan/src/service/registration.rs", "an unknown host", "fills a sentence"),
    ("plan/src/listeners.rs", "", "words of AWS that berth looks for, and their sources"),
    ("lifecycle/src/step.rs", "", "names of steps: the middle of \"… could not …: …\""),
    ("lifecycle/src/steps/intend.rs", "slot … chosen", "a decision, with its reasons"),
    ("lifecycle/src/steps/storage.rs", "… mounted at …", "a fact"),
    ("berth/src/host/disks/tests", "", "tests on loop devices"),
    ("berth/src/claims/zookeeper/tests", "", "tests on a server"),
    ("plan/src/ec2/refusal.rs", "", "words of AWS that berth looks for, and who reports them"),
    ("plan/src/remote_text.rs", "", "fills a sentence"),
    ("berth/src/aws.rs", "received 404", "words of aws/imds/role.rs that are looked for"),
    ("berth/src/aws/imds/role.rs", "received 404", "words that aws.rs looks for"),
    ("berth/src/aws/ec2.rs", "of cluster", "the end of a call's name"),
    ("lifecycle/src/stories/preview/text.rs", "an unknown host", "fills a sentence"),
    ("lifecycle/src/stories/preview.rs", "not looked up", "the list of berth plan"),
    ("lifecycle/src/stories/preview.rs", "unknown to EC2", "the list of berth plan"),
    ("berth/src/commands/status/assembled.rs", "the run of this boot", "fills a line"),
    ("berth/src/commands/status/assembled.rs", "a service of AWS", "fills a line"),
    ("berth/src/commands/status/assembled.rs", "open for slot", "fills a line"),
    ("berth/src/commands/plan/text.rs", "", "the page of berth plan"),
    ("berth/src/commands/status/text", "", "the page of berth status"),
    ("berth/src/commands/status/sources.rs", "the metadata service", "the name of a source"),
    ("berth/src/commands/status/sources.rs", "the mount table", "the name of a source"),
];

fn agent() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("plan is in agent").to_owned()
}

/// All sources of the program but its tests, by their paths below `agent`.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut dirs: Vec<PathBuf> = ["plan", "lifecycle", "berth"].map(|c| agent().join(c).join("src")).into();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let name = path.strip_prefix(agent()).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// What is compared: a sentence may go on before and after a literal.
fn key(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "…:;,".contains(c))
}

fn is_sentence(file: &str, literal: &Literal) -> bool {
    let words = literal.text.split(' ').filter(|word| word.chars().any(char::is_alphabetic)).count();
    let elsewhere =
        ELSEWHERE.iter().any(|(path, start, _)| file.starts_with(path) && literal.text.starts_with(start));
    let told = !literal.calls.iter().any(|call| NO_SENTENCES.contains(&call.as_str()));
    words >= WORDS && told && !elsewhere
}

/// The lines of the page that are indented as code are the sentences.
fn on_the_page() -> BTreeMap<String, usize> {
    let page = fs::read_to_string(agent().join("../docs/operations.md")).unwrap();
    let code = page.lines().enumerate().filter_map(|(n, line)| Some((n + 1, line.strip_prefix("    ")?)));
    let mut found = BTreeMap::new();
    for (n, line) in code {
        let twice = found.insert(key(line).to_owned(), n);
        assert_eq!(twice, None, "docs/operations.md:{n}: this sentence has a row already");
    }
    found
}

#[test]
fn every_sentence_of_the_program_is_on_the_page() {
    let page = on_the_page();
    let mut missing = Vec::new();
    for (file, source) in sources() {
        for literal in literals(&source).iter().filter(|literal| is_sentence(&file, literal)) {
            if !page.contains_key(key(&literal.text)) {
                missing.push(format!("agent/{file}:{}\n    {}", literal.line, literal.text));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "docs/operations.md lacks {} sentences; say there what each means and what to do:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

#[test]
fn the_page_has_no_sentence_that_the_program_does_not_say() {
    let said: BTreeSet<String> = sources()
        .iter()
        .flat_map(|(_, source)| literals(source))
        .map(|literal| key(&literal.text).to_owned())
        .collect();
    let page = on_the_page();
    let stale: Vec<String> = page
        .iter()
        .filter(|(sentence, _)| !said.contains(*sentence))
        .map(|(sentence, line)| format!("docs/operations.md:{line}: {sentence}"))
        .collect();
    assert!(stale.is_empty(), "no source says this:\n{}", stale.join("\n"));
    assert!(page.len() > 100, "only {} sentences were found on the page", page.len());
}

#[test]
fn every_exception_is_still_needed() {
    let sources = sources();
    for (path, start, what) in ELSEWHERE {
        let mut of_path = sources.iter().filter(|(file, _)| file.starts_with(path));
        let found = of_path.any(|(_, source)| literals(source).iter().any(|l| l.text.starts_with(start)));
        assert!(found, "{path} has no \"{start}\" ({what})");
    }
}
