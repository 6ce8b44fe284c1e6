//! The API of Auto Scaling.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::hook_calls::check_hook;
use super::refresh_calls::check_maintenance;
use super::sources::*;
use super::*;

/// API reference, DescribeAutoScalingInstances: most ids, and most records of a page.
const MOST_IDS: usize = 50;

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::of(&GROUP_PARAMETER, message)
}

fn cut<T>(rows: Vec<(String, T)>, request: &DescribeGroupsRequest) -> Result<Page<T>, Refusal> {
    let after = match request.next_token.as_deref() {
        None | Some("") => None,
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            Some(text.ok_or_else(|| Refusal::of(&BAD_NEXT_TOKEN, "The token is not valid"))?)
        }
    };
    let most = request.max_records.unwrap_or(50) as usize;
    let mut rows: Vec<(String, T)> =
        rows.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).collect();
    let more = rows.len() > most;
    rows.truncate(most);
    let next_token = rows.last().filter(|_| more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
    Ok(Page { items: rows.into_iter().map(|(_, row)| row).collect(), next_token })
}

impl Region {
    pub(super) fn the_group(&self, name: &str) -> Result<&Group, Refusal> {
        self.groups.get(name).ok_or_else(|| {
            let message = format!("AutoScalingGroup name not found - AutoScalingGroup {name} not found");
            Refusal::of(&NO_GROUP, message)
        })
    }

    fn group_of(&self, instance: &str) -> Result<(&Group, &Member), Refusal> {
        let found = self.groups.values().find_map(|group| Some((group, group.members.get(instance)?)));
        found.ok_or_else(|| {
            let message =
                format!("Instance Id not found - No managed instance found for instance ID: {instance}");
            Refusal::of(&NO_GROUP_INSTANCE, message)
        })
    }

    fn launch_names(&self, launch: &LaunchSource) -> (Option<String>, Option<GroupTemplateView>) {
        match launch {
            LaunchSource::Configuration(data) => (Some(data.name.clone()), None),
            LaunchSource::Template(data) => {
                let id = self.template(&data.name).map(|template| template.id.clone()).unwrap_or_default();
                (None, Some(GroupTemplateView { id, name: data.name.clone(), version: "1".into() }))
            }
        }
    }

    fn member_view(&self, group: &Group, id: &str, member: &Member, outside: bool) -> GroupInstanceView {
        let (configuration, template) = self.launch_names(&group.launch);
        let instance_type = self.instances.get(id).map(|i| i.get().launch.instance_type.clone());
        GroupInstanceView {
            instance: id.to_owned(),
            instance_type: instance_type.unwrap_or_default(),
            group: outside.then(|| group.name.clone()),
            zone: member.zone.clone(),
            lifecycle: member.lifecycle.clone(),
            // API reference: upper case in DescribeAutoScalingInstances, as in `Healthy` inside a group.
            health: match (member.healthy, outside) {
                (true, true) => "HEALTHY",
                (false, true) => "UNHEALTHY",
                (true, false) => "Healthy",
                (false, false) => "Unhealthy",
            }
            .into(),
            configuration,
            template,
            protected: false,
        }
    }

    pub(super) fn see_group_instances(
        &self,
        request: &DescribeGroupsRequest,
    ) -> Result<Page<GroupInstanceView>, Refusal> {
        if request.names.len() > MOST_IDS {
            let message =
                format!("The number of instance ids that may be passed in is limited to {MOST_IDS}");
            return Err(Refusal::of(&TOO_MANY_IDS, message));
        }
        let rows: BTreeMap<String, GroupInstanceView> = self
            .groups
            .values()
            .flat_map(|group| group.members.iter().map(move |(id, member)| (group, id, member)))
            .filter(|(_, id, _)| request.names.is_empty() || request.names.contains(id))
            .map(|(group, id, member)| (id.clone(), self.member_view(group, id, member, true)))
            .collect();
        cut(rows.into_iter().collect(), request)
    }

