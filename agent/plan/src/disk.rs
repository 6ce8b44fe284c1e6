//! The slot's volume: what is on it, whether it may be formatted, and what becomes of it.

pub mod consent;
pub mod plan;
pub mod preview;
pub mod probe;
pub mod whose;

pub use crate::fs::{Fs, FsName, FsUuid, NoUuid};
