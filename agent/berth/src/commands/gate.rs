//! `berth gate`.

use super::failed;
use crate::aws::imds;
use crate::host::ThisHost;
use crate::host::disks::HostDisks;
use berth_lifecycle::stories::gate::gate as story;
use berth_plan::config::Config;

pub(super) async fn gate(config: &Config) -> u8 {
    let boot = match imds::boot_id() {
        Ok(id) => id,
        Err(sentence) => return failed(&sentence, 1),
    };
    match story(&ThisHost, &HostDisks, &boot, &config.mount).await {
        Ok(slot) => {
            tracing::debug!(%slot, "the gate is open");
            0
        }
        Err(sentence) => failed(&sentence, 1),
    }
}
