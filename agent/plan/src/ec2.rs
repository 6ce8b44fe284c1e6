//! What EC2 showed, in our own types.

mod instance;
mod interface;
mod picture;
mod refusal;
mod states;
mod target_state;
mod volume;

pub use instance::{InstanceSeen, free_device_index, free_device_name};
pub use interface::{EniAttachment, EniSeen};
pub use picture::Picture;
pub use refusal::{Refusal, Row, TABLE as REFUSALS, Whose, refusal};
pub use states::{AttachmentState, EniStatus, InstanceState, LifecycleState, NotAState, VolumeState};
pub use target_state::{GROUP_TAG, May, may_claim};
pub use volume::{VolumeAttachment, VolumeSeen};
