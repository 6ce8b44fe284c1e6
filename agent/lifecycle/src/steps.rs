//! The steps of a boot, one file each.

mod absences;
mod attach;
mod configure;
mod eni;
mod identify;
pub(crate) mod intend;
mod network;
mod observe;
mod ready;
mod signal;
mod start;
mod storage;

pub(crate) use absences::Absences;
pub(crate) use attach::{hold, outlives_the_instance};
pub(crate) use configure::configure;
pub(crate) use eni::attach_eni;
pub(crate) use identify::refuse_unfit;
pub(crate) use intend::intend;
pub(crate) use network::network;
pub(crate) use observe::{SlotsSeen, observe};
pub(crate) use ready::ready;
pub(crate) use signal::{tell_failure, tell_success, tell_unhealthy, told_success};
pub(crate) use start::{SETTLED, Settled, start, stopped};
pub(crate) use storage::storage;
