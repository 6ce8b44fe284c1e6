//! What runs inside an instance: PID 1 with a small systemd, and the `systemctl` that talks to it. Nothing here knows the
//! region or the host; an instance sees only its own namespaces.

pub mod manager;
pub mod pid1;
pub mod protocol;
pub mod root;
mod service;
pub mod systemctl;
pub mod unit;
mod unmask;
