//! The decisions of berth, and the types that carry its rules.
//!
//! Everything here is a pure function from what was observed to a value that says what to do. There is no clock, no
//! file, no socket and no environment in this crate: what a decision needs is handed in, and its test builds that
//! by hand.

pub mod addressing;
pub mod choose;
pub mod claim;
pub mod config;
pub mod consent;
pub mod contradiction;
pub mod holder;
pub mod identity;
pub mod ids;
pub mod network;
pub mod picture;
pub mod probe;
pub mod properties;
pub mod prospect;
pub mod readiness;
pub mod telling;

pub use addressing::{MacAddress, Subnet};
pub use ids::{AttachmentId, BootId, BrokerId, EniId, InstanceId, Millis, SubnetId, Token, VolumeId, Zone};
