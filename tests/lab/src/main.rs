//! The command `lab`.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let name =
        args.first().map(PathBuf::from).and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    if name.as_deref() == Some("systemctl") {
        return ExitCode::from(lab::guest::systemctl::main(&args[1..]) as u8);
    }
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let result = match words.as_slice() {
        ["init", "--pid1", spec] => lab::guest::pid1::inner(spec.as_ref()).map(|()| 1),
        ["init", spec] => lab::guest::pid1::outer(spec.as_ref()),
        _ => Ok(64),
    };
    match result {
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => {
            eprintln!("lab: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}
