//! The stories: each is one thing that berth does from its beginning to its end.

pub mod boot;
pub mod gate;
mod on_trouble;
mod pass_over;
pub mod preview;
pub mod release;
pub mod slot;
mod unconfigured;
mod unwind;

pub use unconfigured::unconfigured;
