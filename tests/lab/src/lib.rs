//! Instances as namespaces, on one machine: a VPC, EBS volumes, instance metadata, `systemd`, ZooKeeper and Kafka, around the
//! region and the built program. Everything real but the cloud; what it makes on the host it takes away again.

pub mod cli;
pub mod commands;
pub mod demo;
pub mod error;
pub mod fabric;
pub mod guest;
pub mod herd;
pub mod host;
pub mod image;
pub mod instance;
pub mod kafka;
pub mod lab_run;
pub mod ledger;
pub mod netns;
pub mod operator;
pub mod play;
pub mod scenario;
pub mod shared_base;
pub mod story;
pub mod stub_broker;
pub mod user_data;
pub mod volume;
pub mod znodes;
pub mod zookeeper;
