//! A scenario from its file to its end, by the command that a person types.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Plays a file; what is wrong with how it went.
fn play(path: &Path) -> Option<String> {
    let began = Instant::now();
    let played = Command::new(env!("CARGO_BIN_EXE_lab")).arg("run").arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&played.stdout);
    println!("{}: {} after {:?}", path.display(), played.status, began.elapsed());
    let holds = played.status.success() && said.contains("lab: it holds");
    (!holds).then(|| format!("{}:\n{said}{}", path.display(), String::from_utf8_lossy(&played.stderr)))
}

#[test]
fn every_scenario_of_the_repository_holds() {
    lab::commands::require(&[
        "ip",
        "losetup",
        "nsenter",
        "mkfs.xfs",
        "mkfs.ext4",
        "xfs_io",
        "curl",
        "kcat",
        "java",
    ])
    .unwrap();
    let entries = std::fs::read_dir(lab::image::repository().join("tests/scenarios")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    assert!(files.len() >= 8, "{files:?}");
    let next = AtomicUsize::new(0);
    let player = || {
        let turn = || files.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(turn).filter_map(|path| play(path)).collect::<Vec<String>>()
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let players = [scope.spawn(player), scope.spawn(player)];
        players.into_iter().flat_map(|player| player.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_step_that_does_not_hold_fails_the_run_and_shows_what_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wrong.toml");
    let text = "service = \"none\"\n[cluster]\nzookeeper = 0\n[[step]]\nrun = \"echo one\"\nstdout-contains = \"two\"\n";
    std::fs::write(&path, text).unwrap();
    let played = Command::new(env!("CARGO_BIN_EXE_lab")).arg("run").arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&played.stdout).into_owned();
    assert_eq!(played.status.code(), Some(1), "{said}");
    assert!(
        said.contains("step 1: `echo one`: its output does not contain \"two\"")
            && said.contains("stdout: one"),
        "{said}"
    );
    let kept = said.lines().find_map(|line| line.strip_prefix("lab: logs and journal are kept in ")).unwrap();
    assert!(std::path::Path::new(kept).join("logs/journal.jsonl").is_file());
    std::fs::remove_dir_all(kept).unwrap();
}
