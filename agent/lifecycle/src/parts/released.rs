//! The marker of a released instance: it takes no slot again by itself.

use crate::ports::{Host, HostError};
use berth_plan::{BootId, InstanceId, UnixTime};
use serde::{Deserialize, Serialize};

/// State file, of this kernel boot or, with `--stay`, of the instance.
const FILE: &str = "released.json";

/// What the marker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Released {
    /// The instance; an image may have brought another's.
    pub(crate) instance: InstanceId,
    /// The kernel boot in which it was released.
    pub(crate) boot: BootId,
    /// Why.
    pub(crate) reason: String,
    /// When it began.
    pub(crate) at: UnixTime,
}

/// Written before the service is stopped: nothing starts it, or takes another slot, in between.
pub(crate) fn mark_released(host: &dyn Host, released: &Released, stays: bool) -> Result<(), HostError> {
    let text = serde_json::to_string(released).expect("a record of texts and numbers is always JSON");
    if stays {
        host.note_lasting(FILE, &text)?;
    }
    host.note(FILE, &text)
}

/// The marker that counts for this instance in this kernel boot; none where it may take a slot. One that cannot be read
/// counts for nothing: the claim says what is held.
pub(crate) fn read(host: &dyn Host, me: &InstanceId, boot: &BootId) -> Result<Option<Released>, HostError> {
    let parsed = |text: Option<String>| text.and_then(|text| serde_json::from_str::<Released>(&text).ok());
    let is_mine = |released: &Released| released.instance == *me;
    let lasting = parsed(host.recall_lasting(FILE)?).filter(is_mine);
    let of_boot = parsed(host.recall(FILE)?).filter(is_mine).filter(|released| released.boot == *boot);
    Ok(of_boot.or(lasting))
}

/// The instance may take a slot again.
pub(crate) fn forget_release(host: &dyn Host) -> Result<(), HostError> {
    host.forget(FILE)?;
    host.forget_lasting(FILE)
}
