//! Volumes: made, attached to one instance at a time, detached. `AttachVolume` is the one act that only one caller can
//! win: the state changes at once, in the order in which the calls arrive.

use super::fault::Effect;
use super::filter::{malformed, well_formed};
use super::instance_types::instance_type;
use super::instances::ROOT_DEVICE;
use super::schedule::Due;
use super::sources::*;
use super::versioned::Versioned;
use super::*;

/// API reference, CreateVolume: the types that Multi-Attach is for, and how many instances it allows.
const MULTI_ATTACH_TYPES: &[&str] = &["io1", "io2"];
const MULTI_ATTACH_MOST: usize = 16;

/// EC2 user guide, device naming: /dev/sd[a-z], /dev/xvd[a-z], and /dev/xvd with two letters up to dx.
fn device_name_ok(device: &str) -> bool {
    let lower = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase());
    if let Some(rest) = device.strip_prefix("/dev/sd") {
        let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        return letters.len() == 1 && lower(letters);
    }
    match device.strip_prefix("/dev/xvd") {
        Some(rest) if lower(rest) && rest.len() == 1 => true,
        Some(rest) if lower(rest) && rest.len() == 2 => ("aa"..="dx").contains(&rest),
        _ => false,
    }
}

impl Region {
    /// Makes a volume, available at once where its spec names no other state, unchecked by the API.
    pub fn add_volume(&mut self, spec: VolumeSpec) -> VolumeId {
        let state = spec.state.map_or(VolumeState::Available, VolumeState::from);
        self.put_volume(spec, state)
    }

    fn put_volume(&mut self, spec: VolumeSpec, state: VolumeState) -> VolumeId {
        let id = self.names.id("vol");
        let volume = Volume {
            id: id.clone(),
            zone: spec.zone,
            size_gib: spec.size_gib,
            volume_type: spec.volume_type,
            encrypted: spec.encrypted || !spec.key.is_usable(),
            key: spec.key,
            multi_attach: spec.multi_attach,
            snapshot: spec.snapshot,
            tags: spec.tags,
            state,
            created_at: self.now,
            attachments: Vec::new(),
        };
        self.record(Event::VolumeCreated {
            volume: id.clone(),
            zone: volume.zone.clone(),
            size_gib: volume.size_gib,
        });
        let spread = if self.now == 0 { 0 } else { self.draw(|d| &d.describe_staleness) };
        self.volumes.insert(id.clone(), Versioned::new(volume, self.now, self.now + spread));
        id
    }

    /// A root volume, attached since launch.
    pub(super) fn root_volume(&mut self, instance: &str, zone: &str) -> VolumeId {
        let spec = VolumeSpec { zone: zone.to_owned(), size_gib: 8, ..Default::default() };
        let id = self.put_volume(spec, VolumeState::InUse);
        let at = self.now;
        let instance = instance.to_owned();
        self.change_volume(&id, |volume| {
            volume.attachments.push(VolumeAttachment {
                instance,
                device: ROOT_DEVICE.into(),
                state: AttachmentState::Attached,
                at,
                delete_on_termination: true,
                turn: 0,
            });
        });
        id
    }

    pub(super) fn change_volume<R>(&mut self, id: &str, change: impl FnOnce(&mut Volume) -> R) -> Option<R> {
        let spread = self.draw(|d| &d.describe_staleness);
        let volume = self.volumes.get_mut(id)?;
        let result = change(volume.change());
        volume.publish(self.now, self.now + spread);
        Some(result)
    }

    pub(super) fn the_volume(&self, id: &str) -> Result<&Volume, Refusal> {
        if !well_formed(id, "vol") {
            return Err(malformed(&PARAMETER_VALUE, id, "vol"));
        }
        let found = self.volumes.get(id).map(Versioned::get);
        found.ok_or_else(|| Refusal::of(&VOLUME_NOT_FOUND, format!("The volume '{id}' does not exist.")))
    }

