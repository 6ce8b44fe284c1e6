//! Running the host's own tools (`ip`, `losetup`, `mkfs.xfs`, ...): what was run and what it said end up in the error, and a
//! missing tool is answered with the package that brings it.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::error::{Context, Error, Result};

/// Which Debian package brings a tool that the lab needs.
const PACKAGES: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("losetup", "mount"),
    ("nsenter", "util-linux"),
    ("mkfs.xfs", "xfsprogs"),
    ("mkfs.ext4", "e2fsprogs"),
    ("xfs_io", "xfsprogs"),
    ("blkid", "util-linux"),
    ("kcat", "kcat"),
    ("java", "openjdk-17-jre-headless"),
    ("curl", "curl"),
    ("python3", "python3"),
];

/// The sentence for a tool that is not installed.
pub fn missing(tool: &str) -> String {
    match PACKAGES.iter().find(|(name, _)| *name == tool) {
        Some((_, package)) => {
            format!("`{tool}` is not installed: run `make setup`, or `apt-get install {package}`")
        }
        None => format!("`{tool}` is not installed: run `make setup`"),
    }
}

/// Is this tool in the PATH?
pub fn present(tool: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file()))
}

/// Fails with the sentence that says how to get them unless this process is root and all these tools exist.
pub fn require(tools: &[&str]) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::new("the lab makes namespaces, loop devices and mounts: run it as root (sudo)"));
    }
    match tools.iter().find(|tool| !present(tool)) {
        Some(tool) => Err(Error::new(missing(tool))),
        None => Ok(()),
    }
}

/// A command line as a person would type it.
pub fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs to the end; an exit status other than 0 is an error that carries what the command said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = output(command, None)?;
    succeeded(command, output)
}

/// The same, with text for its standard input.
pub fn run_with_input(command: &mut Command, input: &str) -> Result<String> {
    let output = output(command, Some(input))?;
    succeeded(command, output)
}

/// Shorthand for [`run`].
pub fn tool<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<String> {
    run(Command::new(program).args(args))
}

fn succeeded(command: &Command, output: Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = if said.trim().is_empty() { String::from_utf8_lossy(&output.stdout) } else { said };
    Err(Error::new(format!("`{}` ended with {}: {}", shown(command), output.status, said.trim())))
}

fn output(command: &mut Command, input: Option<&str>) -> Result<Output> {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::new(missing(&command.get_program().to_string_lossy())));
        }
        Err(error) => return Err(error).context(|| format!("start `{}`", shown(command))),
    };
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(text.as_bytes()).context(|| format!("write to `{}`", shown(command)))?;
    }
    child.wait_with_output().context(|| format!("wait for `{}`", shown(command)))
}