    pub(super) fn see_groups(&self, request: &DescribeGroupsRequest) -> Result<Page<GroupView>, Refusal> {
        let asked = |name: &String| request.names.is_empty() || request.names.contains(name);
        let rows = self.groups.values().filter(|group| asked(&group.name)).map(|group| {
            let (configuration, template) = self.launch_names(&group.launch);
            let mut zones: Vec<String> =
                group.subnets.iter().filter_map(|id| self.subnets.get(id)).map(|s| s.zone.clone()).collect();
            zones.sort();
            zones.dedup();
            let view = GroupView {
                name: group.name.clone(),
                arn: group.arn.clone(),
                configuration,
                template,
                min: group.min,
                max: group.max,
                desired: group.desired,
                cooldown: 300,
                zones,
                health_check_type: group.health_check_type.clone(),
                grace: group.grace / 1_000,
                // Those of the warm pool are DescribeWarmPool's.
                instances: group
                    .members
                    .iter()
                    .filter(|(_, member)| !member.is_warmed())
                    .map(|(id, m)| self.member_view(group, id, m, false))
                    .collect(),
                created: self.stamp(group.created_at),
                suspended: group
                    .suspended
                    .iter()
                    .map(|process| SuspendedView {
                        process: process.clone(),
                        reason: "User suspended".into(),
                    })
                    .collect(),
                subnets: group.subnets.join(","),
                tags: group
                    .tags
                    .iter()
                    .map(|(key, value)| GroupTagView {
                        resource: group.name.clone(),
                        resource_type: "auto-scaling-group".into(),
                        key: key.clone(),
                        value: value.clone(),
                        propagate: true,
                    })
                    .collect(),
                status: group.deleting.then(|| "Delete in progress".to_owned()),
            };
            (group.name.clone(), view)
        });
        cut(rows.collect(), request)
    }

    pub(super) fn set_health_now(&mut self, request: &SetHealthRequest) -> Result<(), Refusal> {
        let SetHealthRequest { instance: id, health, respect_grace } = request;
        if !["Healthy", "Unhealthy"].contains(&health.as_str()) {
            return Err(invalid(format!("Value '{health}' at 'healthStatus' must be Healthy or Unhealthy")));
        }
        let (group, member) = self.group_of(id)?;
        // API reference, SetInstanceHealth: within the grace period, which starts at InService, without effect.
        let in_grace = member.in_service_at.is_none_or(|at| self.now < at + group.grace) && group.grace > 0;
        let replace = !group.suspended.contains("ReplaceUnhealthy") && member.counts();
        let name = group.name.clone();
        if *respect_grace && in_grace {
            return Ok(());
        }
        if let Some(member) = self.groups.get_mut(&name).and_then(|group| group.members.get_mut(id)) {
            member.healthy = health == "Healthy";
        }
        self.record(Event::HealthSet { instance: id.clone(), health: health.clone() });
        if health == "Unhealthy" && replace {
            self.replace_member(
                id,
                "an instance was taken out of service in response to a user health-check",
                true,
            );
        }
        Ok(())
    }

    pub(super) fn create_configuration_now(&mut self, request: &CreateLaunchRequest) -> Result<(), Refusal> {
        let name = request.data.name.clone();
        if self.configurations.contains_key(&name) {
            let message = format!("Launch Configuration by this name already exists: {name}");
            return Err(Refusal::of(&GROUP_EXISTS, message));
        }
        self.configurations.insert(name, request.data.clone());
        Ok(())
    }

    pub(super) fn create_group_now(&mut self, request: &CreateGroupRequest) -> Result<(), Refusal> {
        let mut spec = request.spec.clone();
        if self.groups.contains_key(&spec.name) {
            let message = format!("AutoScalingGroup by this name already exists: {}", spec.name);
            return Err(Refusal::of(&GROUP_EXISTS, message));
        }
        if let Some(unknown) = spec.subnets.iter().find(|id| !self.subnets.contains_key(*id)) {
            return Err(invalid(format!("The subnet ID '{unknown}' does not exist")));
        }
        if spec.subnets.is_empty() {
            return Err(invalid("At least one Availability Zone or VPC Subnet is required."));
        }
        if spec.min > spec.max || spec.desired > spec.max || spec.desired < spec.min {
            return Err(Refusal::of(&GROUP_SIZE, "Desired capacity must be between the min and max size"));
        }
        if let Some(rule) = spec.maintenance {
            check_maintenance(rule)?;
        }
        for hook in &spec.hooks {
            check_hook(hook)?;
        }
        spec.launch = match &spec.launch {
            LaunchSource::Configuration(data) => {
                let known = self.configurations.get(&data.name).cloned();
                let missing = || invalid(format!("Launch configuration name not found - {}", data.name));
                LaunchSource::Configuration(known.ok_or_else(missing)?)
            }
            LaunchSource::Template(data) => {
                let known = self.template(&data.name).map_err(|refusal| invalid(refusal.message))?;
                LaunchSource::Template(known.data.clone())
            }
        };
        self.add_group(spec);
        Ok(())
    }

    pub(super) fn delete_group_now(&mut self, request: &DeleteGroupRequest) -> Result<(), Refusal> {
        let members: Vec<InstanceId> = self.the_group(&request.group)?.members.keys().cloned().collect();
        if !members.is_empty() && !request.force {
            let message =
                "You cannot delete an AutoScalingGroup while there are instances still in the group.";
            return Err(Refusal::of(&GROUP_IN_USE, message));
        }
        if members.is_empty() {
            self.groups.remove(&request.group);
            return Ok(());
        }
        if let Some(group) = self.groups.get_mut(&request.group) {
            group.deleting = true;
            // API reference, DeleteAutoScalingGroup: outstanding lifecycle actions are deleted too.
            group.hooks.clear();
            group.members.values_mut().for_each(|member| member.actions.clear());
            (group.min, group.desired) = (0, 0);
        }
        for id in members {
            self.replace_member(&id, "the group is deleted", false);
        }
        Ok(())
    }

