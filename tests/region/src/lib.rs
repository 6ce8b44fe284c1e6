//! A strict small EC2 region, for tests: EC2 (instances, network interfaces, volumes, tags, subnets), Auto Scaling,
//! CloudFormation signals and the instance metadata service. `model` is a pure state machine with explicit time, used
//! in process by simulations; `wire` puts the AWS protocols in front of it. It is stricter and slower than a mock on
//! purpose: what AWS refuses it refuses with AWS's code, what AWS does later it does later.

pub mod model;
pub mod wire;
pub mod world;
