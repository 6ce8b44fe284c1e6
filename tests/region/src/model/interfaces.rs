//! Network interfaces: made in a subnet, attached to one instance of its zone at a device index, detached.

use super::fault::Effect;
use super::filter::{malformed, well_formed};
use super::instance_types::instance_type;
use super::schedule::Due;
use super::sources::*;
use super::versioned::Versioned;
use super::*;

impl Region {
    /// Makes an interface, unchecked by the API.
    ///
    /// # Panics
    /// When the subnet does not exist or the addresses cannot be had.
    pub fn add_eni(&mut self, spec: EniSpec) -> EniId {
        self.put_eni(spec).expect("the subnet exists and has these addresses free")
    }

    pub(super) fn put_eni(&mut self, spec: EniSpec) -> Result<EniId, Refusal> {
        let subnet = self.subnets.get(&spec.subnet).ok_or_else(|| {
            Refusal::of(&SUBNET_NOT_FOUND, format!("The subnet ID '{}' does not exist", spec.subnet))
        })?;
        let private_ips = self.addresses_for(subnet, &spec.private_ips)?;
        let zone = subnet.zone.clone();
        let id = self.names.id("eni");
        let eni = Eni {
            id: id.clone(),
            subnet: spec.subnet,
            zone,
            mac: self.names.mac(),
            private_ips,
            groups: if spec.groups.is_empty() { vec!["sg-00000000000000000".into()] } else { spec.groups },
            description: spec.description,
            tags: spec.tags,
            source_dest_check: true,
            requester_managed: spec.requester_managed,
            interface_type: spec.interface_type.unwrap_or_else(|| "interface".into()),
            pending: spec.status == Some(SettableEniStatus::Pending),
            ipv6_only: false,
            attachment: None,
        };
        self.record(Event::EniCreated {
            eni: id.clone(),
            subnet: eni.subnet.clone(),
            mac: eni.mac.clone(),
            addresses: eni.private_ips.iter().map(ToString::to_string).collect(),
        });
        let spread = if self.now == 0 { 0 } else { self.draw(|d| &d.describe_staleness) };
        self.enis.insert(id.clone(), Versioned::new(eni, self.now, self.now + spread));
        Ok(id)
    }

    /// The primary interface of an instance that is being launched.
    pub(super) fn primary_eni(
        &mut self,
        instance: &str,
        subnet: &str,
        launch: &LaunchData,
    ) -> Result<EniId, Refusal> {
        let groups = launch.groups.clone();
        let spec = EniSpec { subnet: subnet.to_owned(), groups, ..Default::default() };
        let id = self.put_eni(spec)?;
        let attachment = EniAttachment {
            id: self.names.id("eni-attach"),
            instance: instance.to_owned(),
            network_card_index: 0,
            device_index: 0,
            state: AttachmentState::Attached,
            at: self.now,
            delete_on_termination: true,
            metadata_from: self.now,
            number_from: self.now,
        };
        self.change_eni(&id, |eni| {
            eni.ipv6_only = launch.ipv6_only;
            eni.attachment = Some(attachment);
        });
        Ok(id)
    }

    pub(super) fn change_eni<R>(&mut self, id: &str, change: impl FnOnce(&mut Eni) -> R) -> Option<R> {
        let spread = self.draw(|d| &d.describe_staleness);
        let eni = self.enis.get_mut(id)?;
        let result = change(eni.change());
        eni.publish(self.now, self.now + spread);
        Some(result)
    }

    pub(super) fn the_eni(&self, id: &str) -> Result<&Eni, Refusal> {
        if !well_formed(id, "eni") {
            return Err(malformed(&ENI_MALFORMED, id, "eni"));
        }
        let found = self.enis.get(id).map(Versioned::get);
        found.ok_or_else(|| {
            Refusal::of(&ENI_NOT_FOUND, format!("The networkInterface ID '{id}' does not exist"))
        })
    }

    /// The interfaces of an instance, in whatever state of attachment.
    pub(super) fn enis_of<'a>(&'a self, instance: &'a str) -> impl Iterator<Item = &'a Eni> {
        let all = self.enis.values().map(Versioned::get);
        all.filter(move |eni| eni.attachment.as_ref().is_some_and(|at| at.instance == instance))
    }

    fn eni_of_attachment(&self, attachment: &str) -> Option<(&Eni, &EniAttachment)> {
        self.enis.values().map(Versioned::get).find_map(|eni| {
            let at = eni.attachment.as_ref().filter(|at| at.id == attachment)?;
            Some((eni, at))
        })
    }

    pub(super) fn create_eni_now(&mut self, request: &CreateEniRequest) -> Result<EniView, Refusal> {
        let what = format!("{:?}", request.spec);
        let id = match self.made_before("CreateNetworkInterface", &request.client_token, &what)? {
            Some(made) => made,
            None => self.made_eni(request.spec.clone())?,
        };
        self.remember("CreateNetworkInterface", &request.client_token, &what, &id);
        Ok(self.eni_view(self.the_eni(&id)?))
    }

