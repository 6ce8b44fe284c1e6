//! What happens to volumes besides attaching and detaching: they become available, fail, are deleted, lose their key,
//! and EBS undoes an attachment that it had accepted.

use super::sources::*;
use super::*;

impl From<SettableVolumeState> for VolumeState {
    fn from(state: SettableVolumeState) -> VolumeState {
        match state {
            SettableVolumeState::Creating => VolumeState::Creating,
            SettableVolumeState::Available => VolumeState::Available,
            SettableVolumeState::Deleting => VolumeState::Deleting,
            SettableVolumeState::Error => VolumeState::Error,
        }
    }
}

impl Volume {
    /// The state that its attachments make, where it is in none of its own.
    fn settle(&mut self) {
        if matches!(self.state, VolumeState::Available | VolumeState::InUse) {
            let free = self.attachments.is_empty();
            self.state = if free { VolumeState::Available } else { VolumeState::InUse };
        }
    }
}

impl Region {
    /// Does to a volume what no call of its users does. False when there is no such volume.
    pub fn set_volume(&mut self, id: &str, change: &VolumeChange) -> bool {
        let changed = self.change_volume(id, |volume| {
            if let Some(state) = change.state {
                volume.state = state.into();
                volume.settle();
            }
            if let Some(key) = change.key {
                volume.key = key;
                volume.encrypted |= !key.is_usable();
            }
            if let Some(deleted) = change.delete_on_termination {
                volume.attachments.iter_mut().for_each(|at| at.delete_on_termination = deleted);
            }
            volume.state
        });
        let Some(state) = changed else { return false };
        if change.state.is_some() {
            let state = state.word().to_owned();
            self.record(Event::VolumeState { volume: id.to_owned(), state });
        }
        true
    }

    /// What an operator's ModifyInstanceAttribute of `BlockDeviceMappings` does: from now on the volume goes with the
    /// instances that it is attached to, or stays.
    pub fn set_delete_on_termination(&mut self, id: &str, deleted: bool) {
        self.set_volume(
            id,
            &VolumeChange { delete_on_termination: Some(deleted), ..VolumeChange::default() },
        );
    }

    pub(super) fn volume_available(&mut self, id: &str) {
        self.change_volume(id, |volume| {
            if volume.state == VolumeState::Creating {
                volume.state = VolumeState::Available;
            }
        });
    }

    pub(super) fn delete_volume_now(&mut self, id: &str) -> Result<(), Refusal> {
        let volume = self.the_volume(id)?;
        if !volume.attachments.is_empty() {
            let at = &volume.attachments[0].instance;
            let message = format!("Volume {id} is currently attached to {at}");
            return Err(Refusal::of(&VOLUME_IN_USE, message));
        }
        self.change_volume(id, |volume| volume.state = VolumeState::Deleting);
        match self.draw(|d| &d.volume_delete) {
            0 => self.volume_deleted(id),
            delay => self.later(delay, Due::VolumeDeleted { volume: id.to_owned() }),
        }
        Ok(())
    }

    pub(super) fn volume_deleted(&mut self, id: &str) {
        if self.volumes.remove(id).is_some() {
            self.record(Event::VolumeDeleted { volume: id.to_owned() });
        }
    }

    /// Whether the volume's key lets it be attached. That of one pending deletion does not either, but the call is
    /// answered before that comes out.
    pub(super) fn key_lets_attach(&self, volume: &Volume) -> Result<(), Refusal> {
        match volume.key {
            Key::Usable | Key::PendingDeletion => Ok(()),
            Key::Disabled | Key::NoGrant => {
                let message = format!(
                    "Volume {} cannot be attached. The encrypted volume was unable to access the KMS key.",
                    volume.id
                );
                Err(Refusal::of(&KEY_REVOKED, message))
            }
        }
    }

    /// EBS takes back an attachment that it had accepted, whatever has become of it.
    pub(super) fn volume_undone(&mut self, id: &str, instance: &str, turn: u64) {
        self.drop_attachment(id, |at| at.instance == instance && at.turn == turn);
    }

    pub(super) fn drop_attachment(&mut self, id: &str, is_it: impl Fn(&VolumeAttachment) -> bool) {
        let gone = self.change_volume(id, |volume| {
            let at = volume.attachments.iter().position(is_it)?;
            let gone = volume.attachments.remove(at);
            volume.settle();
            Some(gone.instance)
        });
        if let Some(Some(instance)) = gone {
            self.record(Event::VolumeDetached { volume: id.to_owned(), instance });
        }
    }
}
