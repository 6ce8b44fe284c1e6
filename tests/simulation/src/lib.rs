//! Whole boots on the region's model, in virtual time.
//!
//! A [`World`] is one region, one ZooKeeper and one host per instance; small adapters let the stories of
//! `berth-lifecycle` run in it. Time is tokio's paused clock, chance comes from one seed: the same seed gives the same
//! journal to the byte. A run that is killed is a future that is dropped, and no adapter does anything when it is
//! dropped: what a killed process would leave behind stays behind.

pub mod broker;
pub mod claims;
mod cloud;
mod code;
pub mod content;
pub mod contract;
mod desk;
mod disks;
pub mod fate;
pub mod host;
mod host_port;
mod kernel;
pub mod laws;
mod listeners;
mod lock;
pub mod permit;
mod react;
mod registrations;
pub mod runs;
pub mod scene;
mod service;
mod session;
pub mod settled;
pub mod walk;
pub mod world;
pub mod zookeeper;

pub use broker::Broker;
pub use content::Content;
pub use fate::{Death, Life, Mishap};
pub use runs::{Berth, Exit, Foretold};
pub use scene::{Scene, Slots};
pub use settled::Settled;
pub use world::{State, World, simulate};
