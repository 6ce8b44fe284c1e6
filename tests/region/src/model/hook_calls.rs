//! The API of lifecycle hooks.

use std::collections::BTreeMap;

use super::sources::*;
use super::*;

/// API reference, PutLifecycleHook: the time-outs that are allowed, and how many hooks a group may have.
const HEARTBEATS: std::ops::RangeInclusive<Millis> = 30_000..=7_200_000;
const MOST_HOOKS: usize = 50;

pub(super) fn check_hook(hook: &HookSpec) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
    if hook.name.is_empty() || hook.name.len() > 255 || !hook.name.chars().all(plain) {
        let message =
            format!("Value '{}' at 'lifecycleHookName' is not a name of a lifecycle hook", hook.name);
        return Err(Refusal::of(&HOOK_PARAMETER, message));
    }
    if !HEARTBEATS.contains(&hook.heartbeat) {
        let message = format!("HeartbeatTimeout {} must be between 30 and 7200", hook.heartbeat / 1_000);
        return Err(Refusal::of(&HOOK_PARAMETER, message));
    }
    Ok(())
}

impl Region {
    pub(super) fn put_hook_now(&mut self, request: &PutHookRequest) -> Result<(), Refusal> {
        let group = self.the_group(&request.group)?;
        let known = group.hooks.get(&request.hook).cloned();
        if known.is_none() && group.hooks.len() >= MOST_HOOKS {
            let message = format!("A group has at most {MOST_HOOKS} lifecycle hooks");
            return Err(Refusal::of(&HOOK_LIMIT, message));
        }
        // API reference: the transition is required for a new hook, and optional for a change of one.
        let transition =
            request.transition.or(known.as_ref().map(|hook| hook.transition)).ok_or_else(|| {
                Refusal::of(&HOOK_PARAMETER, "LifecycleTransition is required for a new lifecycle hook")
            })?;
        let before = known.unwrap_or_else(|| HookSpec::new(&request.hook, transition));
        let hook = HookSpec {
            transition,
            heartbeat: request.heartbeat.map_or(before.heartbeat, |seconds| seconds.saturating_mul(1_000)),
            default_result: request.default_result.unwrap_or(before.default_result),
            metadata: request.metadata.clone().or(before.metadata),
            target: request.target.clone().or(before.target),
            role: request.role.clone().or(before.role),
            name: before.name,
        };
        check_hook(&hook)?;
        if let Some(group) = self.groups.get_mut(&request.group) {
            group.hooks.insert(hook.name.clone(), hook);
        }
        let (group, hook) = (request.group.clone(), request.hook.clone());
        self.record(Event::HookSet { group, hook });
        Ok(())
    }

    pub(super) fn delete_hook_now(&mut self, request: &HookRequest) -> Result<(), Refusal> {
        let group = self.the_group(&request.group)?;
        let Some(hook) = group.hooks.get(&request.hook).cloned() else {
            let message = format!("Lifecycle hook {} not found in {}", request.hook, group.name);
            return Err(Refusal::of(&NO_HOOK, message));
        };
        let holds = |member: &Member| member.actions.iter().any(|action| action.hook == hook.name);
        let waiting = group.members.iter().filter(|(_, member)| holds(member));
        let waiting: Vec<InstanceId> = waiting.map(|(id, _)| id.clone()).collect();
        if let Some(group) = self.groups.get_mut(&request.group) {
            group.hooks.remove(&hook.name);
        }
        self.record(Event::HookDeleted { group: request.group.clone(), hook: hook.name.clone() });
        // API reference: what is outstanding is completed first, ABANDON for launching, CONTINUE for terminating ones.
        let result = match hook.transition {
            Transition::Launching => HookResult::Abandon,
            Transition::Terminating => HookResult::Continue,
        };
        for id in waiting {
            self.end_action(&id, &hook.name, result, "the deletion of the hook");
        }
        Ok(())
    }

    pub(super) fn see_hooks(&self, request: &DescribeHooksRequest) -> Result<Vec<HookView>, Refusal> {
        let group = self.the_group(&request.group)?;
        let asked = |hook: &&HookSpec| request.hooks.is_empty() || request.hooks.contains(&hook.name);
        let view = |hook: &HookSpec| HookView {
            name: hook.name.clone(),
            group: group.name.clone(),
            transition: hook.transition.word().to_owned(),
            target: hook.target.clone(),
            role: hook.role.clone(),
            metadata: hook.metadata.clone(),
            heartbeat: hook.heartbeat / 1_000,
            global_timeout: hook.global_timeout() / 1_000,
            default_result: hook.default_result.word().to_owned(),
        };
        let rows: BTreeMap<&str, HookView> =
            group.hooks.values().filter(asked).map(|hook| (hook.name.as_str(), view(hook))).collect();
        Ok(rows.into_values().collect())
    }

    /// The instance and the hook whose action is meant, by the instance's id or by the token.
    fn meant(&self, request: &ActionRequest) -> Result<InstanceId, Refusal> {
        let group = self.the_group(&request.group)?;
        let is_it = |id: &InstanceId, action: &LifecycleAction| {
            let by_id = request.instance.as_ref().is_none_or(|wanted| wanted == id);
            let by_token = request.token.as_ref().is_none_or(|wanted| *wanted == action.token);
            by_id && by_token && action.hook == request.hook
        };
        if request.instance.is_none() && request.token.is_none() {
            let message = "Either InstanceId or LifecycleActionToken must be given";
            return Err(Refusal::of(&HOOK_PARAMETER, message));
        }
        let found =
            group.members.iter().find(|(id, member)| member.actions.iter().any(|action| is_it(id, action)));
        found.map(|(id, _)| id.clone()).ok_or_else(|| {
            let by_id = request.instance.as_ref().map(|id| format!("instance ID {id}"));
            let by = by_id.unwrap_or_else(|| {
                format!("Lifecycle Action Token {}", request.token.as_deref().unwrap_or_default())
            });
            Refusal::of(&NO_ACTION, format!("No active Lifecycle Action found with {by}"))
        })
    }

    pub(super) fn complete_action_now(&mut self, request: &CompleteActionRequest) -> Result<(), Refusal> {
        let id = self.meant(&request.action)?;
        self.end_action(&id, &request.action.hook, request.result, "a call");
        Ok(())
    }

    pub(super) fn heartbeat_now(&mut self, request: &ActionRequest) -> Result<(), Refusal> {
        let id = self.meant(request)?;
        let hook = self.the_group(&request.group)?.hooks.get(&request.hook);
        if let Some(timeout) = hook.map(|hook| hook.heartbeat) {
            self.heartbeat(&id, &request.hook, timeout);
        }
        Ok(())
    }
}
