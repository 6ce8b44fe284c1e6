//! Instances: launched, running, stopped, failing, terminated. A terminating instance holds its volumes and interfaces
//! until it is terminated; that is the window in which a successor has to wait.

use super::filter::{malformed, well_formed};
use super::instance_types::instance_type;
use super::schedule::Due;
use super::show::state_view;
use super::sources::*;
use super::versioned::Versioned;
use super::*;

/// The root device's name, as Amazon Linux images have it.
pub(super) const ROOT_DEVICE: &str = "/dev/xvda";

/// EC2 user guide, StateReason: what an operator's or the group's termination is called.
const BY_USER: (&str, &str) =
    ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown");

/// The same of an interruption.
const BY_SPOT: (&str, &str) = (
    "Server.SpotInstanceTermination",
    "Server.SpotInstanceTermination: A Spot Instance was terminated due to an increase in the Spot price.",
);

impl Region {
    /// Launches an instance outside a group, as an operator would.
    ///
    /// # Panics
    /// When the subnet or the type does not exist.
    pub fn run_instance(&mut self, spec: LaunchSpec) -> InstanceId {
        self.launch(&spec.data(), &spec.subnet, None, Tags::new())
            .expect("the subnet exists, has a free address, and the region has the instance type")
    }

    /// Terminates an instance, as an operator would. Unknown or gone: nothing.
    pub fn terminate_instance(&mut self, id: &str) {
        self.begin_termination(id, "user");
    }

    /// The instance's hardware dies at once. EC2 goes on calling it running; its group notices the impaired status
    /// checks after `Delays::health_check`.
    pub fn fail_instance(&mut self, id: &str) {
        let failed = self.change_instance(id, |instance| {
            let alive = matches!(instance.state, InstanceState::Running | InstanceState::Pending);
            alive && !std::mem::replace(&mut instance.impaired, true)
        });
        if failed == Some(true) {
            self.record(Event::InstanceFailed { instance: id.to_owned() });
            self.checked_later(id);
        }
    }

    /// Reboots a running instance. A failed one stays failed.
    pub fn reboot_instance(&mut self, id: &str) {
        let running = |instance: &Versioned<Instance>| instance.get().state == InstanceState::Running;
        if self.instances.get(id).is_some_and(running) {
            self.record(Event::InstanceRebooted { instance: id.to_owned() });
        }
    }

    /// Stops a running instance.
    pub fn stop_instance(&mut self, id: &str) {
        let stopping = self.change_instance(id, |instance| {
            let may = matches!(instance.state, InstanceState::Running | InstanceState::Pending);
            if may {
                instance.state = InstanceState::Stopping;
                instance.turn += 1;
            }
            may.then_some(instance.turn)
        });
        if let Some(Some(turn)) = stopping {
            let delay_ms = self.draw(|d| &d.instance_stopping);
            self.record(Event::InstanceStopping { instance: id.to_owned(), delay_ms });
            self.later(delay_ms, Due::InstanceStopped { instance: id.to_owned(), turn });
            self.not_running(id, "taken out of service in response to an EC2 health check: stopping");
        }
    }

    /// Starts a stopped instance: perhaps on other hardware, with the same interfaces and volumes.
    pub fn start_instance(&mut self, id: &str) {
        let now = self.now;
        let starting = self.change_instance(id, |instance| {
            let may = instance.state == InstanceState::Stopped;
            if may {
                instance.state = InstanceState::Pending;
                instance.impaired = false;
                instance.checks = Checks::default();
                (instance.notices.spot, instance.notices.rebalance) = (None, None);
                instance.launched_at = now;
                instance.turn += 1;
            }
            may.then_some(instance.turn)
        });
        if let Some(Some(turn)) = starting {
            let delay_ms = self.draw(|d| &d.instance_pending);
            self.record(Event::InstanceStarting { instance: id.to_owned(), delay_ms });
            self.later(delay_ms, Due::InstanceRunning { instance: id.to_owned(), turn });
        }
    }

