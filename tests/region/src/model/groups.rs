//! Auto Scaling groups: they launch what is missing over their zones, notice what is no longer well, and replace it.
//! Without an instance maintenance policy an unhealthy instance is terminated and its replacement launched side by side
//! (EC2 Auto Scaling user guide, instance maintenance policies).

use std::collections::BTreeMap;

use super::schedule::Due;
use super::versioned::Versioned;
use super::*;

impl Region {
    /// Makes a group. Its instances are launched after `Delays::group_launch`, all at the same moment.
    pub fn add_group(&mut self, spec: GroupSpec) {
        match &spec.launch {
            LaunchSource::Template(data) => {
                let template = Template { id: self.names.id("lt"), created_at: self.now, data: data.clone() };
                self.templates.entry(data.name.clone()).or_insert(template);
            }
            LaunchSource::Configuration(data) => {
                self.configurations.insert(data.name.clone(), data.clone());
            }
        }
        let uuid = self.names.uuid();
        let arn = format!("autoScalingGroup:{uuid}:autoScalingGroupName/{}", spec.name);
        let group = Group {
            arn: self.settings.arn("autoscaling", &arn),
            min: spec.min,
            max: spec.max.max(spec.desired),
            desired: spec.desired.max(spec.min),
            subnets: spec.subnets,
            launch: spec.launch,
            tags: spec.tags,
            grace: spec.health_check_grace,
            health_check_type: Some(spec.health_check_type)
                .filter(|said| !said.is_empty())
                .unwrap_or_else(|| "EC2".into()),
            suspended: spec.suspended.into_iter().collect(),
            warm_pool: spec.warm_pool,
            maintenance: spec.maintenance,
            refreshes: Vec::new(),
            hooks: spec.hooks.into_iter().map(|hook| (hook.name.clone(), hook)).collect(),
            created_at: self.now,
            members: BTreeMap::new(),
            deleting: false,
            name: spec.name.clone(),
        };
        self.groups.insert(spec.name.clone(), group);
        self.schedule_launch(&spec.name);
    }

    pub(super) fn schedule_launch(&mut self, group: &str) {
        let delay = self.draw(|d| &d.group_launch);
        self.later(delay, Due::GroupLaunch { group: group.to_owned() });
    }

    pub(super) fn group_activity(&mut self, group: &str, instance: Option<&str>, cause: &str) {
        let instance = instance.map(str::to_owned);
        self.record(Event::GroupActivity { group: group.to_owned(), instance, cause: cause.to_owned() });
    }

    fn suspended(&self, group: &str, process: &str) -> bool {
        self.groups.get(group).is_some_and(|group| group.suspended.contains(process))
    }

    /// Brings a group to its wanted size: launches what is missing, all at once, each in the zone that has fewest.
    pub(super) fn group_launch(&mut self, name: &str) {
        loop {
            let Some(group) = self.groups.get(name) else { return };
            let counted = |subnet: &SubnetId| {
                let zone = self.subnets.get(subnet).map(|subnet| subnet.zone.clone()).unwrap_or_default();
                group.members.values().filter(|member| member.counts() && member.zone == zone).count()
            };
            let size = group.members.values().filter(|member| member.counts()).count();
            let wanted = group.wants();
            if size as u32 > wanted {
                if let Some(surplus) = self.surplus(name) {
                    self.replace_member(&surplus, "a shrink of the group", false);
                    continue;
                }
                return;
            }
            if group.suspended.contains("Launch") {
                return;
            }
            let into = group.warm_pool.filter(|_| size as u32 == wanted);
            if size as u32 == wanted && !group.lacks_warmed() {
                return;
            }
            if into.is_none()
                && let Some(warmed) = group.ready_in_pool()
            {
                self.take_from_pool(&warmed);
                continue;
            }
            let Some(subnet) = group.subnets.iter().min_by_key(|subnet| counted(subnet)).cloned() else {
                return;
            };
            if !self.launch_member(name, &subnet, into) {
                return;
            }
        }
    }

    /// Which member goes when the group shrinks: the oldest of the fullest zone.
    fn surplus(&self, name: &str) -> Option<InstanceId> {
        let members = &self.groups.get(name)?.members;
        let in_zone = |zone: &str| members.values().filter(|m| m.counts() && m.zone == zone).count();
        let counting = members.iter().filter(|(_, member)| member.counts());
        let (id, _) = counting.max_by_key(|(id, m)| {
            (in_zone(&m.zone), std::cmp::Reverse(m.launched_at), std::cmp::Reverse((*id).clone()))
        })?;
        Some(id.clone())
    }