    pub(super) fn delete_eni_now(&mut self, id: &str) -> Result<(), Refusal> {
        if self.the_eni(id)?.attachment.is_some() {
            let message = format!("Network interface '{id}' is currently in use.");
            return Err(Refusal::of(&PARAMETER_VALUE, message));
        }
        self.enis.remove(id);
        self.record(Event::EniDeleted { eni: id.to_owned() });
        Ok(())
    }

    pub(super) fn attach_eni_now(
        &mut self,
        request: &AttachEniRequest,
        effect: &Effect,
    ) -> Result<AttachedEniView, Refusal> {
        let AttachEniRequest { eni: id, instance, device_index, network_card_index, .. } = request;
        self.may_attach_eni(request)?;
        let attachment = self.names.id("eni-attach");
        let delay = self.draw(|d| &d.eni_attach);
        let made = EniAttachment {
            id: attachment.clone(),
            instance: instance.clone(),
            network_card_index: network_card_index.unwrap_or(0),
            device_index: *device_index,
            state: AttachmentState::Attaching,
            at: self.now,
            // False for an interface attached to a running instance; the API reference shows it can be set later.
            delete_on_termination: false,
            metadata_from: Millis::MAX,
            number_from: Millis::MAX,
        };
        self.change_eni(id, |eni| eni.attachment = Some(made));
        self.record(Event::EniAttaching {
            eni: id.clone(),
            instance: instance.clone(),
            attachment: attachment.clone(),
            device_index: *device_index,
            delay_ms: (!effect.stuck).then_some(delay),
        });
        if !effect.stuck {
            self.later(delay, Due::EniAttached { eni: id.clone(), attachment: attachment.clone() });
        }
        Ok(AttachedEniView { attachment, network_card_index: network_card_index.unwrap_or(0) })
    }

