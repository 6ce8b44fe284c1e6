//! Step 8: server.properties, and that the unit makes Kafka read this very file.

use crate::parts::held::Held;
use crate::parts::service_identity::service_identity;
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::Kind;
use berth_plan::service::properties::write;
use berth_plan::service::start_command::{Misled, Reads, StartCommand, reads};

const STEP: Step = Step::Configure;

/// Writes server.properties where it is not already what it should be.
pub(crate) async fn write_configuration(boot: &Boot, held: &Held) -> Result<(), Trouble> {
    let identity = service_identity(boot, held)?;
    let (config, host) = (&boot.config, &boot.ports.host);
    let configuration = |sentence: String| Trouble::new(STEP, Kind::Configuration, sentence);
    let path = host.real_path(&config.properties).map_err(|error| configuration(error.0))?;
    refuse_base(boot, &path)?;
    refuse_other_file(boot, &path).await?;
    let base = host.read_file(&config.base).map_err(|error| {
        configuration(format!("{error}; put Kafka's settings there, or name their file in `kafka.base`"))
    })?;
    let written = write(&base, &identity)
        .map_err(|malformed| configuration(format!("{}:{}: {malformed}", config.base, malformed.line)))?;
    if host.existing_file(&path).map_err(|e| Trouble::host(STEP, e))?.as_deref() == Some(&written.bytes) {
        return Ok(());
    }
    for (line, key) in &written.replaced {
        boot.ports
            .timeline
            .fact(STEP, &format!("{}:{line}: {key} is berth's to write, replaced", config.base));
    }
    host.write_file(&path, &written.bytes, &config.user).map_err(|e| Trouble::host(STEP, e))?;
    boot.ports.timeline.fact(STEP, &format!("{path} written for slot {}", held.slot.id));
    Ok(())
}

/// The user's settings are read and never written, also where a link leads to them.
fn refuse_base(boot: &Boot, path: &str) -> Result<(), Trouble> {
    let (base, properties) = (&boot.config.base, &boot.config.properties);
    // A base that cannot be followed is told by the reading of it.
    if boot.ports.host.real_path(base).is_ok_and(|real| real == path) {
        let sentence = format!(
            "{properties} (`kafka.properties`) leads to {path}, and so does {base} (`kafka.base`): berth writes the one and only reads the other"
        );
        return Err(Trouble::new(STEP, Kind::Configuration, sentence));
    }
    Ok(())
}

/// A unit that starts Kafka with another file gives it another identity on this slot's volume.
async fn refuse_other_file(boot: &Boot, path: &str) -> Result<(), Trouble> {
    let unit = &boot.config.unit;
    let command = boot.ports.service.start_command(unit).await.map_err(|e| Trouble::service(STEP, e))?;
    // That there is no unit is said where it is started.
    let Some(command) = command else { return Ok(()) };
    let file_of = |word: &str| boot.ports.host.real_path(word).unwrap_or_else(|_| word.to_owned());
    match reads(&command, path, file_of) {
        Ok(Reads::Written) => Ok(()),
        Ok(Reads::Unknown) => {
            let fact = format!("{unit} names no properties file: that Kafka reads {path} is not proven");
            boot.ports.timeline.fact(STEP, &fact);
            Ok(())
        }
        Err(misled) => Err(Trouble::new(STEP, Kind::Configuration, told(misled, unit, &command, path))),
    }
}

fn told(misled: Misled, unit: &str, command: &StartCommand, path: &str) -> String {
    let files = command.files.join(", ");
    match misled {
        Misled::OtherFile { word, file } => {
            let named = if word == file { word } else { format!("{word} ({file})") };
            format!(
                "{unit} starts Kafka with {named}, and berth writes {path}: name one file there and in `kafka.properties`; the unit is {files}"
            )
        }
        Misled::Override(key) => format!(
            "{unit} starts Kafka with --override {key}=…, which is berth's to write: take it out of the unit; the unit is {files}"
        ),
    }
}
