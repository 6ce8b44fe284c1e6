//! A scenario from its file to its end, by the command that a person types.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::process::Command;

fn play(scenario: &str) -> std::process::Output {
    let path = lab::image::repository().join("tests/scenarios").join(scenario);
    Command::new(env!("CARGO_BIN_EXE_lab")).arg("run").arg(path).output().unwrap()
}

#[test]
fn devices_follow_the_region_over_attach_reboot_and_detach() {
    lab::commands::require(&["ip", "losetup", "nsenter", "mkfs.xfs", "xfs_io", "curl"]).unwrap();
    let played = play("devices.toml");
    let said = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{said}{}", String::from_utf8_lossy(&played.stderr));
    assert!(said.contains("lab: it holds"), "{said}");
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
