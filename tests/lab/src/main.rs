//! The command `lab`; inside an instance the same program is `systemctl`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let called = args.first().and_then(|path| Path::new(path).file_name()?.to_str());
    let code =
        if called == Some("systemctl") { lab::guest::systemctl::main(&args[1..]) } else { lab::cli::main() };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
