//! The arrows of a crate: which file uses which, read from the paths that begin with `crate::` or `super::`.
//!
//! Tests are left out: they may look at anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each file and those that it uses. What a folder's own file shows of its files is no arrow.
pub(crate) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The arrows of the crate in this folder of the repository.
pub(crate) fn arrows(folder: &str) -> Arrows {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder).join("src"));
    let shown = files.get("lib").map(|lib| shown(lib)).unwrap_or_default();
    let of = |(name, source): (&String, &String)| {
        let used = used(name, source);
        let to = used.iter().filter_map(|path| file_of(path, &files, &shown)).collect::<BTreeSet<_>>();
        let own = format!("{name}/");
        (name.clone(), to.into_iter().filter(|to| to != name && !to.starts_with(&own)).collect())
    };
    files.iter().filter(|(name, _)| *name != "lib").map(of).collect()
}

fn sources(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut dirs) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().with_extension("").display().to_string();
                found.insert(name, code(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The file without its comments and its tests.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The names that lib.rs shows, and where each is made.
fn shown(lib: &str) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for statement in lib.split("pub use ").skip(1) {
        let mut paths = Vec::new();
        written_out(&path_at(statement), String::new(), &mut paths);
        for path in paths {
            let (file, name) = path.rsplit_once("::").unwrap();
            shown.insert(name.to_owned(), file.replace("::", "/"));
        }
    }
    shown
}

/// The paths below the crate's root that a file names, each written out.
fn used(file: &str, code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some(at) = ["crate::", "super::"].iter().filter_map(|word| rest.find(word)).min() {
        let is_word = rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let path = path_at(&rest[at..]);
        let after = &rest[at + "crate::".len()..];
        rest = after;
        if is_word {
            continue;
        }
        let (mut below, mut room) = (path.as_str(), file);
        if let Some(path) = below.strip_prefix("crate::") {
            (below, room) = (path, "");
        }
        while let Some(path) = below.strip_prefix("super::") {
            (below, room) = (path, room.rsplit_once('/').map_or("", |(parent, _)| parent));
            rest = rest.strip_prefix("super::").unwrap_or(rest);
        }
        let room = if room.is_empty() { String::new() } else { format!("{}::", room.replace('/', "::")) };
        written_out(below, room, &mut paths);
    }
    paths
}

/// The path at the beginning of this text, its groups too, without white space.
fn path_at(text: &str) -> String {
    let (mut path, mut depth) = (String::new(), 0);
    for c in text.chars() {
        match c {
            '{' if depth > 0 || path.ends_with("::") => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            _ if c.is_alphanumeric() || c == '_' || c == ':' || c == '*' => {}
            _ => break,
        }
        if !c.is_whitespace() {
            path.push(c);
        }
        if c == '}' && depth == 0 {
            break;
        }
    }
    path
}

fn written_out(path: &str, before: String, to: &mut Vec<String>) {
    let Some((head, group)) = path.split_once('{') else {
        to.push(before + path);
        return;
    };
    let (mut depth, mut item) = (0, String::new());
    for c in group.strip_suffix('}').unwrap_or(group).chars() {
        match c {
            ',' if depth == 0 => written_out(&std::mem::take(&mut item), format!("{before}{head}"), to),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                item.push(c);
            }
        }
    }
    if !item.is_empty() {
        written_out(&item, format!("{before}{head}"), to);
    }
}

/// The file that a path leads to: the longest that there is.
fn file_of(path: &str, files: &BTreeMap<String, String>, shown: &BTreeMap<String, String>) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    if let Some(file) = shown.get(parts[0]) {
        return Some(file.clone());
    }
    (1..=parts.len()).rev().map(|n| parts[..n].join("/")).find(|name| files.contains_key(name))
}