    pub(super) fn create_volume_now(&mut self, request: &CreateVolumeRequest) -> Result<VolumeView, Refusal> {
        let spec = &request.spec;
        if let Some(made) = self.made_before("CreateVolume", &request.client_token, &format!("{spec:?}"))? {
            return Ok(self.volume_view(self.the_volume(&made)?));
        }
        if !self.subnets.values().any(|subnet| subnet.zone == spec.zone) {
            let message = format!("The zone '{}' does not exist.", spec.zone);
            return Err(Refusal::of(&ZONE_NOT_FOUND, message));
        }
        if spec.multi_attach && !MULTI_ATTACH_TYPES.contains(&spec.volume_type.as_str()) {
            let message = format!("The volume type '{}' does not support Multi-Attach", spec.volume_type);
            return Err(Refusal::of(&PARAMETER_COMBINATION, message));
        }
        if spec.size_gib == 0 {
            return Err(Refusal::of(
                &MISSING_PARAMETER,
                "The request must contain the parameter size or snapshotId",
            ));
        }
        let id = self.put_volume(spec.clone(), VolumeState::Creating);
        self.remember("CreateVolume", &request.client_token, &format!("{spec:?}"), &id);
        let delay = self.draw(|d| &d.volume_create);
        self.later(delay, Due::VolumeAvailable { volume: id.clone() });
        Ok(self.volume_view(self.the_volume(&id)?))
    }

    pub(super) fn attach_volume_now(
        &mut self,
        request: &AttachVolumeRequest,
        effect: &Effect,
    ) -> Result<VolumeAttachmentView, Refusal> {
        let AttachVolumeRequest { volume: id, instance, device, .. } = request;
        for (name, value) in [("volumeId", id), ("instanceId", instance), ("device", device)] {
            if value.is_empty() {
                let message = format!("The request must contain the parameter {name}");
                return Err(Refusal::of(&MISSING_PARAMETER, message));
            }
        }
        self.may_attach_volume(id, instance, device)?;
        let turn = self.names.rng().u64(..);
        let delay = self.draw(|d| &d.volume_attach);
        let undone = match self.the_volume(id)?.key {
            Key::PendingDeletion => Some(self.draw(|d| &d.volume_undone)),
            _ => effect.undone,
        };
        let attachment = VolumeAttachment {
            instance: instance.clone(),
            device: device.clone(),
            state: AttachmentState::Attaching,
            at: self.now,
            // EC2 user guide, "Preserve data when an instance is terminated": false when attached to a running one.
            delete_on_termination: false,
            turn,
        };
        let view = self.attachment_view(id, &attachment);
        self.change_volume(id, |volume| {
            volume.state = VolumeState::InUse;
            volume.attachments.push(attachment);
        });
        let delay_ms = (!effect.stuck).then_some(delay);
        let (volume, instance, device) = (id.clone(), instance.clone(), device.clone());
        let attaching =
            Event::VolumeAttaching { volume: volume.clone(), instance: instance.clone(), device, delay_ms };
        self.record(attaching);
        if let Some(after) = undone {
            let (volume, instance) = (volume.clone(), instance.clone());
            self.later(after, Due::VolumeUndone { volume, instance, turn });
        }
        if !effect.stuck {
            self.later(delay, Due::VolumeAttached { volume, instance, turn });
        }
        Ok(view)
    }

