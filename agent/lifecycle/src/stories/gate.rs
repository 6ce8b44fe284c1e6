//! The gate before the unit: it opens only where this boot holds a settled slot.
//!
//! `ExecStartPre=+berth gate` keeps Kafka from starting on the root disk, by hand or by its own `Restart=`.

use crate::parts::settled::{self, Settled};
use crate::ports::{Disks, Host};
use berth_plan::{BootId, BrokerId};

/// The settled slot, or a sentence that says why the service may not start. Fails at once, waits for nothing.
pub async fn gate(
    host: &dyn Host,
    disks: &dyn Disks,
    boot: &BootId,
    mount: &str,
) -> Result<BrokerId, String> {
    let advice = "berth.service starts the service once it holds a slot";
    let text = settled::text(host).map_err(|error| error.to_string())?;
    let text = text.ok_or_else(|| format!("this boot holds no settled slot; {advice}"))?;
    let settled: Settled = serde_json::from_str(&text)
        .map_err(|error| format!("the note of the settled slot cannot be read: {error}; {advice}"))?;
    if settled.boot != *boot {
        return Err(format!(
            "slot {} was settled in boot {}, this is {boot}; {advice}",
            settled.slot, settled.boot
        ));
    }
    if let Some(serial) = settled.serial {
        let mounted = disks.mounted(mount).await.map_err(|error| error.to_string())?;
        let found = mounted.and_then(|m| m.serial);
        if found.as_deref() != Some(serial.as_str()) {
            let found = found.unwrap_or_else(|| "nothing of a known serial".to_owned());
            return Err(format!(
                "slot {}: {mount} should have {serial}, but has {found}; {advice}",
                settled.slot
            ));
        }
    }
    Ok(settled.slot)
}
