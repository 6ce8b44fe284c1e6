//! Configuration: defaults, then `/etc/berth/berth.toml`, then `/etc/berth/berth.d/*.toml`, strict. The files of
//! `berth.d` are one layer: none of them is over another.
//!
//! An unknown key, a bad value or a missing key is one sentence with the place and the nearest right name.

mod check;
mod connect;
mod layer;
mod listeners;
mod schema;
mod values;

pub use check::{Config, NoZoneId, Ready};
pub use layer::{Layers, Place, Refused};
pub use schema::{KEYS, Key};
pub use values::Telling;
