//! What berth knows of the service that a slot runs: Kafka in ZooKeeper mode.

pub mod identity;
pub mod properties;
pub mod readiness;
mod registration;

pub use registration::{Incarnation, Registration};
