//! The service manager, by systemctl. Each call has a bound: a manager that does not answer is trouble of this host.

mod show;
mod shutdown;

use async_trait::async_trait;
use berth_lifecycle::ports::{Service, ServiceError, Unit};
use berth_plan::UnixTime;
use berth_plan::remote_text::bounded;
use berth_plan::service::start_command::StartCommand;
pub(crate) use shutdown::{GoingDown, going_down};

use show::{Shown, environment_of};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// A look, and a change that waits for nothing.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// A start is only asked for.
const ASKED_WITHIN: Duration = Duration::from_secs(30);

/// What a stop may take beyond the unit's own `TimeoutStopSec=`: SIGKILL, and the reaping of what is left.
const STOP_MARGIN: Duration = Duration::from_secs(30);

/// How long a stop may take whose unit has no bound of its own (`TimeoutStopSec=infinity`).
const LONGEST_STOP: Duration = Duration::from_secs(3_600);

/// systemd.
pub(crate) struct Systemd;

/// Runs systemctl; without a bound it is waited for until it ends.
async fn systemctl(arguments: &[&str], within: Option<Duration>) -> Result<String, ServiceError> {
    let what = format!("systemctl {}", arguments.join(" "));
    // Who stops waiting for a manager that does not answer leaves no systemctl behind.
    let mut command = Command::new("systemctl");
    command.env("TZ", "UTC");
    let output = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match within {
        None => output.await,
        Some(within) => timeout(within, output).await.map_err(|_| {
            ServiceError(format!(
                "{what}: no end within {} s; see systemctl list-jobs and journalctl -b",
                within.as_secs()
            ))
        })?,
    };
    let output = output.map_err(|error| ServiceError(format!("{what}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = bounded(&String::from_utf8_lossy(&output.stderr));
    Err(ServiceError(format!("{what} ended with {}: {said}", output.status)))
}

async fn show(name: &str, properties: &str) -> Result<Shown, ServiceError> {
    let text = systemctl(&["show", "-p", properties, "--", name], Some(ANSWERS_WITHIN)).await?;
    Ok(Shown::read(&text))
}

/// The jobs that are queued: one a line, as `systemctl list-jobs --no-legend` prints them.
async fn list_jobs() -> Result<String, ServiceError> {
    systemctl(&["list-jobs", "--no-legend", "--no-pager"], Some(ANSWERS_WITHIN)).await
}

impl Systemd {
    /// Since when the unit is in its state; none where it never was in another, or the manager does
    /// not say.
    pub(crate) async fn since(&self, name: &str) -> Result<Option<UnixTime>, ServiceError> {
        let shown =
            systemctl(&["show", "-p", "StateChangeTimestamp", "--", name], Some(ANSWERS_WITHIN)).await?;
        Ok(changed(&shown))
    }
}

/// systemctl writes the time in its own zone, which here is UTC: `Fri 2026-11-27 14:02:33 UTC`.
fn changed(property: &str) -> Option<UnixTime> {
    let mut words = property.trim().strip_prefix("StateChangeTimestamp=")?.split(' ').skip(1);
    let (day, time) = (words.next()?, words.next()?);
    words.next().filter(|zone| *zone == "UTC")?;
    let at = humantime::parse_rfc3339_weak(&format!("{day} {time}")).ok()?;
    Some(UnixTime::default() + at.duration_since(std::time::UNIX_EPOCH).ok()?)
}

#[async_trait]
impl Service for Systemd {
    async fn unit(&self, name: &str) -> Result<Unit, ServiceError> {
        Ok(show(name, "LoadState,ActiveState,InvocationID,Result").await?.unit())
    }

    async fn start_command(&self, name: &str) -> Result<Option<StartCommand>, ServiceError> {
        let properties =
            "LoadState,ExecStart,Environment,EnvironmentFiles,WorkingDirectory,FragmentPath,DropInPaths";
        let shown = show(name, properties).await?;
        let Some(mut command) = shown.start_command() else { return Ok(None) };
        for path in shown.environment_files() {
            // One that cannot be read is the unit's own trouble, or it said that it may be missing.
            if let Ok(text) = tokio::fs::read_to_string(&path).await {
                command.environment.extend(environment_of(&text));
            }
        }
        Ok(Some(command))
    }

    async fn forget_failures(&self, name: &str) -> Result<(), ServiceError> {
        match systemctl(&["reset-failed", "--", name], Some(ANSWERS_WITHIN)).await {
            // A unit that systemd has let go of has no failures.
            Err(error) if error.0.contains("not loaded") => Ok(()),
            done => done.map(|_| ()),
        }
    }

    async fn start(&self, name: &str) -> Result<(), ServiceError> {
        systemctl(&["start", "--no-block", "--", name], Some(ASKED_WITHIN)).await.map(|_| ())
    }

    async fn stop(&self, name: &str) -> Result<(), ServiceError> {
        let own = show(name, "TimeoutStopUSec").await?.stop_timeout();
        let within = own.unwrap_or(LONGEST_STOP) + STOP_MARGIN;
        systemctl(&["stop", "--", name], Some(within)).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_last_change_is_read_in_utc_alone() {
        assert_eq!(
            changed("StateChangeTimestamp=Fri 2026-11-27 14:02:33 UTC\n"),
            Some(UnixTime::from_millis(1_795_788_153_000))
        );
        for none in ["StateChangeTimestamp=\n", "", "StateChangeTimestamp=Fri 2026-11-27 14:02:33 CET"] {
            assert_eq!(changed(none), None, "{none}");
        }
    }
}
