//! What EC2 showed, in our own types.

mod instance;
mod interface;
mod picture;
mod volume;

pub use instance::{InstanceSeen, free_device_index, free_device_name};
pub use interface::{EniAttachment, EniSeen};
pub use picture::Picture;
pub use volume::{VolumeAttachment, VolumeSeen};