    fn activity(&mut self, group: &str, description: &str, cause: &str) -> ActivityView {
        ActivityView {
            id: self.names.uuid(),
            group: group.to_owned(),
            description: description.to_owned(),
            cause: cause.to_owned(),
            start: self.stamp(self.now),
            status: "InProgress".into(),
            progress: 0,
        }
    }

    pub(super) fn group_terminate_now(
        &mut self,
        request: &GroupTerminateRequest,
    ) -> Result<ActivityView, Refusal> {
        let id = &request.instance;
        let name = self.group_of(id)?.0.name.clone();
        if let Some(group) = self.groups.get_mut(&name).filter(|_| request.decrement) {
            group.desired = group.desired.saturating_sub(1).max(group.min);
        }
        let cause = "instance was taken out of service in response to a user request";
        self.replace_member(id, cause, true);
        Ok(self.activity(&name, &format!("Terminating EC2 instance: {id}"), cause))
    }

    pub(super) fn set_group_size_now(&mut self, request: &GroupSizeRequest) -> Result<(), Refusal> {
        let group = self.the_group(&request.group)?;
        let (min, max) = (request.min.unwrap_or(group.min), request.max.unwrap_or(group.max));
        let desired = request.desired.unwrap_or(group.desired.clamp(min, max.max(min)));
        if desired < min || desired > max {
            let message = format!("New SetDesiredCapacity value {desired} is not between {min} and {max}");
            return Err(Refusal::of(&GROUP_SIZE, message));
        }
        if let Some(group) = self.groups.get_mut(&request.group) {
            (group.min, group.max, group.desired) = (min, max, desired);
        }
        self.schedule_launch(&request.group);
        Ok(())
    }

    fn check_members(&self, request: &StandbyRequest) -> Result<(), Refusal> {
        let group = self.the_group(&request.group)?;
        match request.ids.iter().find(|id| !group.members.contains_key(*id)) {
            Some(id) => {
                let message = format!("The instance {id} is not part of Auto Scaling group {}.", group.name);
                Err(Refusal::of(&NO_GROUP_INSTANCE, message))
            }
            None => Ok(()),
        }
    }

    pub(super) fn enter_standby_now(
        &mut self,
        request: &StandbyRequest,
    ) -> Result<Vec<ActivityView>, Refusal> {
        self.check_members(request)?;
        if let Some(group) = self.groups.get_mut(&request.group).filter(|_| request.decrement) {
            group.desired = group.desired.saturating_sub(request.ids.len() as u32).max(group.min);
        }
        let mut activities = Vec::new();
        for id in &request.ids {
            self.set_lifecycle(id, "Standby");
            let description = format!("Moving EC2 instance to Standby: {id}");
            activities.push(self.activity(&request.group, &description, "in response to a user request"));
        }
        self.schedule_launch(&request.group);
        Ok(activities)
    }

    pub(super) fn exit_standby_now(
        &mut self,
        request: &StandbyRequest,
    ) -> Result<Vec<ActivityView>, Refusal> {
        self.check_members(request)?;
        if let Some(group) = self.groups.get_mut(&request.group) {
            group.desired = (group.desired + request.ids.len() as u32).min(group.max);
        }
        let mut activities = Vec::new();
        for id in &request.ids {
            self.set_lifecycle(id, "InService");
            let description = format!("Moving EC2 instance out of Standby: {id}");
            activities.push(self.activity(&request.group, &description, "in response to a user request"));
        }
        Ok(activities)
    }

    pub(super) fn suspend_now(&mut self, request: &ProcessesRequest, suspend: bool) -> Result<(), Refusal> {
        const ALL: &[&str] = &["Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy", "AZRebalance"];
        self.the_group(&request.group)?;
        let all = || ALL.iter().map(|process| (*process).to_owned()).collect();
        let named = if request.processes.is_empty() { all() } else { request.processes.clone() };
        if let Some(group) = self.groups.get_mut(&request.group) {
            if suspend {
                group.suspended.extend(named);
            } else {
                group.suspended.retain(|process| !named.contains(process));
            }
        }
        if !suspend {
            self.schedule_launch(&request.group);
            // What died meanwhile is noticed now.
            let members: Vec<InstanceId> = self.the_group(&request.group)?.members.keys().cloned().collect();
            for id in members {
                self.group_notices(&id, "an EC2 health check");
            }
        }
        Ok(())
    }
}
