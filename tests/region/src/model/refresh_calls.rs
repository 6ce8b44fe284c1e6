//! The API of instance refreshes.

use super::refresh::RefreshState;
use super::sources::*;
use super::*;

impl Region {
    pub(super) fn start_refresh_now(&mut self, request: &StartRefreshRequest) -> Result<String, Refusal> {
        let group = self.the_group(&request.group)?;
        if let Some(active) = group.refresh() {
            let message = format!(
                "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh: {}",
                active.id
            );
            return Err(Refusal::of(&REFRESH_IN_PROGRESS, message));
        }
        let plain = group.maintenance.unwrap_or_default();
        let rule = Maintenance {
            min_healthy: request.min_healthy.unwrap_or(plain.min_healthy),
            max_healthy: request.max_healthy.unwrap_or(plain.max_healthy),
        };
        check_maintenance(rule)?;
        let warmup = request.warmup.map(|seconds| seconds.saturating_mul(1_000));
        Ok(self.start_refresh(&request.group, Some(rule), warmup))
    }

    pub(super) fn cancel_refresh_now(&mut self, request: &CancelRefreshRequest) -> Result<String, Refusal> {
        let active = self.the_group(&request.group)?.refresh().map(|refresh| refresh.id.clone());
        let message = "No in progress or pending Instance Refresh found for Auto Scaling group";
        let id = active.ok_or_else(|| Refusal::of(&NO_REFRESH, format!("{message} {}", request.group)))?;
        let reason = "Cancelled due to user request.";
        self.end_refresh(&request.group, RefreshState::Cancelled, Some(reason));
        Ok(id)
    }

    pub(super) fn see_refreshes(
        &self,
        request: &DescribeRefreshesRequest,
    ) -> Result<Vec<RefreshView>, Refusal> {
        let group = self.the_group(&request.group)?;
        let asked = |refresh: &&Refresh| request.ids.is_empty() || request.ids.contains(&refresh.id);
        let view = |refresh: &Refresh| {
            let left = if refresh.state == RefreshState::Successful { 0 } else { group.left_of(refresh) };
            RefreshView {
                id: refresh.id.clone(),
                group: group.name.clone(),
                status: refresh.state.word().to_owned(),
                reason: refresh.reason.clone(),
                started: self.stamp(refresh.started),
                ended: refresh.ended.map(|at| self.stamp(at)),
                percent: ((refresh.total - left) * 100).checked_div(refresh.total).unwrap_or(100),
                left,
                preferences: PreferencesView {
                    min_healthy: refresh.rule.min_healthy,
                    max_healthy: refresh.rule.max_healthy,
                    warmup: refresh.warmup / 1_000,
                },
            }
        };
        // API reference: the newest first.
        Ok(group.refreshes.iter().rev().filter(asked).map(view).collect())
    }
}

pub(super) fn check_maintenance(rule: Maintenance) -> Result<(), Refusal> {
    let Maintenance { min_healthy: min, max_healthy: max } = rule;
    if min > 100 || !(100..=200).contains(&max) || max - min > 100 {
        let message = format!(
            "MinHealthyPercentage {min} must be 0 to 100, MaxHealthyPercentage {max} 100 to 200, and their difference at \
                most 100"
        );
        return Err(Refusal::of(&REFRESH_PARAMETER, message));
    }
    Ok(())
}