    pub(super) fn launch(
        &mut self,
        data: &LaunchData,
        subnet: &str,
        group: Option<&str>,
        extra: Tags,
    ) -> Result<InstanceId, Refusal> {
        if instance_type(&data.instance_type).is_none() {
            let message = format!("Invalid value '{}' for InstanceType.", data.instance_type);
            return Err(Refusal::of(&UNKNOWN_INSTANCE_TYPE, message));
        }
        let id = self.names.id("i");
        let eni = self.primary_eni(&id, subnet, data)?;
        let zone = self.subnets[subnet].zone.clone();
        let root_volume = if self.settings.root_volumes { Some(self.root_volume(&id, &zone)) } else { None };
        let mut tags = data.tags.clone();
        tags.extend(extra);
        let instance = Instance {
            id: id.clone(),
            reservation: self.names.id("r"),
            subnet: subnet.to_owned(),
            zone: zone.clone(),
            state: InstanceState::Pending,
            launch: data.clone(),
            group: group.map(str::to_owned),
            eni: eni.clone(),
            root_volume: root_volume.clone(),
            launched_at: self.now,
            terminated_at: None,
            reason: None,
            impaired: false,
            checks: Checks::default(),
            notices: Notices::default(),
            tags,
            turn: 0,
        };
        let spread = if self.now == 0 { 0 } else { self.draw(|d| &d.describe_staleness) };
        self.instances.insert(id.clone(), Versioned::new(instance, self.now, self.now + spread));
        let delay_ms = self.draw(|d| &d.instance_pending);
        let primary = self.enis[&eni].get();
        let launched = Event::InstanceLaunched {
            instance: id.clone(),
            zone,
            subnet: subnet.to_owned(),
            eni,
            mac: primary.mac.clone(),
            address: primary.private_ips[0].to_string(),
            instance_type: data.instance_type.clone(),
            user_data: data.user_data.clone(),
            group: group.map(str::to_owned),
            root_volume,
            delay_ms,
        };
        self.record(launched);
        self.later(delay_ms, Due::InstanceRunning { instance: id.clone(), turn: 0 });
        Ok(id)
    }

