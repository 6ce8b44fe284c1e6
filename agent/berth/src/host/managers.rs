//! The other managers of this host's network, by their files below /run and their own tools.

use super::files::replace;
use async_trait::async_trait;
use berth_lifecycle::ports::{Managers, NetworkError};
use berth_plan::MacAddress;
use berth_plan::network::unmanaged::{ManagerFile, PREFIX, network_manager, networkd};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// For how long one tool may take.
const TOOL_WITHIN: Duration = Duration::from_secs(10);

/// A manager: its unit, and how it reads its files anew.
struct Manager {
    unit: &'static str,
    reload: &'static [&'static str],
    file: fn(MacAddress) -> ManagerFile,
}

/// `networkctl reload` since systemd 244; `nmcli general reload` since NetworkManager 1.22, "conf" leaves DNS as it is.
const MANAGERS: [Manager; 2] = [
    Manager { unit: "systemd-networkd.service", reload: &["networkctl", "reload"], file: networkd },
    Manager {
        unit: "NetworkManager.service",
        reload: &["nmcli", "general", "reload", "conf"],
        file: network_manager,
    },
];

/// Those of this host.
pub(crate) struct HostManagers;

impl Manager {
    /// One that does not run reads its files when it starts.
    async fn reload(&self) -> Result<(), NetworkError> {
        let is_active = run(&["systemctl", "is-active", "--quiet", self.unit]).await?.is_ok();
        if !is_active {
            return Ok(());
        }
        run(self.reload).await?.map_err(NetworkError)
    }

    async fn mark(&self, mac: MacAddress) -> Result<(), NetworkError> {
        let file = (self.file)(mac);
        if write(&file)? { self.reload().await } else { Ok(()) }
    }

    async fn forget_all(&self) -> Result<(), NetworkError> {
        let any = MacAddress([0; 6]);
        if remove_all_beside(&(self.file)(any))? { self.reload().await } else { Ok(()) }
    }

    async fn forget(&self, mac: MacAddress) -> Result<(), NetworkError> {
        let path = (self.file)(mac).path;
        match fs::remove_file(&path) {
            Ok(()) => self.reload().await,
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(NetworkError(format!("remove {path}: {error}"))),
        }
    }
}

/// Removes all files of berth beside this one; whether there were any.
fn remove_all_beside(file: &ManagerFile) -> Result<bool, NetworkError> {
    let dir = Path::new(&file.path).parent().unwrap_or(Path::new("/run"));
    let failed =
        |what: &Path, error| NetworkError(format!("remove berth's files of {}: {error}", what.display()));
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(dir, error)),
    };
    let mut removed = false;
    for entry in entries {
        let path = entry.map_err(|error| failed(dir, error))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
            removed = true;
        }
    }
    Ok(removed)
}

/// Whether it was not there already.
fn write(file: &ManagerFile) -> Result<bool, NetworkError> {
    if fs::read(&file.path).is_ok_and(|now| now == file.text.as_bytes()) {
        return Ok(false);
    }
    let path = Path::new(&file.path);
    let dir = path.parent().unwrap_or(Path::new("/run"));
    fs::create_dir_all(dir).map_err(|error| NetworkError(format!("make {}: {error}", dir.display())))?;
    replace(path, file.text.as_bytes(), 0o644, None).map_err(|error| NetworkError(error.0))?;
    Ok(true)
}

/// Runs a tool: whether it succeeded, else what it said. The outer error: it could not be run to its end.
async fn run(line: &[&str]) -> Result<Result<(), String>, NetworkError> {
    let what = line.join(" ");
    let mut tool = Command::new(line[0]);
    tool.args(&line[1..]).stdin(Stdio::null()).kill_on_drop(true);
    let output = match timeout(TOOL_WITHIN, tool.output()).await {
        Ok(output) => output.map_err(|error| NetworkError(format!("{what}: {error}")))?,
        Err(_) => {
            return Err(NetworkError(format!("{what}: did not end within {} s", TOOL_WITHIN.as_secs())));
        }
    };
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Ok(Err(format!("{what} ended with {}: {said}", output.status)))
}

/// Each manager is told, whatever became of the other.
fn both(first: Result<(), NetworkError>, second: Result<(), NetworkError>) -> Result<(), NetworkError> {
    match (first, second) {
        (Err(first), Err(second)) => Err(NetworkError(format!("{first}; {second}"))),
        (first, second) => first.and(second),
    }
}

#[async_trait]
impl Managers for HostManagers {
    async fn mark_unmanaged(&self, mac: MacAddress) -> Result<(), NetworkError> {
        let [first, second] = &MANAGERS;
        let (first, second) = tokio::join!(first.mark(mac), second.mark(mac));
        both(first, second)
    }

    async fn forget_unmanaged(&self, mac: MacAddress) -> Result<(), NetworkError> {
        let [first, second] = &MANAGERS;
        let (first, second) = tokio::join!(first.forget(mac), second.forget(mac));
        both(first, second)
    }

    async fn forget_all_unmanaged(&self) -> Result<(), NetworkError> {
        let [first, second] = &MANAGERS;
        let (first, second) = tokio::join!(first.forget_all(), second.forget_all());
        both(first, second)
    }
}
