//! The decisions of berth, and the types that carry its rules.
//!
//! Everything here is a pure function from what was observed to a value that says what to do. There is no clock, no
//! file, no socket and no environment in this crate: what a decision needs is handed in, and its test builds that
//! by hand.

pub mod addressing;
pub mod config;
pub mod conflicts;
pub mod disk;
pub mod ec2;
mod fs;
pub mod ids;
pub mod listeners;
pub mod network;
pub mod outcome;
pub mod permit;
pub mod records;
pub mod remote_text;
pub mod service;
pub mod slot;
pub mod time;

pub use addressing::{MacAddress, Subnet};
pub use ids::{
    AttachmentId, BootId, BrokerId, Domain, EniId, GroupName, InstanceId, InstanceType, LogicalId, Region,
    RoleName, StackName, SubnetId, Token, VolumeId, Zone, ZoneId,
};
pub use time::{SinceBoot, StoreTime, UnixTime};