    fn launch_member(&mut self, name: &str, subnet: &str, into: Option<WarmPool>) -> bool {
        let Some(group) = self.groups.get(name) else { return false };
        let data = group.launch.data().clone();
        let mut tags = group.tags.clone();
        tags.insert("aws:autoscaling:groupName".into(), name.to_owned());
        let by_template = matches!(group.launch, LaunchSource::Template(_));
        if let Some(template) = self.template(&data.name).ok().filter(|_| by_template) {
            tags.insert("aws:ec2launchtemplate:id".into(), template.id.clone());
            tags.insert("aws:ec2launchtemplate:version".into(), "1".into());
        }
        if let Some(stack) = self.stacks.values().find(|stack| stack.group == name) {
            tags.insert("aws:cloudformation:stack-name".into(), stack.name.clone());
            tags.insert("aws:cloudformation:stack-id".into(), stack.id.clone());
            tags.insert("aws:cloudformation:logical-id".into(), stack.logical_id.clone());
        }
        let id = match self.launch(&data, subnet, Some(name), tags) {
            Ok(id) => id,
            Err(refusal) => {
                self.group_activity(name, None, &format!("launching an instance failed: {refusal}"));
                return false;
            }
        };
        let target_from = self.now + self.draw(|d| &d.imds_target_state);
        let member = Member {
            lifecycle: if into.is_some() { "Warmed:Pending" } else { "Pending" }.into(),
            healthy: true,
            zone: self.subnets[subnet].zone.clone(),
            in_service_at: None,
            launched_at: self.now,
            target: into.map_or("InService", |pool| pool.state.lifecycle()).into(),
            target_from,
            actions: Vec::new(),
        };
        if let Some(group) = self.groups.get_mut(name) {
            group.members.insert(id.clone(), member);
        }
        self.group_activity(name, Some(&id), "launched a new EC2 instance");
        true
    }

    pub(super) fn change_member(&mut self, id: &str, change: impl FnOnce(&mut Member)) -> Option<String> {
        let (name, member) = self
            .groups
            .iter_mut()
            .find_map(|(name, group)| group.members.get_mut(id).map(|member| (name.clone(), member)))?;
        change(member);
        Some(name)
    }

    /// Sets a member's lifecycle state as a test wants it; its target state follows.
    pub fn set_lifecycle(&mut self, id: &str, state: &str) {
        let group = self.groups.values().find(|group| group.members.contains_key(id));
        let pool = group.and_then(|group| group.warm_pool).unwrap_or_default();
        let target = match state {
            _ if state.starts_with("Warmed:Pending") => pool.state.lifecycle(),
            _ if state.starts_with("Warmed:Terminat") => "Warmed:Terminated",
            _ if state.starts_with("Pending") => "InService",
            _ if state.starts_with("Terminat") => "Terminated",
            "EnteringStandby" => "Standby",
            "Detaching" => "Detached",
            other => other,
        };
        let now = self.now;
        let changed = self.change_member(id, |member| {
            member.lifecycle = state.to_owned();
            member.actions.clear();
            if target != member.target {
                member.target = target.to_owned();
                member.target_from = now;
            }
        });
        if changed.is_some() {
            self.record(Event::LifecycleState { instance: id.to_owned(), state: state.to_owned() });
        }
    }

    pub(super) fn in_service(&mut self, id: &str) {
        let member = self.groups.values().find_map(|group| group.members.get(id));
        if member.is_some_and(|member| member.lifecycle == "Pending") {
            if !self.hooks_hold(id, Transition::Launching, "Pending:Wait") {
                self.serves(id);
            }
        } else {
            self.warmed_up(id);
        }
    }

    pub(super) fn serves(&mut self, id: &str) {
        let now = self.now;
        self.change_member(id, |member| {
            member.lifecycle = "InService".into();
            member.in_service_at = Some(now);
        });
        self.record(Event::LifecycleState { instance: id.to_owned(), state: "InService".into() });
        // User guide, health checks: they begin when it is in service, with the grace period.
        let instance = self.instances.get(id).map(Versioned::get);
        let group = self.groups.values().find(|group| group.members.contains_key(id));
        if let (Some(instance), Some(group)) = (instance, group)
            && self.ill_by_checks(instance, group)
        {
            self.checked_later(id);
        }
        self.rolling_in_service();
        if let Some(name) = self.change_member(id, |_| {}) {
            self.refresh_looks(&name);
        }
    }

