//! Warm pools: instances that are launched, boot once, and wait `stopped`, `running` or `hibernated` until their group
//! needs them. Auto Scaling user guide, "Decrease latency … using warm pools" and "Use lifecycle hooks with a warm pool".

use super::versioned::Versioned;
use super::*;

impl PoolState {
    /// The life-cycle state of an instance that waits so, and the target state of one on its way there.
    pub fn lifecycle(self) -> &'static str {
        match self {
            PoolState::Stopped => "Warmed:Stopped",
            PoolState::Running => "Warmed:Running",
            PoolState::Hibernated => "Warmed:Hibernated",
        }
    }
}

impl Group {
    pub(super) fn lacks_warmed(&self) -> bool {
        let stays = |member: &&Member| member.is_warmed() && !member.leaves();
        let warmed = self.members.values().filter(stays).count();
        self.warm_pool.is_some_and(|pool| warmed < pool.size as usize)
    }

    /// The oldest instance that waits in the pool.
    pub(super) fn ready_in_pool(&self) -> Option<InstanceId> {
        let waiting = ["Warmed:Stopped", "Warmed:Running", "Warmed:Hibernated"];
        let ready = self.members.iter().filter(|(_, member)| waiting.contains(&member.lifecycle.as_str()));
        ready.min_by_key(|(id, member)| (member.launched_at, (*id).clone())).map(|(id, _)| id.clone())
    }
}

impl Region {
    /// Moves an instance of a group into its warm pool, as an instance reuse policy does when the group shrinks by it:
    /// `Warmed:Pending`, then what the pool has its instances wait as. Nothing where it is in no group.
    pub fn enter_warm_pool(&mut self, id: &str, state: PoolState) {
        let now = self.now;
        let Some(group) = self.groups.values_mut().find(|group| group.members.contains_key(id)) else {
            return;
        };
        group.warm_pool.get_or_insert(WarmPool { state, size: 0 }).state = state;
        if group.members.get(id).is_some_and(Member::counts) {
            group.desired = group.desired.saturating_sub(1);
            group.min = group.min.min(group.desired);
        }
        self.change_member(id, |member| {
            member.lifecycle = "Warmed:Pending".into();
            member.target = state.lifecycle().into();
            member.target_from = now;
            member.in_service_at = None;
            member.actions.clear();
        });
        self.record(Event::LifecycleState { instance: id.to_owned(), state: "Warmed:Pending".into() });
        let instance = self.instances.get(id).map(Versioned::get);
        if instance.is_some_and(|instance| instance.state == InstanceState::Running) {
            self.enters_pool(id);
        }
    }

    /// The group grows by an instance of its warm pool: `Pending` with the target `InService`, started where it was
    /// stopped. Nothing where it is in no pool.
    pub fn leave_warm_pool(&mut self, id: &str) {
        let warmed = |group: &&mut Group| group.members.get(id).is_some_and(Member::is_warmed);
        let Some(group) = self.groups.values_mut().find(warmed) else { return };
        group.desired += 1;
        group.max = group.max.max(group.desired);
        let name = group.name.clone();
        self.take_from_pool(id);
        self.schedule_launch(&name);
    }

    /// The same for a group that has wanted one more already.
    pub(super) fn take_from_pool(&mut self, id: &str) {
        let now = self.now;
        let mut left = false;
        self.change_member(id, |member| {
            left = member.is_warmed();
            if left {
                member.lifecycle = "Pending".into();
                member.actions.clear();
                member.target = "InService".into();
                member.target_from = now;
            }
        });
        if !left {
            return;
        }
        self.record(Event::LifecycleState { instance: id.to_owned(), state: "Pending".into() });
        match self.instances.get(id).map(|instance| instance.get().state) {
            Some(InstanceState::Running) => self.in_service(id),
            Some(InstanceState::Stopped) => self.start_instance(id),
            // Pending: it is in service as soon as it runs. Stopping: it is started as soon as it has stopped.
            _ => {}
        }
    }

    /// An instance of the pool runs for the first time: it stays so, or is stopped.
    pub(super) fn warmed_up(&mut self, id: &str) {
        let running = |instance: &Versioned<Instance>| instance.get().state == InstanceState::Running;
        let Some(member) = self.groups.values().find_map(|group| group.members.get(id)) else { return };
        if member.lifecycle != "Warmed:Pending" || !self.instances.get(id).is_some_and(running) {
            return;
        }
        // User guide, lifecycle hooks with a warm pool: the launching hook fires here, and again on the way into service.
        if !self.hooks_hold(id, Transition::Launching, "Warmed:Pending:Wait") {
            self.enters_pool(id);
        }
    }

    pub(super) fn enters_pool(&mut self, id: &str) {
        let Some(group) = self.groups.values().find(|group| group.members.contains_key(id)) else { return };
        match group.warm_pool.unwrap_or_default().state {
            PoolState::Running => self.waits_in_pool(id, PoolState::Running),
            PoolState::Stopped | PoolState::Hibernated => self.stop_instance(id),
        }
    }

    /// An instance has stopped: one of a pool waits so from now on, one that has left it meanwhile is started again.
    pub(super) fn stopped_in_pool(&mut self, id: &str) {
        let group = self.groups.values().find(|group| group.members.contains_key(id));
        let Some(group) = group else { return };
        let state = group.warm_pool.map(|pool| pool.state);
        match (group.members.get(id).map(|member| member.lifecycle.as_str()), state) {
            (Some("Warmed:Pending" | "Warmed:Pending:Proceed"), Some(state)) => self.waits_in_pool(id, state),
            (Some("Pending"), Some(_)) => self.start_instance(id),
            _ => {}
        }
    }

    fn waits_in_pool(&mut self, id: &str, state: PoolState) {
        let state = state.lifecycle();
        let group = self.change_member(id, |member| member.lifecycle = state.into());
        self.record(Event::LifecycleState { instance: id.to_owned(), state: state.into() });
        // The group may have waited for it.
        if let Some(group) = group {
            self.group_launch(&group);
        }
    }
}
