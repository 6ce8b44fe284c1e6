//! What the stories need of the world, as small as they need it.

mod claims;
mod cloud;
mod disks;
mod host;
mod managers;
mod network;
mod permit;
mod registrations;
mod service;
mod signals;
mod timeline;

pub use claims::{Claims, ClaimsError, Locked, Turn};
pub use cloud::{Cloud, CloudError, Refusal};
pub use disks::{Device, DiskError, Disks, MountUser, Mounted};
pub use host::{Host, HostError};
pub use managers::Managers;
pub use network::{Network, NetworkError, Reached};
pub use permit::Permits;
pub use registrations::{RegisterError, Registrations};
pub use service::{Service, ServiceError, Unit, UnitState};
pub use signals::{Hook, Receipt, SignalError, Signals, Transition};
pub use timeline::Timeline;

use std::sync::Arc;

/// All ports of one run.
#[derive(Clone)]
pub struct Ports {
    /// EC2, and Auto Scaling's view of instances.
    pub cloud: Arc<dyn Cloud>,
    /// Lock, intents and records.
    pub claims: Arc<dyn Claims>,
    /// The service's own view of its cluster.
    pub registrations: Arc<dyn Registrations>,
    /// The kernel's links, addresses, routes and rules.
    pub network: Arc<dyn Network>,
    /// The other programs of this host that configure links.
    pub managers: Arc<dyn Managers>,
    /// Block devices, file systems and mounts.
    pub disks: Arc<dyn Disks>,
    /// The unit.
    pub service: Arc<dyn Service>,
    /// CloudFormation and Auto Scaling, as listeners.
    pub signals: Arc<dyn Signals>,
    /// Clocks, chance, and berth's own files.
    pub host: Arc<dyn Host>,
    /// Where progress is shown.
    pub timeline: Arc<dyn Timeline>,
}
