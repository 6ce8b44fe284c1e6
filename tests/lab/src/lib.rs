//! Instances as namespaces, on one machine: a VPC, EBS volumes, instance metadata, `systemd`, ZooKeeper and Kafka, around the
//! region and the built program. Everything real but the cloud; what it makes on the host it takes away again.

pub mod commands;
pub mod error;
pub mod fabric;
pub mod guest;
pub mod host;
pub mod image;
pub mod instance;
pub mod ledger;
pub mod netns;
pub mod volume;
