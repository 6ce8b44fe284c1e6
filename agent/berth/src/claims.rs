//! Claims stores, one file each.

mod zookeeper;
