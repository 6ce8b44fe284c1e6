//! The configuration files of this host: the shipped defaults, the host's file, and the files laid over it.

use berth_plan::config::{Config, Layers};
use std::fs;
use std::path::{Path, PathBuf};

/// Defaults that an image may ship.
const SHIPPED: &str = "/usr/lib/berth/defaults.toml";

/// Reads and checks the configuration. The error is one sentence with the place.
pub(crate) fn load(file: &Path) -> Result<Config, String> {
    let mut layers = Layers::default();
    if Path::new(SHIPPED).exists() {
        over(&mut layers, Path::new(SHIPPED))?;
    }
    if !file.exists() {
        return Err(format!(
            "{}: no such file; two lines are a whole one: cluster = \"…\" and zookeeper = \"host:2181,…/chroot\"",
            file.display()
        ));
    }
    over(&mut layers, file)?;
    for path in beside(file)? {
        over(&mut layers, &path)?;
    }
    Config::of(&layers).map_err(|refused| refused.to_string())
}

fn over(layers: &mut Layers, path: &Path) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        format!("{}:{line}: the file is not UTF-8", path.display())
    })?;
    layers.over(&path.display().to_string(), &text).map_err(|refused| refused.to_string())
}

/// `berth.d/*.toml` beside `berth.toml`, in order of name.
fn beside(file: &Path) -> Result<Vec<PathBuf>, String> {
    let dir = file.with_extension("d");
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", dir.display())),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", dir.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_directory_are_laid_over_in_order_of_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("berth.toml");
        fs::create_dir(dir.path().join("berth.d")).unwrap();
        fs::write(&file, "cluster = \"a\"\nzookeeper = \"z\"\n").unwrap();
        fs::write(dir.path().join("berth.d/20.toml"), "cluster = \"c\"\n").unwrap();
        fs::write(dir.path().join("berth.d/10.toml"), "cluster = \"b\"\nzookeeper = \"y\"\n").unwrap();
        fs::write(dir.path().join("berth.d/README"), "not TOML").unwrap();
        let config = load(&file).unwrap();
        assert_eq!((config.cluster.as_str(), config.zookeeper_connect().as_str()), ("c", "y:2181"));
    }

    #[test]
    fn a_missing_file_and_one_that_is_no_text_are_sentences() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("berth.toml");
        assert!(load(&file).unwrap_err().contains("no such file"));
        fs::write(&file, b"cluster = \"a\"\n\xff").unwrap();
        assert!(load(&file).unwrap_err().ends_with("berth.toml:2: the file is not UTF-8"));
    }
}