    pub(super) fn change_instance<R>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Instance) -> R,
    ) -> Option<R> {
        let spread = self.draw(|d| &d.describe_staleness);
        let instance = self.instances.get_mut(id)?;
        let result = change(instance.change());
        instance.publish(self.now, self.now + spread);
        Some(result)
    }

    pub(super) fn the_instance(&self, id: &str) -> Result<&Instance, Refusal> {
        if !well_formed(id, "i") {
            return Err(malformed(&INSTANCE_MALFORMED, id, "i"));
        }
        let found = self.instances.get(id).map(Versioned::get);
        let visible =
            |i: &&Instance| i.terminated_at.is_none_or(|at| at + self.settings.terminated_visible > self.now);
        found
            .filter(visible)
            .ok_or_else(|| Refusal::of(&INSTANCE_NOT_FOUND, format!("The instance ID '{id}' does not exist")))
    }

    pub(super) fn instance_running(&mut self, id: &str, turn: u64) {
        let running = self.change_instance(id, |instance| {
            let due = instance.state == InstanceState::Pending && instance.turn == turn;
            if due {
                instance.state = InstanceState::Running;
            }
            due
        });
        if running == Some(true) {
            self.record(Event::InstanceRunning { instance: id.to_owned() });
            self.in_service(id);
        }
    }

    pub(super) fn instance_stopped(&mut self, id: &str, turn: u64) {
        let stopped = self.change_instance(id, |instance| {
            let due = instance.state == InstanceState::Stopping && instance.turn == turn;
            if due {
                instance.state = InstanceState::Stopped;
            }
            due
        });
        if stopped == Some(true) {
            self.record(Event::InstanceStopped { instance: id.to_owned() });
            self.stopped_in_pool(id);
        }
    }

    /// `shutting-down` now, `terminated` later. Nothing is released before that.
    pub(super) fn begin_termination(&mut self, id: &str, reason: &str) {
        let going = self.change_instance(id, |instance| {
            let may = !matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated);
            if may {
                instance.state = InstanceState::ShuttingDown;
                let (code, message) = if reason == "spot" { BY_SPOT } else { BY_USER };
                instance.reason = Some((code.to_owned(), message.to_owned()));
            }
            may
        });
        if going == Some(true) {
            let delay_ms = self.draw(|d| &d.instance_shutting_down);
            let reason = reason.to_owned();
            self.record(Event::InstanceShuttingDown { instance: id.to_owned(), reason, delay_ms });
            self.later(delay_ms, Due::InstanceTerminated { instance: id.to_owned() });
            self.not_running(id, "taken out of service in response to an EC2 health check: shutting-down");
        }
    }

    fn not_running(&mut self, id: &str, cause: &str) {
        let delay = self.draw(|d| &d.group_notice);
        self.later(delay, Due::GroupNotices { instance: id.to_owned(), cause: cause.to_owned() });
    }

    pub(super) fn instance_terminated(&mut self, id: &str) {
        let now = self.now;
        self.change_instance(id, |instance| {
            instance.state = InstanceState::Terminated;
            instance.terminated_at = Some(now);
        });
        self.record(Event::InstanceTerminated { instance: id.to_owned() });
        self.imds_tokens.retain(|_, (owner, _)| owner != id);
        match self.draw(|d| &d.release) {
            0 => self.release_attachments(id),
            delay => self.later(delay, Due::InstanceReleased { instance: id.to_owned() }),
        }
        self.member_gone(id);
    }

    pub(super) fn release_attachments(&mut self, id: &str) {
        self.release_volumes(id);
        self.release_enis(id);
    }

    pub(super) fn tag_instance(&mut self, id: &str, change: impl FnOnce(&mut Tags)) -> Option<Tags> {
        let spread = self.draw(|d| &d.tag_visibility);
        let instance = self.instances.get_mut(id)?;
        change(&mut instance.change().tags);
        instance.publish(self.now, self.now + spread);
        Some(instance.get().tags.clone())
    }

    pub(super) fn run_instances_now(
        &mut self,
        request: &RunInstancesRequest,
    ) -> Result<Vec<InstanceView>, Refusal> {
        let what = format!("{request:?}");
        if let Some(made) = self.made_before("RunInstances", &request.client_token, &what)? {
            return Ok(made.split(',').filter_map(|id| self.view_of(id)).collect());
        }
        if !self.subnets.contains_key(&request.subnet) {
            let message = format!("The subnet ID '{}' does not exist", request.subnet);
            return Err(Refusal::of(&SUBNET_NOT_FOUND, message));
        }
        let mut data = request.data.clone();
        if let Some(name) = &request.template {
            let template = self.template(name)?.data.clone();
            let asked = std::mem::take(&mut data);
            let plain = LaunchData::default();
            data = LaunchData { name: template.name.clone(), ..template };
            data.tags.extend(asked.tags);
            if asked.instance_type != plain.instance_type {
                data.instance_type = asked.instance_type;
            }
            if !asked.user_data.is_empty() {
                data.user_data = asked.user_data;
            }
            data.profile = asked.profile.or(data.profile);
            data.metadata_tags |= asked.metadata_tags;
            data.ipv6_only |= asked.ipv6_only;
        }
        let mut made: Vec<InstanceId> = Vec::new();
        for _ in 0..request.count.max(1) {
            let id = self.launch(&data, &request.subnet, None, Tags::new())?;
            if let Some(first) = made.first() {
                let reservation = self.instances[first].get().reservation.clone();
                self.change_instance(&id, |instance| instance.reservation = reservation);
            }
            made.push(id);
        }
        self.remember("RunInstances", &request.client_token, &what, &made.join(","));
        Ok(made.iter().filter_map(|id| self.view_of(id)).collect())
    }

    /// An instance as it truly is now.
    pub(super) fn view_of(&self, id: &str) -> Option<InstanceView> {
        let instance = self.instances.get(id)?.get();
        let mut interfaces: Vec<InstanceEniView> = self
            .enis_of(id)
            .filter_map(|eni| Some(self.instance_eni_view(eni, eni.attachment.as_ref()?)))
            .collect();
        interfaces.sort_by_key(|interface| interface.attachment.device_index);
        let mut volumes = Vec::new();
        for volume in self.volumes.values().map(Versioned::get) {
            for at in volume.attachments.iter().filter(|at| at.instance == id) {
                volumes.push(self.block_device_view(volume, at));
            }
        }
        Some(self.instance_view(instance, interfaces, volumes))
    }

    fn for_all(
        &mut self,
        ids: &[String],
        refused: &[InstanceState],
        act: fn(&mut Region, &str),
    ) -> Result<Vec<StateChangeView>, Refusal> {
        let mut before = Vec::new();
        for id in ids {
            let state = self.the_instance(id)?.state;
            if refused.contains(&state) {
                let message = format!(
                    "The instance '{id}' is not in a state from which it can be changed this way: {}",
                    state.word()
                );
                return Err(Refusal::of(&INSTANCE_STATE, message));
            }
            before.push(state);
        }
        let mut changes = Vec::new();
        for (id, previous) in ids.iter().zip(before) {
            act(self, id);
            changes.push(StateChangeView {
                instance: id.clone(),
                current: state_view(self.the_instance(id)?.state),
                previous: state_view(previous),
            });
        }
        Ok(changes)
    }

    pub(super) fn terminate_instances_now(
        &mut self,
        request: &InstancesRequest,
    ) -> Result<Vec<StateChangeView>, Refusal> {
        self.for_all(&request.ids, &[], Region::terminate_instance)
    }

    pub(super) fn reboot_instances_now(&mut self, request: &InstancesRequest) -> Result<(), Refusal> {
        use InstanceState::{Pending, ShuttingDown, Stopped, Stopping, Terminated};
        let refused = [Pending, ShuttingDown, Terminated, Stopping, Stopped];
        self.for_all(&request.ids, &refused, Region::reboot_instance).map(|_| ())
    }

    pub(super) fn stop_instances_now(
        &mut self,
        request: &InstancesRequest,
    ) -> Result<Vec<StateChangeView>, Refusal> {
        use InstanceState::{ShuttingDown, Terminated};
        self.for_all(&request.ids, &[ShuttingDown, Terminated], Region::stop_instance)
    }

    pub(super) fn start_instances_now(
        &mut self,
        request: &InstancesRequest,
    ) -> Result<Vec<StateChangeView>, Refusal> {
        use InstanceState::{ShuttingDown, Stopping, Terminated};
        self.for_all(&request.ids, &[ShuttingDown, Terminated, Stopping], Region::start_instance)
    }
}
