//! The configuration files of this host: the shipped defaults, the host's file, and the files laid over it.

use berth_plan::config::{Config, Layers};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Defaults that an image may ship.
const SHIPPED: &str = "/usr/lib/berth/defaults.toml";

/// Reads and checks the configuration. The error is one sentence with the place.
pub(crate) fn load(file: &Path) -> Result<Config, String> {
    let mut layers = Layers::default();
    if Path::new(SHIPPED).exists() {
        over(&mut layers, Path::new(SHIPPED))?;
    }
    over(&mut layers, file)?;
    for (n, path) in beside(file)?.iter().enumerate() {
        let (name, text) = read(path)?;
        let laid = if n == 0 { layers.over(&name, &text) } else { layers.beside(&name, &text) };
        laid.map_err(|refused| refused.to_string())?;
    }
    Config::of(&layers).map_err(|refused| refused.to_string())
}

fn over(layers: &mut Layers, path: &Path) -> Result<(), String> {
    let (name, text) = read(path)?;
    layers.over(&name, &text).map_err(|refused| refused.to_string())
}

/// The file's name as the sentences say it, and its text.
fn read(path: &Path) -> Result<(String, String), String> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!(
            "{name}: no such file; two lines are a whole one: cluster = \"…\" and zookeeper = \"host:2181,…/chroot\""
        ),
        ErrorKind::IsADirectory => format!("{name}: this is a directory; the configuration is a file"),
        _ => format!("{name}: the file cannot be read: {error}"),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let (valid, rest) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let before = String::from_utf8_lossy(valid);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |text| text.chars().count()) + 1;
        format!("{name}:{line}:{column}: the byte 0x{:02x} is not UTF-8; save the file as UTF-8", rest[0])
    })?;
    Ok((name, text))
}

/// `berth.d/*.toml` beside `berth.toml`, in order of name. A file that would be passed over in silence is a setting that
/// somebody believes in; what editors and packages leave there is none.
fn beside(file: &Path) -> Result<Vec<PathBuf>, String> {
    let dir = file.with_extension("d");
    let failed = |error: std::io::Error| format!("{}: the directory cannot be read: {error}", dir.display());
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with('~') || name.starts_with("README") {
            continue;
        }
        paths.push(path);
    }
    paths.sort();
    match paths.iter().find(|path| path.extension().is_none_or(|extension| extension != "toml")) {
        Some(other) => Err(format!(
            "{}: only files named *.toml are read from this directory; name it so, or take it away",
            other.display()
        )),
        None => Ok(paths),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_over_the_file_and_is_one_layer() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("berth.toml");
        fs::create_dir(dir.path().join("berth.d")).unwrap();
        fs::write(&file, "cluster = \"a\"\nzookeeper = \"z\"\n").unwrap();
        fs::write(dir.path().join("berth.d/20.toml"), "cluster = \"c\"\nzookeeper = \"y\"\n").unwrap();
        fs::write(dir.path().join("berth.d/10.toml"), "zookeeper = \"y\"\n").unwrap();
        fs::write(dir.path().join("berth.d/README"), "not TOML").unwrap();
        fs::write(dir.path().join("berth.d/.10.toml.swp"), "not TOML").unwrap();
        fs::write(dir.path().join("berth.d/10.toml~"), "not TOML").unwrap();
        let config = load(&file).unwrap();
        assert_eq!((config.cluster.as_str(), config.zookeeper_connect().as_str()), ("c", "y:2181"));
    }
}
