//! What berth knows of the service that a slot runs: Kafka in ZooKeeper mode.

pub mod identity;
pub mod leaving;
pub mod properties;
pub mod readiness;
mod registration;
pub mod start_command;

pub use registration::{Endpoint, Incarnation, Registration, Whose, endpoint, whose};