    fn may_attach_volume(&self, id: &str, instance_id: &str, device: &str) -> Result<(), Refusal> {
        let volume = self.the_volume(id)?;
        let instance = self.the_instance(instance_id)?;
        if !device_name_ok(device) {
            let message = format!(
                "Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name."
            );
            return Err(Refusal::of(&PARAMETER_VALUE, message));
        }
        if volume.zone != instance.zone {
            let message =
                format!("The volume '{id}' is not in the same availability zone as instance '{instance_id}'");
            return Err(Refusal::of(&VOLUME_ZONE, message));
        }
        if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
            let message = format!("Instance '{instance_id}' is not 'running'.");
            return Err(Refusal::of(&INCORRECT_STATE, message));
        }
        match volume.state {
            VolumeState::Available | VolumeState::InUse => {}
            VolumeState::Creating => {
                return Err(Refusal::of(&INCORRECT_STATE, format!("{id} is not 'available'.")));
            }
            VolumeState::Deleting | VolumeState::Error => {
                return Err(Refusal::of(&VOLUME_UNFIT, format!("{id} is not 'available'.")));
            }
        }
        let here = volume.attachments.iter().any(|at| at.instance == instance_id);
        if !volume.attachments.is_empty() && (here || !volume.multi_attach) {
            if volume.attachments.iter().any(|at| at.state == AttachmentState::Detaching) {
                return Err(Refusal::of(&INCORRECT_STATE, format!("{id} is not 'available'.")));
            }
            return Err(Refusal::of(&VOLUME_IN_USE, format!("{id} is already attached to an instance")));
        }
        if volume.attachments.len() >= MULTI_ATTACH_MOST {
            let message = format!("Volume {id} is attached to {MULTI_ATTACH_MOST} instances already");
            return Err(Refusal::of(&ATTACHMENT_LIMIT, message));
        }
        let mut used = 0;
        for at in self.volumes.values().flat_map(|volume| &volume.get().attachments) {
            if at.instance != instance_id {
                continue;
            }
            used += 1;
            if at.device == device {
                let message = format!(
                    "Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
                );
                return Err(Refusal::of(&PARAMETER_VALUE, message));
            }
        }
        self.room_for_attachment(instance, used)?;
        self.key_lets_attach(volume)
    }

    /// EC2 user guide, "Instance volume limits": on most Nitro types volumes and interfaces share one limit.
    pub(super) fn room_for_attachment(&self, instance: &Instance, volumes: usize) -> Result<(), Refusal> {
        let Some(known) = instance_type(&instance.launch.instance_type) else { return Ok(()) };
        let interfaces = if known.hypervisor == "nitro" { self.enis_of(&instance.id).count() } else { 0 };
        if volumes + interfaces >= known.attachments() {
            let message = format!("Attachment count exceeds the limit for {}", known.name);
            return Err(Refusal::of(&ATTACHMENT_LIMIT, message));
        }
        Ok(())
    }

    pub(super) fn volume_attached(&mut self, id: &str, instance: &str, turn: u64) {
        let attached = self.change_volume(id, |volume| {
            let at = volume.attachments.iter_mut().find(|at| at.instance == instance && at.turn == turn)?;
            if at.state != AttachmentState::Attaching {
                return None;
            }
            at.state = AttachmentState::Attached;
            Some(at.device.clone())
        });
        if let Some(Some(device)) = attached {
            let (volume, instance) = (id.to_owned(), instance.to_owned());
            self.record(Event::VolumeAttached { volume, instance, device });
        }
    }

    pub(super) fn detach_volume_now(
        &mut self,
        request: &DetachVolumeRequest,
        effect: &Effect,
    ) -> Result<VolumeAttachmentView, Refusal> {
        let id = &request.volume;
        let (instance, turn) = self.may_detach_volume(request)?;
        let delay = effect.detaching_for.unwrap_or_else(|| self.draw(|d| &d.volume_detach));
        let state = if effect.busy { AttachmentState::Busy } else { AttachmentState::Detaching };
        let changed = self.change_volume(id, |volume| {
            let at = volume.attachments.iter_mut().find(|at| at.turn == turn && at.instance == instance)?;
            at.state = state;
            Some(at.clone())
        });
        let delay_ms = (!effect.busy).then_some(delay);
        self.record(Event::VolumeDetaching { volume: id.clone(), instance: instance.clone(), delay_ms });
        if !effect.busy {
            self.later(delay, Due::VolumeDetached { volume: id.clone(), instance, turn });
        }
        let at = changed.flatten().expect("may_detach_volume has just found this attachment");
        Ok(self.attachment_view(id, &at))
    }

    fn may_detach_volume(&self, request: &DetachVolumeRequest) -> Result<(InstanceId, u64), Refusal> {
        let id = &request.volume;
        let volume = self.the_volume(id)?;
        if let Some(instance) = &request.instance {
            self.the_instance(instance)?;
        }
        if volume.attachments.is_empty() {
            let message = format!("Volume '{id}' is in the '{}' state.", volume.state.word());
            return Err(Refusal::of(&INCORRECT_STATE, message));
        }
        if volume.attachments.len() > 1 && request.instance.is_none() {
            let message =
                "The request must contain the parameter instanceId: the volume is attached more than once";
            return Err(Refusal::of(&MISSING_PARAMETER, message));
        }
        let is_it = |at: &&VolumeAttachment| {
            request.instance.as_ref().is_none_or(|instance| *instance == at.instance)
                && request.device.as_ref().is_none_or(|device| *device == at.device)
        };
        let at = volume.attachments.iter().find(is_it).ok_or_else(|| {
            let place = request.instance.as_deref().or(request.device.as_deref()).unwrap_or_default();
            Refusal::of(&ATTACHMENT_NOT_FOUND, format!("Volume '{id}' is not attached to '{place}'"))
        })?;
        let instance = self.the_instance(&at.instance)?;
        if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
            let message =
                format!("Instance '{}' is not in a state in which volumes can be detached", instance.id);
            return Err(Refusal::of(&INSTANCE_STATE, message));
        }
        if at.device == ROOT_DEVICE && instance.state != InstanceState::Stopped {
            let message = format!("Unable to detach root volume '{id}' from instance '{}'", at.instance);
            return Err(Refusal::of(&ROOT_VOLUME, message));
        }
        if at.state == AttachmentState::Detaching && !request.force {
            return Err(Refusal::of(&INCORRECT_STATE, format!("Volume '{id}' is in the 'detaching' state.")));
        }
        Ok((at.instance.clone(), at.turn))
    }

    pub(super) fn volume_detached(&mut self, id: &str, instance: &str, turn: u64) {
        self.drop_attachment(id, |at| {
            at.instance == instance && at.turn == turn && at.state == AttachmentState::Detaching
        });
    }

    /// What a terminated instance had attached: deleted where its attachment says so, available otherwise.
    pub(super) fn release_volumes(&mut self, instance: &str) {
        let attached: Vec<(VolumeId, bool)> = self
            .volumes
            .values()
            .flat_map(|volume| {
                let volume = volume.get();
                let mine = volume.attachments.iter().filter(|at| at.instance == instance);
                mine.map(|at| (volume.id.clone(), at.delete_on_termination))
            })
            .collect();
        for (id, delete) in attached {
            self.drop_attachment(&id, |at| at.instance == instance);
            if delete && self.volumes.get(&id).is_some_and(|volume| volume.get().attachments.is_empty()) {
                self.volumes.remove(&id);
                self.record(Event::VolumeDeleted { volume: id });
            }
        }
    }

    pub(super) fn tag_volume(&mut self, id: &str, change: impl FnOnce(&mut Tags)) -> Option<Tags> {
        let spread = self.draw(|d| &d.tag_visibility);
        let volume = self.volumes.get_mut(id)?;
        change(&mut volume.change().tags);
        volume.publish(self.now, self.now + spread);
        Some(volume.get().tags.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::device_name_ok;

    #[test]
    fn device_names_are_those_of_the_guide() {
        for good in ["/dev/sdf", "/dev/sdp", "/dev/sda1", "/dev/xvdf", "/dev/xvdba", "/dev/xvddx"] {
            assert!(device_name_ok(good), "{good}");
        }
        for bad in ["sdf", "/dev/sdF", "/dev/nvme1n1", "/dev/xvddy", "/dev/xvdaaa", "/dev/sd", "/dev/sdff"] {
            assert!(!device_name_ok(bad), "{bad}");
        }
    }
}
