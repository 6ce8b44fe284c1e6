//! Describe calls of EC2: what is shown of the resources, as far as it has spread, filtered and cut into pages.

use std::collections::BTreeMap;

use super::describe_kinds::*;
use super::fault::Effect;
use super::instance_types::{INSTANCE_TYPES, InstanceType};
use super::sources::*;
use super::versioned::Versioned;
use super::*;

impl Region {
    fn shown<'a, T: Clone>(&self, resource: &'a Versioned<T>, effect: &Effect) -> Option<&'a T> {
        match effect.stale {
            Some(age) => resource.as_of(self.now.saturating_sub(age)),
            None => resource.seen(self.now),
        }
    }

    fn shown_instances(&self, effect: &Effect) -> Vec<&Instance> {
        self.instances
            .values()
            .filter_map(|instance| self.shown(instance, effect))
            .filter(|i| i.terminated_at.is_none_or(|at| at + self.settings.terminated_visible > self.now))
            .collect()
    }

    pub(super) fn see_instances(
        &self,
        request: &DescribeRequest,
        effect: &Effect,
    ) -> Result<Page<InstanceView>, Refusal> {
        let mut volumes: BTreeMap<&str, Vec<BlockDeviceView>> = BTreeMap::new();
        for volume in self.volumes.values().filter_map(|volume| self.shown(volume, effect)) {
            for at in &volume.attachments {
                volumes.entry(&at.instance).or_default().push(self.block_device_view(volume, at));
            }
        }
        let mut enis: BTreeMap<&str, Vec<InstanceEniView>> = BTreeMap::new();
        for eni in self.enis.values().filter_map(|eni| self.shown(eni, effect)) {
            if let Some(at) = &eni.attachment {
                enis.entry(&at.instance).or_default().push(self.instance_eni_view(eni, at));
            }
        }
        let rows = self
            .shown_instances(effect)
            .into_iter()
            .map(|instance| {
                let mut interfaces = enis.remove(instance.id.as_str()).unwrap_or_default();
                interfaces.sort_by_key(|interface| interface.attachment.device_index);
                let volumes = volumes.remove(instance.id.as_str()).unwrap_or_default();
                self.instance_view(instance, interfaces, volumes)
            })
            .collect();
        INSTANCES.select(rows, request)
    }

    pub(super) fn see_statuses(
        &self,
        request: &DescribeStatusRequest,
        effect: &Effect,
    ) -> Result<Page<InstanceStatusView>, Refusal> {
        // API reference, DescribeInstanceStatus: running ones only, unless all are asked for.
        let rows = self
            .shown_instances(effect)
            .into_iter()
            .filter(|instance| request.all || instance.state == InstanceState::Running)
            .map(|instance| self.status_view(instance))
            .collect();
        let mut describe = request.describe.clone();
        // An id that is there but not running is no error, it is left out.
        describe.ids.retain(|id| request.all || self.running(id) || !self.instances.contains_key(id));
        if describe.ids.is_empty() && !request.describe.ids.is_empty() {
            return Ok(Page { items: Vec::new(), next_token: None });
        }
        STATUSES.select(rows, &describe)
    }

    fn running(&self, id: &str) -> bool {
        self.instances.get(id).is_some_and(|instance| instance.get().state == InstanceState::Running)
    }

    pub(super) fn see_volumes(
        &self,
        request: &DescribeRequest,
        effect: &Effect,
    ) -> Result<Page<VolumeView>, Refusal> {
        let shown = self.volumes.values().filter_map(|volume| self.shown(volume, effect));
        VOLUMES.select(shown.map(|volume| self.volume_view(volume)).collect(), request)
    }

    pub(super) fn see_enis(
        &self,
        request: &DescribeRequest,
        effect: &Effect,
    ) -> Result<Page<EniView>, Refusal> {
        let narrow = request.filters.iter().any(|(name, _)| NARROW_ENI_FILTERS.contains(&name.as_str()));
        let many = self.enis.len() >= self.settings.many_interfaces;
        if many && !narrow && request.ids.is_empty() && request.max_results.is_none() {
            let message = "The number of network interfaces is too large: use pagination or a filter of group-id, \
                mac-address, private-dns-name, private-ip-address, subnet-id or vpc-id";
            return Err(Refusal::of(&ENI_LARGE_ACCOUNT, message));
        }
        let shown = self.enis.values().filter_map(|eni| self.shown(eni, effect));
        ENIS.select(shown.map(|eni| self.eni_view(eni)).collect(), request)
    }

    pub(super) fn see_subnets(&self, request: &DescribeRequest) -> Result<Page<SubnetView>, Refusal> {
        SUBNETS.select(self.subnets.values().map(|subnet| self.subnet_view(subnet)).collect(), request)
    }

    pub(super) fn create_subnet_now(&mut self, request: &CreateSubnetRequest) -> Result<SubnetView, Refusal> {
        if request.vpc != self.vpc {
            return Err(Refusal::of(&VPC_NOT_FOUND, format!("The vpc ID '{}' does not exist", request.vpc)));
        }
        let id = self.create_subnet_checked(request.spec.clone())?;
        Ok(self.subnet_view(&self.subnets[&id]))
    }

    pub(super) fn see_vpcs(&self, request: &DescribeRequest) -> Result<Page<VpcView>, Refusal> {
        let vpc = VpcView {
            vpc: self.vpc.clone(),
            state: "available".into(),
            cidr: self.settings.vpc_cidr.clone(),
            owner: self.settings.account.clone(),
            default: false,
        };
        VPCS.select(vec![vpc], request)
    }

    pub(super) fn see_zones(&self, request: &DescribeRequest) -> Result<Page<ZoneView>, Refusal> {
        let zones: std::collections::BTreeSet<&str> =
            self.subnets.values().map(|s| s.zone.as_str()).collect();
        let rows = zones.into_iter().map(|zone| ZoneView {
            zone: zone.to_owned(),
            state: "available".into(),
            region: self.settings.region.clone(),
            zone_id: self.settings.zone_id(zone),
            zone_type: "availability-zone".into(),
            opt_in: "opt-in-not-required".into(),
        });
        ZONES.select(rows.collect(), request)
    }

    pub(super) fn see_types(&self, request: &DescribeRequest) -> Result<Page<InstanceTypeView>, Refusal> {
        let view = |known: &InstanceType| InstanceTypeView {
            name: known.name.into(),
            hypervisor: known.hypervisor.into(),
            bare_metal: false,
            vcpus: VcpuView { count: known.vcpus },
            memory: MemoryView { mib: known.memory_mib },
            network: NetworkInfoView {
                interfaces: known.interfaces,
                cards: known.cards,
                default_card: 0,
                addresses: known.addresses,
                ena: "required".into(),
            },
            ebs: EbsInfoView {
                nvme: if known.hypervisor == "nitro" { "required" } else { "unsupported" }.into(),
                attachments: known.attachments() as u32,
                limit_type: "shared".into(),
            },
            auto_recovery: true,
        };
        TYPES.select(INSTANCE_TYPES.iter().map(view).collect(), request)
    }

    pub(super) fn see_tags(
        &self,
        request: &DescribeRequest,
        effect: &Effect,
    ) -> Result<Page<TagDescriptionView>, Refusal> {
        let mut rows = Vec::new();
        let mut put = |resource: &str, resource_type: &str, tags: &Tags| {
            rows.extend(tags.iter().map(|(key, value)| {
                let view = TagDescriptionView {
                    resource: resource.to_owned(),
                    resource_type: resource_type.to_owned(),
                    key: key.clone(),
                    value: value.clone(),
                };
                (format!("{resource} {key}"), view)
            }));
        };
        for volume in self.volumes.values().filter_map(|v| self.shown(v, effect)) {
            put(&volume.id, "volume", &volume.tags);
        }
        for eni in self.enis.values().filter_map(|e| self.shown(e, effect)) {
            put(&eni.id, "network-interface", &eni.tags);
        }
        for instance in self.shown_instances(effect) {
            put(&instance.id, "instance", &instance.tags);
        }
        for subnet in self.subnets.values() {
            put(&subnet.id, "subnet", &subnet.tags);
        }
        let page = TAGS.select(rows, request)?;
        let items = page.items.into_iter().map(|(_, view)| view).collect();
        Ok(Page { items, next_token: page.next_token })
    }
}
