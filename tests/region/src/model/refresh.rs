//! Instance refresh: a group replaces its instances a few at a time, and goes on when the new ones are in service and warm.
//! EC2 Auto Scaling user guide, "Use an instance refresh" and "Instance maintenance policies".

use serde::{Deserialize, Serialize};

use super::schedule::Due;
use super::*;

/// User guide, instance refresh: one that makes no progress for an hour fails.
const STALLED: Millis = 3_600_000;

/// How many instances must stay, and how many may be there, while a group replaces some, in percent of its wanted size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// So many are healthy at any time.
    pub min_healthy: u32,
    /// So many are there at most; above 100 a replacement is launched before its predecessor ends.
    pub max_healthy: u32,
}

impl Default for Maintenance {
    /// API reference, StartInstanceRefresh.
    fn default() -> Maintenance {
        Maintenance { min_healthy: 90, max_healthy: 100 }
    }
}

impl Maintenance {
    /// How many of `wanted` must be healthy when the next one is taken.
    fn floor(self, wanted: u32) -> u32 {
        let floor = (wanted * self.min_healthy).div_ceil(100);
        // Without room for more at least one is taken, or a small group would never be refreshed.
        if self.surge(wanted) == 0 { floor.min(wanted.saturating_sub(1)) } else { floor }
    }

    /// How many more than wanted may be there.
    fn surge(self, wanted: u32) -> u32 {
        (wanted * self.max_healthy.saturating_sub(100)).div_ceil(100)
    }
}

/// How far an instance refresh is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The variants are AWS's words.
pub enum RefreshState {
    InProgress,
    Successful,
    Failed,
    Cancelled,
}

impl RefreshState {
    /// As AWS spells it.
    pub fn word(self) -> &'static str {
        match self {
            RefreshState::InProgress => "InProgress",
            RefreshState::Successful => "Successful",
            RefreshState::Failed => "Failed",
            RefreshState::Cancelled => "Cancelled",
        }
    }
}

/// An instance refresh.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: RefreshState,
    /// Why.
    pub reason: Option<String>,
    /// When it began.
    pub started: Millis,
    /// When it ended.
    pub ended: Option<Millis>,
    /// By what rule.
    pub rule: Maintenance,
    /// How long a new instance is in service before it counts.
    pub warmup: Millis,
    /// How many it set out to replace.
    pub total: usize,
    /// Which are still to be replaced.
    pub old: Vec<InstanceId>,
    /// When it last looked.
    pub looked: Millis,
    /// When one was last taken or came to count.
    pub progress: Millis,
}

impl Refresh {
    /// Whether it goes on.
    pub fn active(&self) -> bool {
        self.state == RefreshState::InProgress
    }
}

impl Group {
    /// The refresh in progress.
    pub fn refresh(&self) -> Option<&Refresh> {
        self.refreshes.last().filter(|refresh| refresh.active())
    }

    /// How many of a refresh's instances are not replaced yet by one that is in service and warm.
    pub(super) fn left_of(&self, refresh: &Refresh) -> usize {
        let at_end = refresh.ended;
        let fresh = |(id, member): &(&InstanceId, &Member)| {
            let warm = member.in_service_at.map(|at| at + refresh.warmup);
            member.lifecycle == "InService"
                && !refresh.old.contains(id)
                && member.launched_at >= refresh.started
                && warm.is_some_and(|at| at <= at_end.unwrap_or(refresh.looked))
        };
        refresh.total.saturating_sub(self.members.iter().filter(fresh).count())
    }

    /// How many instances it wants now: a refresh may want more than the wanted size for a time.
    pub(super) fn wants(&self) -> u32 {
        let extra = self
            .refresh()
            .map_or(0, |refresh| refresh.rule.surge(self.desired).min(refresh.old.len() as u32));
        self.desired + extra
    }
}

