//! This host: its disks, its network, its service manager, its clocks and berth's own files.

pub(crate) mod config_files;
pub(crate) mod disks;
mod files;
pub(crate) mod lock_file;
pub(crate) mod managers;
pub(crate) mod names;
pub(crate) mod netlink;
pub(crate) mod os_error;
mod own_directory;
pub(crate) mod systemd;
mod this_host;
pub(crate) mod timeline;

pub(crate) use own_directory::RUN;
pub(crate) use this_host::ThisHost;
