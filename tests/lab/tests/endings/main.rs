//! How a boot fails: whole boots in the lab that cannot go on, that must wait, or that are ended from outside. Each ends
//! within its deadline or goes on, with one sentence, the right exit code, and the right telling or none.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "../common/mod.rs"]
mod common;

mod away;
mod refused;
mod signalled;
