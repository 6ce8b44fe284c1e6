//! From what the region keeps to what the API shows.

use super::*;

pub(super) fn state_view(state: InstanceState) -> StateView {
    StateView { code: state.code(), name: state.word().to_owned() }
}

impl Region {
    /// Wall time of a moment, as the API writes it.
    pub(crate) fn stamp(&self, at: Millis) -> String {
        let unix = std::time::UNIX_EPOCH + std::time::Duration::from_millis(self.settings.epoch + at);
        humantime::format_rfc3339_millis(unix).to_string()
    }

    pub(super) fn block_device_view(&self, volume: &Volume, at: &VolumeAttachment) -> BlockDeviceView {
        BlockDeviceView {
            device: at.device.clone(),
            ebs: EbsView {
                volume: volume.id.clone(),
                status: at.state.word().to_owned(),
                attach_time: self.stamp(at.at),
                delete_on_termination: at.delete_on_termination,
            },
        }
    }

    pub(super) fn eni_attachment_view(&self, at: &EniAttachment, whole: bool) -> EniAttachmentView {
        EniAttachmentView {
            attachment: at.id.clone(),
            instance: whole.then(|| at.instance.clone()),
            owner: whole.then(|| self.settings.account.clone()),
            device_index: at.device_index,
            network_card_index: at.network_card_index,
            status: at.state.word().to_owned(),
            attach_time: self.stamp(at.at),
            delete_on_termination: at.delete_on_termination,
        }
    }

    pub(super) fn instance_eni_view(&self, eni: &Eni, at: &EniAttachment) -> InstanceEniView {
        let view = self.eni_view(eni);
        InstanceEniView {
            eni: view.eni,
            subnet: view.subnet,
            vpc: view.vpc,
            owner: view.owner,
            status: view.status,
            mac: view.mac,
            address: view.address,
            addresses: view.addresses,
            ipv6s: view.ipv6s,
            source_dest_check: view.source_dest_check,
            groups: view.groups,
            attachment: self.eni_attachment_view(at, false),
            interface_type: view.interface_type,
        }
    }

    pub(super) fn instance_view(
        &self,
        instance: &Instance,
        interfaces: Vec<InstanceEniView>,
        volumes: Vec<BlockDeviceView>,
    ) -> InstanceView {
        let primary = interfaces.iter().find(|i| i.attachment.device_index == 0);
        let address = primary.map(|i| i.address.clone()).filter(|address| !address.is_empty());
        let alive = instance.state != InstanceState::Terminated;
        InstanceView {
            reservation: instance.reservation.clone(),
            instance: instance.id.clone(),
            image: instance.launch.image.clone(),
            state: state_view(instance.state),
            reason: instance.reason.clone().map(|(code, message)| ReasonView { code, message }),
            private_dns: address
                .as_ref()
                .map(|a| format!("ip-{}.{}.compute.internal", a.replace('.', "-"), self.settings.region))
                .unwrap_or_default(),
            instance_type: instance.launch.instance_type.clone(),
            launch_time: self.stamp(instance.launched_at),
            placement: PlacementView {
                zone_id: self.settings.zone_id(&instance.zone),
                zone: instance.zone.clone(),
                tenancy: "default".into(),
            },
            subnet: alive.then(|| instance.subnet.clone()),
            vpc: alive.then(|| self.vpc.clone()),
            address,
            architecture: "x86_64".into(),
            root_device_type: "ebs".into(),
            root_device: super::instances::ROOT_DEVICE.into(),
            volumes,
            // API reference, Instance: `xen` is said of Nitro instances too.
            hypervisor: "xen".into(),
            profile: instance.launch.profile.as_ref().map(|name| ProfileView {
                arn: format!(
                    "arn:{}:iam::{}:instance-profile/{name}",
                    self.settings.partition, self.settings.account
                ),
                id: "AIPAREGION00000000000".into(),
            }),
            groups: interfaces.first().map(|i| i.groups.clone()).unwrap_or_default(),
            interfaces,
            tags: tag_views(&instance.tags),
            ebs_optimized: false,
            ena_support: true,
            metadata: MetadataOptionsView {
                state: "applied".into(),
                tokens: "required".into(),
                hop_limit: 1,
                endpoint: "enabled".into(),
                tags: if instance.launch.metadata_tags { "enabled" } else { "disabled" }.into(),
            },
        }
    }

    pub(super) fn attachment_view(&self, volume: &str, at: &VolumeAttachment) -> VolumeAttachmentView {
        VolumeAttachmentView {
            volume: volume.to_owned(),
            instance: at.instance.clone(),
            device: at.device.clone(),
            state: at.state.word().to_owned(),
            attach_time: self.stamp(at.at),
            delete_on_termination: at.delete_on_termination,
        }
    }

    pub(super) fn volume_view(&self, volume: &Volume) -> VolumeView {
        VolumeView {
            volume: volume.id.clone(),
            size_gib: volume.size_gib,
            snapshot: volume.snapshot.clone().unwrap_or_default(),
            zone_id: self.settings.zone_id(&volume.zone),
            zone: volume.zone.clone(),
            state: volume.state.word().to_owned(),
            create_time: self.stamp(volume.created_at),
            attachments: volume.attachments.iter().map(|at| self.attachment_view(&volume.id, at)).collect(),
            tags: tag_views(&volume.tags),
            volume_type: volume.volume_type.clone(),
            encrypted: volume.encrypted,
            multi_attach: volume.multi_attach,
            iops: 3_000,
        }
    }

    pub(super) fn eni_view(&self, eni: &Eni) -> EniView {
        EniView {
            eni: eni.id.clone(),
            subnet: eni.subnet.clone(),
            vpc: self.vpc.clone(),
            zone_id: self.settings.zone_id(&eni.zone),
            zone: eni.zone.clone(),
            description: eni.description.clone(),
            owner: self.settings.account.clone(),
            requester_managed: eni.requester_managed,
            status: eni.status().to_owned(),
            mac: eni.mac.clone(),
            address: eni.shown_ips().first().map(ToString::to_string).unwrap_or_default(),
            ipv6s: eni.ipv6s().iter().map(|one| Ipv6View { address: one.to_string() }).collect(),
            addresses: eni
                .shown_ips()
                .iter()
                .enumerate()
                .map(|(n, address)| AddressView { address: address.to_string(), primary: n == 0 })
                .collect(),
            source_dest_check: eni.source_dest_check,
            groups: eni
                .groups
                .iter()
                .map(|id| GroupIdentifierView { id: id.clone(), name: id.clone() })
                .collect(),
            attachment: eni.attachment.as_ref().map(|at| self.eni_attachment_view(at, true)),
            tags: tag_views(&eni.tags),
            interface_type: eni.interface_type.clone(),
        }
    }

    pub(super) fn subnet_view(&self, subnet: &Subnet) -> SubnetView {
        SubnetView {
            subnet: subnet.id.clone(),
            subnet_arn: self.settings.arn("ec2", &format!("subnet/{}", subnet.id)),
            state: "available".into(),
            vpc: self.vpc.clone(),
            owner: self.settings.account.clone(),
            cidr: subnet.cidr.to_string(),
            free_addresses: self.free_addresses(subnet),
            zone_id: self.settings.zone_id(&subnet.zone),
            zone: subnet.zone.clone(),
            default_for_zone: false,
            tags: tag_views(&subnet.tags),
        }
    }
}
