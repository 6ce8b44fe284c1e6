//! Configuration: defaults, then `/etc/berth/berth.toml`, then `/etc/berth/berth.d/*.toml`, strict.
//!
//! An unknown key, a bad value or a missing key is one sentence with the place and the nearest right name.

mod check;
mod layer;
mod schema;

pub use check::{Config, Ready, Telling};
pub use layer::{Layers, Place, Refused};
pub use schema::{KEYS, Key};
