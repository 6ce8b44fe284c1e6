//! What /sys/block says of devices: number and serial.

use std::fs;
use std::path::PathBuf;

/// A block device with a serial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockDevice {
    /// Its name, as `nvme1n1`.
    pub(super) name: String,
    /// `major:minor`.
    pub(super) number: String,
    /// Its serial, trimmed.
    pub(super) serial: String,
}

/// All block devices that have a serial. One that goes away while it is read is left out.
pub(super) fn devices() -> Vec<BlockDevice> {
    let Ok(entries) = fs::read_dir("/sys/block") else { return Vec::new() };
    entries.flatten().filter_map(|entry| device(entry.path())).collect()
}

fn device(path: PathBuf) -> Option<BlockDevice> {
    let read = |file: &str| fs::read_to_string(path.join(file)).ok().map(|text| text.trim().to_owned());
    Some(BlockDevice {
        name: path.file_name()?.to_str()?.to_owned(),
        number: read("dev")?,
        serial: read("device/serial").filter(|serial| !serial.is_empty())?,
    })
}

/// The serial of the device with this number.
pub(super) fn serial_of(number: &str) -> Option<String> {
    with_number(number).map(|device| device.serial)
}

/// The name of the device with this number.
pub(super) fn name_of(number: &str) -> Option<String> {
    with_number(number).map(|device| device.name)
}

fn with_number(number: &str) -> Option<BlockDevice> {
    devices().into_iter().find(|device| device.number == number)
}
