//! The user-data that instances run: the shipped script, with the two values at its top that every user fills in.

use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::image::repository;

/// The shipped script for this cluster; `config` are further lines for berth.toml.
pub fn shipped(cluster: &str, zookeeper: &str, config: &str) -> Result<String> {
    let path = repository().join("packer/files/user-data.sh");
    let text = std::fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
    fill(&text, cluster, zookeeper, config).map_err(|said| Error::new(format!("{}: {said}", path.display())))
}

/// A script beside a scenario.
pub fn file(directory: &Path, name: &Path) -> Result<String> {
    let path = directory.join(name);
    std::fs::read_to_string(&path).context(|| format!("read the user-data {}", path.display()))
}

fn fill(script: &str, cluster: &str, zookeeper: &str, config: &str) -> std::result::Result<String, String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut named, mut placed) = (0, false);
    for line in script.lines() {
        if line.starts_with("cluster='") {
            lines.push(format!("cluster='{cluster}'"));
            named += 1;
        } else if line.starts_with("zookeeper='") {
            lines.push(format!("zookeeper='{zookeeper}'"));
            named += 1;
        } else {
            if line == "END" && !config.is_empty() {
                lines.extend(config.lines().map(str::to_owned));
                placed = true;
            }
            lines.push(line.to_owned());
        }
    }
    if named != 2 {
        return Err("the lines cluster='...' and zookeeper='...' are not there once each".into());
    }
    if !config.is_empty() && !placed {
        return Err("there is no line END to put further configuration before".into());
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_users_two_lines_change_and_configuration_is_added_at_its_end() {
        let script =
            "#!/bin/bash\ncluster='orders'\nzookeeper='h:2181'\ncat <<END\ncluster = \"$cluster\"\nEND\nx\n";
        assert_eq!(
            fill(script, "c", "z:2181/k", "[boot]\ndeadline = \"1m\"").unwrap(),
            "#!/bin/bash\ncluster='c'\nzookeeper='z:2181/k'\ncat <<END\ncluster = \"$cluster\"\n[boot]\ndeadline = \"1m\"\nEND\nx\n"
        );
        assert!(fill("#!/bin/sh\n", "c", "z", "").is_err());
    }

    #[test]
    fn the_shipped_script_can_be_filled() {
        let script = shipped("c", "10.0.1.200:2181/kafka", "").unwrap();
        assert!(script.starts_with("#!") && script.contains("cluster='c'"));
    }
}
