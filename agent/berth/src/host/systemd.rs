//! The service manager, by systemctl.

use async_trait::async_trait;
use berth_lifecycle::ports::{Service, ServiceError, Unit, UnitState};
use berth_plan::remote_text::bounded;
use std::collections::BTreeMap;
use std::process::Stdio;
use tokio::process::Command;

/// systemd.
pub(crate) struct Systemd;

async fn systemctl(arguments: &[&str]) -> Result<String, ServiceError> {
    let what = format!("systemctl {}", arguments.join(" "));
    // Who stops waiting for a manager that does not answer leaves no systemctl behind.
    let output =
        Command::new("systemctl").args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| ServiceError(format!("{what}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = bounded(&String::from_utf8_lossy(&output.stderr));
    Err(ServiceError(format!("{what} ended with {}: {said}", output.status)))
}

fn unit(properties: &str) -> Unit {
    let values: BTreeMap<&str, &str> = properties.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |key: &str| values.get(key).copied().unwrap_or_default();
    let state = match (value("LoadState"), value("ActiveState")) {
        ("not-found" | "bad-setting" | "error" | "masked", _) => UnitState::Missing,
        (_, "active" | "reloading") => UnitState::Active,
        (_, "activating") => UnitState::Activating,
        (_, "deactivating") => UnitState::Deactivating,
        (_, "failed") => UnitState::Failed,
        _ => UnitState::Inactive,
    };
    Unit { state, invocation: value("InvocationID").to_owned(), result: bounded(value("Result")) }
}

#[async_trait]
impl Service for Systemd {
    async fn unit(&self, name: &str) -> Result<Unit, ServiceError> {
        let shown =
            systemctl(&["show", "-p", "LoadState,ActiveState,InvocationID,Result", "--", name]).await?;
        Ok(unit(&shown))
    }

    async fn start(&self, name: &str) -> Result<(), ServiceError> {
        systemctl(&["start", "--no-block", "--", name]).await.map(|_| ())
    }

    async fn stop(&self, name: &str) -> Result<(), ServiceError> {
        systemctl(&["stop", "--", name]).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_waits_for_its_restart_is_not_failed() {
        let text = "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nInvocationID=ab\nResult=exit-code\n";
        assert_eq!(
            unit(text),
            Unit { state: UnitState::Activating, invocation: "ab".into(), result: "exit-code".into() }
        );
    }

    #[test]
    fn a_unit_without_a_file_is_missing() {
        assert_eq!(unit("LoadState=not-found\nActiveState=inactive\n").state, UnitState::Missing);
    }
}
