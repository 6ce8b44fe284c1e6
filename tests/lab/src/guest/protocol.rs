//! What `systemctl` and the lab say to PID 1: one JSON line each way over a unix socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};

/// The control socket, as seen inside the instance.
pub const SOCKET: &str = "/run/lab/control.sock";

/// A request to PID 1.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Request {
    /// The systemctl verb, or `poweroff`.
    pub verb: String,
    /// The units it is about, with their suffix.
    #[serde(default)]
    pub units: Vec<String>,
    /// Don't wait for the job.
    #[serde(default)]
    pub no_block: bool,
    /// The signal of `kill`.
    #[serde(default)]
    pub signal: Option<String>,
}

/// What PID 1 answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reply {
    /// The exit status for `systemctl`.
    pub code: i32,
    /// For its standard output.
    pub out: String,
    /// For its standard error.
    pub err: String,
    /// The properties of each unit asked for by `show`.
    #[serde(default)]
    pub properties: Vec<Vec<(String, String)>>,
}

/// Sends one request and waits for its answer.
pub fn ask(socket: &Path, request: &Request) -> Result<Reply> {
    let stream =
        UnixStream::connect(socket).context(|| format!("connect to PID 1 at {}", socket.display()))?;
    let mut line = serde_json::to_string(request).context(|| "write a request to PID 1".into())?;
    line.push('\n');
    (&stream).write_all(line.as_bytes()).context(|| "write to PID 1".into())?;
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).context(|| "read the answer of PID 1".into())?;
    serde_json::from_str(&answer).context(|| format!("understand the answer of PID 1: {answer:?}"))
}
