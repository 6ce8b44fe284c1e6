//! The steps of a boot and of a release, one file each. No step knows another.

mod attach_eni;
mod attach_volume;
mod configure;
mod hooks;
mod identify;
mod intend;
mod leave;
mod network;
mod prove_identity;
mod ready;
mod signal;
mod start;
mod stop;
mod storage;

pub(crate) use attach_eni::attach_eni;
pub(crate) use attach_volume::attach_volume;
pub(crate) use configure::write_configuration;
pub(crate) use hooks::{
    TOLD_AT_LAST, TOLD_SOON, complete_found, complete_hooks, find_hooks, while_hooks_wait,
};
pub(crate) use identify::{is_for_warm_pool, is_released, refuse_unfit, unfit_now, wait_until_in_service};
pub(crate) use intend::write_intent;
pub(crate) use leave::wait_for_turn_to_leave;
pub(crate) use network::{configure_network, repair_network};
pub(crate) use prove_identity::prove_identity;
pub(crate) use ready::wait_until_ready;
pub(crate) use signal::{
    has_signalled_success, report_unhealthy, signal_failure, signal_success, take_back_unhealthy,
};
pub(crate) use start::start_service;
pub(crate) use stop::{stop_service, wait_for_mount_users, wait_until_deregistered};
pub(crate) use storage::bring_up_storage;