    fn may_attach_eni(&self, request: &AttachEniRequest) -> Result<(), Refusal> {
        let AttachEniRequest { eni: id, instance: instance_id, device_index, network_card_index, .. } =
            request;
        let eni = self.the_eni(id)?;
        let instance = self.the_instance(instance_id)?;
        if eni.attachment.is_some() {
            return Err(Refusal::of(&ENI_IN_USE, format!("Interface: [{id}] in use.")));
        }
        eni.may_be_attached()?;
        if eni.zone != instance.zone {
            let message = "You may not attach a network interface to an instance if they are not in the same availability zone";
            return Err(Refusal::of(&PARAMETER_COMBINATION, message));
        }
        if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
            let message = format!("Instance '{instance_id}' is not 'running'.");
            return Err(Refusal::of(&INCORRECT_STATE, message));
        }
        let known = instance_type(&instance.launch.instance_type);
        let (cards, card) = (known.map_or(1, |known| known.cards), network_card_index.unwrap_or(0));
        if card >= cards {
            let message = format!("Network card index {card} is too high: the instance type has {cards}");
            return Err(Refusal::of(&PARAMETER_VALUE, message));
        }
        // An index is of a card. Where the call names none, AWS looks at all cards (cilium/cilium#42512).
        let on_card =
            |at: &EniAttachment| network_card_index.is_none_or(|card| at.network_card_index == card);
        let attached = |eni: &Eni| {
            let at = eni.attachment.as_ref();
            at.is_some_and(|at| at.device_index == *device_index && on_card(at))
        };
        if self.enis_of(instance_id).any(attached) {
            let message = format!(
                "Instance '{instance_id}' already has an interface attached at device index '{device_index}'."
            );
            return Err(Refusal::of(&PARAMETER_VALUE, message));
        }
        if let Some(known) = known {
            let count = self.enis_of(instance_id).count() as u32 + 1;
            if count > known.interfaces {
                let message = format!("Interface count {count} exceeds the limit for {}", known.name);
                return Err(Refusal::of(&ATTACHMENT_LIMIT, message));
            }
            if known.hypervisor == "nitro" {
                let of_it = |at: &&VolumeAttachment| at.instance == *instance_id;
                let volumes =
                    self.volumes.values().flat_map(|volume| &volume.get().attachments).filter(of_it).count();
                self.room_for_attachment(instance, volumes)?;
            }
        }
        Ok(())
    }

    pub(super) fn eni_attached(&mut self, id: &str, attachment: &str) {
        let listed = self.now + self.draw(|d| &d.imds_new_interface);
        let numbered = listed + self.draw(|d| &d.imds_device_number);
        let attached = self.change_eni(id, |eni| {
            let at = eni.attachment.as_mut().filter(|at| at.id == attachment)?;
            if at.state != AttachmentState::Attaching {
                return None;
            }
            at.state = AttachmentState::Attached;
            (at.metadata_from, at.number_from) = (listed, numbered);
            Some(eni.clone())
        });
        let Some(Some(eni)) = attached else { return };
        let Some(at) = eni.attachment else { return };
        let cidr = self.subnets.get(&eni.subnet).map(|subnet| subnet.cidr.to_string()).unwrap_or_default();
        self.record(Event::EniAttached {
            eni: eni.id,
            instance: at.instance,
            attachment: at.id,
            device_index: at.device_index,
            mac: eni.mac,
            addresses: eni.private_ips.iter().map(ToString::to_string).collect(),
            subnet: eni.subnet,
            cidr,
        });
    }

    pub(super) fn detach_eni_now(
        &mut self,
        request: &DetachEniRequest,
        effect: &Effect,
    ) -> Result<(), Refusal> {
        let attachment = &request.attachment;
        let (eni, at) = self.eni_of_attachment(attachment).ok_or_else(|| {
            let message = format!("The networkInterface attachment '{attachment}' does not exist");
            Refusal::of(&ENI_ATTACHMENT_NOT_FOUND, message)
        })?;
        eni.is_ours()?;
        if at.device_index == 0 {
            let message = "The network interface at device index 0 cannot be detached.";
            return Err(Refusal::of(&ROOT_VOLUME, message));
        }
        let state = self.the_instance(&at.instance)?.state;
        if matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated) {
            let message = format!("Instance '{}' is {}", at.instance, state.word());
            return Err(Refusal::of(&INSTANCE_STATE, message));
        }
        if at.state == AttachmentState::Detaching && !request.force {
            let message = format!("The attachment '{attachment}' is being detached already");
            return Err(Refusal::of(&INCORRECT_STATE, message));
        }
        let (id, instance) = (eni.id.clone(), at.instance.clone());
        let delay_ms = effect.detaching_for.unwrap_or_else(|| self.draw(|d| &d.eni_detach));
        self.change_eni(&id, |eni| {
            if let Some(at) = &mut eni.attachment {
                at.state = AttachmentState::Detaching;
            }
        });
        self.record(Event::EniDetaching {
            eni: id.clone(),
            instance,
            attachment: attachment.clone(),
            delay_ms,
        });
        self.later(delay_ms, Due::EniDetached { eni: id, attachment: attachment.clone() });
        Ok(())
    }

    pub(super) fn eni_detached(&mut self, id: &str, attachment: &str) {
        let gone = self.change_eni(id, |eni| {
            let gone = eni.attachment.take_if(|at| at.id == attachment)?;
            Some(gone.instance)
        });
        if let Some(Some(instance)) = gone {
            self.record(Event::EniDetached {
                eni: id.to_owned(),
                instance,
                attachment: attachment.to_owned(),
            });
        }
    }

    /// What a terminated instance had attached: deleted where its attachment says so, available otherwise.
    pub(super) fn release_enis(&mut self, instance: &str) {
        let attached: Vec<(EniId, String, bool)> = self
            .enis_of(instance)
            .filter_map(|eni| {
                let at = eni.attachment.as_ref()?;
                Some((eni.id.clone(), at.id.clone(), at.delete_on_termination))
            })
            .collect();
        for (id, attachment, delete) in attached {
            self.eni_detached(&id, &attachment);
            if delete {
                self.enis.remove(&id);
                self.record(Event::EniDeleted { eni: id });
            }
        }
    }

    pub(super) fn modify_eni_now(&mut self, request: &ModifyEniRequest) -> Result<(), Refusal> {
        let eni = self.the_eni(&request.eni)?;
        eni.is_ours()?;
        let asked = [
            request.source_dest_check.is_some(),
            request.delete_on_termination.is_some(),
            request.description.is_some(),
            request.groups.is_some(),
        ];
        if asked.into_iter().filter(|one| *one).count() != 1 {
            let message = "You must specify exactly one attribute to modify";
            return Err(Refusal::of(&PARAMETER_COMBINATION, message));
        }
        if let Some((attachment, _)) = &request.delete_on_termination
            && eni.attachment.as_ref().is_none_or(|at| at.id != *attachment)
        {
            let message = format!("The networkInterface attachment '{attachment}' does not exist");
            return Err(Refusal::of(&ENI_ATTACHMENT_NOT_FOUND, message));
        }
        self.change_eni(&request.eni, |eni| {
            if let Some(check) = request.source_dest_check {
                eni.source_dest_check = check;
            }
            if let (Some((_, delete)), Some(at)) = (&request.delete_on_termination, &mut eni.attachment) {
                at.delete_on_termination = *delete;
            }
            if let Some(description) = &request.description {
                eni.description.clone_from(description);
            }
            if let Some(groups) = &request.groups {
                eni.groups.clone_from(groups);
            }
        });
        Ok(())
    }

    pub(super) fn tag_eni(&mut self, id: &str, change: impl FnOnce(&mut Tags)) -> Option<Tags> {
        let spread = self.draw(|d| &d.tag_visibility);
        let eni = self.enis.get_mut(id)?;
        change(&mut eni.change().tags);
        eni.publish(self.now, self.now + spread);
        Some(eni.get().tags.clone())
    }
}