    /// The group's health check looks at one instance that something happened to.
    pub(super) fn group_notices(&mut self, id: &str, cause: &str) {
        let Some(instance) = self.instances.get(id).map(|instance| instance.get()) else { return };
        let runs = instance.state == InstanceState::Running;
        let Some(group) = instance.group.clone() else { return };
        if runs && !self.groups.get(&group).is_some_and(|group| self.ill_by_checks(instance, group)) {
            return;
        }
        if self.suspended(&group, "HealthCheck") {
            return;
        }
        let Some((member, pool)) =
            self.groups.get(&group).and_then(|group| Some((group.members.get(id)?, group.warm_pool)))
        else {
            return;
        };
        // One that leaves the warm pool is started by its group: that it does not run yet is no illness.
        let state = instance.state;
        let started =
            matches!(state, InstanceState::Pending | InstanceState::Stopping | InstanceState::Stopped);
        let leaves_pool = pool.is_some() && member.lifecycle == "Pending" && started;
        if !member.counts() || leaves_pool {
            return;
        }
        // User guide, health checks: what does not run is replaced at once, what is impaired after the grace period.
        let since = member.in_service_at;
        let grace = self.groups.get(&group).map_or(0, |group| group.grace);
        match since.map(|since| since + grace) {
            None if runs => return,
            Some(end) if runs && end > self.now => {
                let due = Due::GroupNotices { instance: id.to_owned(), cause: cause.to_owned() };
                self.later(end - self.now, due);
                return;
            }
            _ => {}
        }
        self.change_member(id, |member| member.healthy = false);
        if !self.suspended(&group, "ReplaceUnhealthy") {
            self.replace_member(id, cause, true);
        }
    }

    /// Takes a member out and, side by side, launches another.
    pub(super) fn replace_member(&mut self, id: &str, cause: &str, relaunch: bool) {
        let now = self.now;
        let (mut state, mut held) = ("Terminating", false);
        let group = self.change_member(id, |member| {
            held = member.leaves()
                && (member.lifecycle.ends_with(":Wait") || member.lifecycle.ends_with(":Proceed"));
            if held {
                return;
            }
            let target = if member.is_warmed() { "Warmed:Terminated" } else { "Terminated" };
            state = if member.is_warmed() { "Warmed:Terminating" } else { "Terminating" };
            member.lifecycle = state.into();
            member.actions.clear();
            member.target = target.into();
            member.target_from = now;
        });
        // One that a hook holds on its way out is gone when the hook lets it go.
        let Some(group) = group.filter(|_| !held) else { return };
        self.record(Event::LifecycleState { instance: id.to_owned(), state: state.into() });
        self.group_activity(&group, Some(id), cause);
        if !self.suspended(&group, "Terminate")
            && !self.hooks_hold(id, Transition::Terminating, &format!("{state}:Wait"))
        {
            self.begin_termination(id, "group");
        }
        if relaunch {
            self.schedule_launch(&group);
        }
    }

    pub(super) fn member_gone(&mut self, id: &str) {
        let Some(found) = self.groups.values().find(|group| group.members.contains_key(id)) else { return };
        let name = found.name.clone();
        let has_hooks = found.hooks.values().any(|hook| hook.transition == Transition::Terminating);
        if has_hooks && found.members.get(id).is_some_and(|member| !member.leaves()) {
            self.replace_member(id, "an instance was terminated", true);
        }
        let Some(group) = self.groups.get_mut(&name) else { return };
        // User guide, health checks: the hooks of an instance that was terminated are still waited for.
        if group.members.get(id).is_some_and(|member| member.leaves() && !member.actions.is_empty()) {
            return;
        }
        let counted = group.members.remove(id).is_some_and(|member| member.counts());
        if group.deleting && group.members.is_empty() {
            self.groups.remove(&name);
            self.group_of_stack_gone(&name);
            return;
        }
        self.record(Event::LifecycleState { instance: id.to_owned(), state: "Terminated".into() });
        self.refresh_looks(&name);
        if counted {
            // It went before the health check looked.
            self.group_activity(&name, Some(id), "an instance was terminated");
            self.schedule_launch(&name);
        }
    }
}
