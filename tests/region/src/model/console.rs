//! The serial console: what an instance wrote there, as GetConsoleOutput shows it, also after the instance is gone.
//! API reference, GetConsoleOutput: the newest 64 KB, posted some time after a start, stop, reboot or termination; on
//! Nitro `Latest` asks for what is there now.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::instance_types::instance_type;
use super::sources::*;
use super::*;

/// API reference, GetConsoleOutput.
const MOST_BYTES: usize = 64 * 1024;

/// One instance's console.
#[derive(Debug, Default)]
pub(super) struct Console {
    /// What was written when, and from when on it is shown unasked.
    written: Vec<(Millis, Millis, String)>,
}

impl Region {
    /// Something is written to an instance's serial console. False where there is no such instance.
    pub fn write_console(&mut self, id: &str, text: &str) -> bool {
        if self.instance(id).is_none() {
            return false;
        }
        let shown_from = self.now + self.draw(|d| &d.console_output);
        let now = self.now;
        let console = self.consoles.entry(id.to_owned()).or_default();
        console.written.push((now, shown_from, text.to_owned()));
        true
    }

    pub(super) fn see_console(&self, request: &ConsoleRequest) -> Result<ConsoleView, Refusal> {
        let instance = self.the_instance(&request.instance)?;
        let known = instance_type(&instance.launch.instance_type);
        if request.latest && known.is_none_or(|known| known.hypervisor != "nitro") {
            let message = "This instance type does not support retrieving the latest console logs";
            return Err(Refusal::of(&NO_LATEST_CONSOLE, message));
        }
        let written = self.consoles.get(&request.instance).map(|console| console.written.as_slice());
        let shown =
            written.unwrap_or_default().iter().filter(|(_, from, _)| request.latest || *from <= self.now);
        let mut text = Vec::new();
        let mut last = instance.launched_at;
        for (at, _, line) in shown {
            text.extend_from_slice(line.as_bytes());
            last = last.max(*at);
        }
        let newest = text.split_at(text.len().saturating_sub(MOST_BYTES)).1;
        Ok(ConsoleView {
            instance: request.instance.clone(),
            timestamp: self.stamp(last),
            output: (!newest.is_empty()).then(|| STANDARD.encode(newest)),
        })
    }
}
