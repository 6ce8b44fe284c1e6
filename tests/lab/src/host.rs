//! What the host looks like from outside the lab: namespaces, loop devices, mounts, global sysctls. Read before and after,
//! the difference must be empty; every lab asserts that when it ends, and so do the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::error::{Context, Result};

/// The directories of `/proc/sys` whose values belong to the whole machine and that a lab could touch by mistake.
const SYSCTLS: &[&str] = &[
    "/proc/sys/net/ipv4/conf/all",
    "/proc/sys/net/ipv4/conf/default",
    "/proc/sys/net/ipv4/neigh/default",
    "/proc/sys/net/ipv6/conf/all",
    "/proc/sys/net/ipv6/conf/default",
    "/proc/sys/net/ipv4",
    "/proc/sys/net/core",
    "/proc/sys/vm",
];

/// Values in those directories that change by themselves.
const RESTLESS: &[&str] =
    &["nr_hugepages_mempolicy", "drop_caches", "compact_memory", "stat_refresh", "tcp_fastopen_key"];

/// One reading of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    netns: BTreeSet<String>,
    loops: BTreeSet<String>,
    mounts: BTreeSet<String>,
    sysctls: BTreeMap<String, String>,
}

impl Host {
    /// Reads it now.
    pub fn read() -> Result<Host> {
        let names = |dir: &str| -> BTreeSet<String> {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
        };
        let mut loops = BTreeSet::new();
        for block in names("/sys/block") {
            if let Ok(file) = fs::read_to_string(format!("/sys/block/{block}/loop/backing_file")) {
                loops.insert(format!("/dev/{block} {}", file.trim_end()));
            }
        }
        let table =
            fs::read_to_string("/proc/self/mountinfo").context(|| "read /proc/self/mountinfo".into())?;
        let mounts = table.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect();
        let mut sysctls = BTreeMap::new();
        for dir in SYSCTLS {
            for name in names(dir) {
                let path = format!("{dir}/{name}");
                if RESTLESS.contains(&name.as_str()) || !fs::metadata(&path).is_ok_and(|m| m.is_file()) {
                    continue;
                }
                if let Ok(value) = fs::read_to_string(&path) {
                    sysctls.insert(path, value.trim().to_owned());
                }
            }
        }
        Ok(Host { netns: names("/run/netns"), loops, mounts, sysctls })
    }

    /// What of this reading has the id of a lab.
    pub fn with_id(&self, lab: &str) -> Vec<String> {
        let empty = Host {
            netns: BTreeSet::new(),
            loops: BTreeSet::new(),
            mounts: BTreeSet::new(),
            sysctls: BTreeMap::new(),
        };
        empty.left_by(lab, self)
    }

    /// What `after` has that this reading did not, as far as it names this lab; and every global sysctl that changed,
    /// whoever did it. Other labs of the machine come and go meanwhile, so what does not have our id is not ours to judge.
    pub fn left_by(&self, lab: &str, after: &Host) -> Vec<String> {
        let mut left = Vec::new();
        let mut new = |kind: &str, before: &BTreeSet<String>, now: &BTreeSet<String>| {
            left.extend(
                now.difference(before).filter(|name| name.contains(lab)).map(|name| format!("{kind} {name}")),
            );
        };
        new("network namespace", &self.netns, &after.netns);
        new("loop device", &self.loops, &after.loops);
        new("mount", &self.mounts, &after.mounts);
        for (path, value) in &self.sysctls {
            if let Some(now) = after.sysctls.get(path).filter(|now| *now != value) {
                left.push(format!("sysctl {path}: was {value:?}, is {now:?}"));
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_netns(names: &[&str]) -> Host {
        let mut host = Host {
            netns: BTreeSet::new(),
            loops: BTreeSet::new(),
            mounts: BTreeSet::new(),
            sysctls: BTreeMap::new(),
        };
        host.netns = names.iter().map(|n| (*n).to_owned()).collect();
        host.sysctls.insert("/proc/sys/net/ipv4/ip_forward".into(), "0".into());
        host
    }

    #[test]
    fn names_what_bears_the_id_of_the_lab_and_nothing_of_others() {
        let before = with_netns(&["old"]);
        let after = with_netns(&["old", "bl12ab-fab", "bl9999-fab", "somebody"]);
        assert_eq!(before.left_by("bl12ab", &after), ["network namespace bl12ab-fab"]);
    }

    #[test]
    fn names_a_global_sysctl_that_changed() {
        let before = with_netns(&[]);
        let mut after = before.clone();
        after.sysctls.insert("/proc/sys/net/ipv4/ip_forward".into(), "1".into());
        assert_eq!(
            before.left_by("bl12ab", &after),
            ["sysctl /proc/sys/net/ipv4/ip_forward: was \"0\", is \"1\""]
        );
    }
}
