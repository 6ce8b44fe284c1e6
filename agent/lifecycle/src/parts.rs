//! What several steps and stories use.

pub(crate) mod absences;
pub(crate) mod agreement;
pub(crate) mod attachments;
pub(crate) mod evidence;
pub(crate) mod held;
pub(crate) mod judge;
pub(crate) mod lost_service;
pub(crate) mod mine;
pub(crate) mod notes;
pub(crate) mod released;
pub(crate) mod repeated;
pub(crate) mod service_identity;
pub(crate) mod settled;
pub(crate) mod slots_seen;
pub(crate) mod stray_attachments;
pub(crate) mod target;
pub(crate) mod unmanaged;
pub(crate) mod wait_for_attached;
