//! The stories of berth: a boot, its unwinding, what `plan` and `status` show, and the ports they speak to.
//!
//! Stories call steps, steps use parts, parts speak to ports; no arrow leads back. A step looks, plans, applies and looks
//! again, and does not know which story it is in. What touches AWS, ZooKeeper, the kernel or a file is behind a port.

mod agent;
mod boot_state;
mod parts;
pub mod ports;
mod retry;
mod step;
mod steps;
pub mod stories;
mod trouble;

pub use agent::{Agent, Me};
pub use boot_state::{Boot, Progress, deadline, metadata_patience};
pub use ports::Ports;
pub use step::Step;
pub use trouble::Trouble;
