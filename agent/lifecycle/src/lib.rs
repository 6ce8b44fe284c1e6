//! The stories of berth: a boot, its unwinding, what `plan` and `status` show, and the ports they speak to.
//!
//! A story calls steps; a step looks, plans, applies and looks again, and does not know which story it is in. What
//! touches AWS, ZooKeeper, the kernel or a file is behind a port.

pub mod boot;
pub mod gate;
pub mod notes;
pub mod outlook;
mod pass_over;
pub mod patience;
pub mod ports;
mod run;
mod settle;
mod steps;
mod strays;
mod trouble;
mod unconfigured;
mod unwind;

pub use boot::boot;
pub use ports::Ports;
pub use run::{Me, Progress, Run, first_run};
pub use trouble::{Step, Trouble};
pub use unconfigured::unconfigured;