impl Region {
    pub(super) fn start_refresh(
        &mut self,
        name: &str,
        rule: Option<Maintenance>,
        warmup: Option<Millis>,
    ) -> String {
        let id = self.names.uuid();
        let Some(group) = self.groups.get_mut(name) else { return id };
        let counting = group.members.iter().filter(|(_, member)| member.counts());
        let old: Vec<InstanceId> = counting.map(|(id, _)| id.clone()).collect();
        let refresh = Refresh {
            id: id.clone(),
            state: RefreshState::InProgress,
            reason: None,
            started: self.now,
            ended: None,
            rule: rule.or(group.maintenance).unwrap_or_default(),
            // API reference, RefreshPreferences: the default is the health check grace period.
            warmup: warmup.unwrap_or(group.grace),
            total: old.len(),
            old,
            looked: self.now,
            progress: self.now,
        };
        group.refreshes.push(refresh);
        self.refresh_told(name);
        self.later(0, Due::RefreshStep { group: name.to_owned() });
        self.later(STALLED, Due::RefreshStep { group: name.to_owned() });
        id
    }

    fn refresh_told(&mut self, name: &str) {
        let Some(refresh) = self.groups.get(name).and_then(|group| group.refreshes.last()) else { return };
        let (refresh, status) = (refresh.id.clone(), refresh.state.word().to_owned());
        self.record(Event::InstanceRefresh { group: name.to_owned(), refresh, status });
    }

    pub(super) fn end_refresh(&mut self, name: &str, state: RefreshState, reason: Option<&str>) {
        let now = self.now;
        let refresh = self.groups.get_mut(name).and_then(|group| group.refreshes.last_mut());
        if let Some(refresh) = refresh.filter(|refresh| refresh.active()) {
            (refresh.state, refresh.ended) = (state, Some(now));
            refresh.reason = reason.map(str::to_owned);
            self.refresh_told(name);
            self.schedule_launch(name);
        }
    }

    /// An instance came into service or is gone: a refresh of its group looks again, now and when it is warm.
    pub(super) fn refresh_looks(&mut self, name: &str) {
        let Some(refresh) = self.groups.get(name).and_then(Group::refresh) else { return };
        let warmup = refresh.warmup;
        self.later(0, Due::RefreshStep { group: name.to_owned() });
        if warmup > 0 {
            self.later(warmup, Due::RefreshStep { group: name.to_owned() });
        }
    }

    /// Takes as many of the old instances as may go now.
    pub(super) fn refresh_step(&mut self, name: &str) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(name) else { return };
        let wanted = group.desired;
        let members = &group.members;
        let Some(refresh) = group.refreshes.last_mut().filter(|refresh| refresh.active()) else { return };
        refresh.looked = now;
        // Whatever else took one of them has done the refresh's work.
        refresh.old.retain(|id| members.get(id).is_some_and(Member::counts));
        let warm = |id: &InstanceId, member: &Member| {
            let warm = member.in_service_at.is_some_and(|at| at + refresh.warmup <= now);
            member.lifecycle == "InService" && member.healthy && (warm || refresh.old.contains(id))
        };
        let fresh =
            members.iter().filter(|(id, member)| warm(id, member) && !refresh.old.contains(id)).count();
        let healthy = members.iter().filter(|(id, member)| warm(id, member)).count() as u32;
        let counting = members.values().filter(|member| member.counts()).count();
        if refresh.old.is_empty() && fresh as u32 >= wanted && fresh == counting {
            self.end_refresh(name, RefreshState::Successful, None);
            return;
        }
        let newest = members.values().filter_map(|member| Some(member.in_service_at? + refresh.warmup));
        refresh.progress = newest.filter(|at| *at <= now).fold(refresh.progress, Millis::max);
        let room = healthy.saturating_sub(refresh.rule.floor(wanted)) as usize;
        let surge = refresh.rule.surge(wanted);
        let going: Vec<InstanceId> = refresh.old.drain(..room.min(refresh.old.len())).collect();
        if !going.is_empty() {
            refresh.progress = now;
        }
        let stalled = refresh.progress + STALLED;
        if stalled <= now {
            let reason = "no progress for an hour: the new instances are not in service";
            self.end_refresh(name, RefreshState::Failed, Some(reason));
            return;
        }
        self.later(stalled - now, Due::RefreshStep { group: name.to_owned() });
        for id in &going {
            self.replace_member(id, "an instance refresh", true);
        }
        if !going.is_empty() {
            // The last one may have been taken: that is the end.
            self.later(0, Due::RefreshStep { group: name.to_owned() });
        }
        if surge > 0 && going.is_empty() && healthy as usize == counting {
            self.schedule_launch(name);
        }
    }
}
