//! Settings of one link below /proc/sys, where it is known by its name, which may change at any moment.

use berth_plan::network::SYSCTLS;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

/// The settings of [`SYSCTLS`] that exist for a link of this name.
pub(super) fn read(link: &str) -> BTreeMap<String, String> {
    SYSCTLS
        .iter()
        .filter_map(|(path, _)| {
            let path = path.replace("{link}", link);
            let value = std::fs::read_to_string(format!("/proc/sys/{path}")).ok()?;
            Some((path, value.trim().to_owned()))
        })
        .collect()
}

/// A setting opened for writing. It stays that of the link that had the name when it was opened: once that link has
/// another name, a write fails with ENOENT (kernel, fs/proc/proc_sysctl.c, grab_header).
pub(super) struct Setting(File);

impl Setting {
    pub(super) fn open(path: &str) -> io::Result<Self> {
        OpenOptions::new().write(true).open(format!("/proc/sys/{path}")).map(Self)
    }

    pub(super) fn write(mut self, value: &str) -> io::Result<()> {
        self.0.write_all(value.as_bytes())
    }
}
