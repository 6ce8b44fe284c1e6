//! The wire, judged by the unchanged aws CLI and boto3: runs tests/contract/run.sh on the built `region`.

use std::path::Path;
use std::process::Command;

#[test]
fn the_aws_cli_and_boto3_agree_with_the_wire() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contract/run.sh");
    let output = Command::new("sh").arg(&script).arg(env!("CARGO_BIN_EXE_region")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}");
    assert!(output.status.success(), "{}: {}\n{out}\n{err}", script.display(), output.status);
}
