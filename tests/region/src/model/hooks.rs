//! Lifecycle hooks: what holds an instance in `Pending:Wait` or `Terminating:Wait` until somebody completes the action,
//! or its time is over. EC2 Auto Scaling user guide, "Lifecycle hooks" and "Use lifecycle hooks with a warm pool".

use serde::{Deserialize, Serialize};

use super::schedule::Due;
use super::*;

/// The transition that a hook holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transition {
    /// On the way into service, and into the warm pool.
    #[serde(rename = "autoscaling:EC2_INSTANCE_LAUNCHING")]
    Launching,
    /// On the way out.
    #[serde(rename = "autoscaling:EC2_INSTANCE_TERMINATING")]
    Terminating,
}

impl Transition {
    /// As AWS spells it.
    pub fn word(self) -> &'static str {
        match self {
            Transition::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
            Transition::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
        }
    }
}

/// How an action ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HookResult {
    /// The instance goes on.
    Continue,
    /// It does not: a launching one is terminated, a terminating one waits for no other hook.
    #[default]
    Abandon,
}

impl HookResult {
    /// As AWS spells it.
    pub fn word(self) -> &'static str {
        match self {
            HookResult::Continue => "CONTINUE",
            HookResult::Abandon => "ABANDON",
        }
    }
}

/// A lifecycle hook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSpec {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub transition: Transition,
    /// How long an action waits for its completion or its next heartbeat.
    #[serde(default = "longest_default")]
    pub heartbeat: Millis,
    /// How an action ends whose time is over.
    #[serde(default)]
    pub default_result: HookResult,
    /// What is sent with its notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Where its notifications would go; the region sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// By which role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// API reference, PutLifecycleHook: the heartbeat time-out where none is given.
pub(super) const HEARTBEAT: Millis = 3_600_000;

fn longest_default() -> Millis {
    HEARTBEAT
}

impl HookSpec {
    /// A hook with the time-out and the result that AWS gives where none is said.
    pub fn new(name: &str, transition: Transition) -> HookSpec {
        HookSpec {
            name: name.to_owned(),
            transition,
            heartbeat: HEARTBEAT,
            default_result: HookResult::default(),
            metadata: None,
            target: None,
            role: None,
        }
    }

    /// The longest that an action waits, whatever its heartbeats: 48 hours or 100 time-outs.
    pub fn global_timeout(&self) -> Millis {
        (48 * 3_600_000).min(self.heartbeat.saturating_mul(100))
    }
}

/// An instance waits for a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleAction {
    /// The hook.
    pub hook: String,
    /// What it may be completed by beside the instance's id.
    pub token: String,
    /// When it is over, unless a heartbeat comes.
    pub until: Millis,
    /// When it is over, whatever comes.
    pub limit: Millis,
    /// What the hook said when the action began.
    pub default_result: HookResult,
}

impl Region {
    /// Begins an action for each hook of a transition; false where there is none.
    pub(super) fn hooks_hold(&mut self, id: &str, transition: Transition, state: &str) -> bool {
        let Some(group) = self.groups.values().find(|group| group.members.contains_key(id)) else {
            return false;
        };
        let held: Vec<HookSpec> =
            group.hooks.values().filter(|hook| hook.transition == transition).cloned().collect();
        if held.is_empty() {
            return false;
        }
        let mut actions = Vec::new();
        for hook in held {
            actions.push(LifecycleAction {
                token: self.names.uuid(),
                until: self.now + hook.heartbeat,
                limit: self.now + hook.global_timeout(),
                default_result: hook.default_result,
                hook: hook.name,
            });
        }
        self.change_member(id, |member| {
            member.lifecycle = state.to_owned();
            member.actions = actions.clone();
        });
        self.record(Event::LifecycleState { instance: id.to_owned(), state: state.to_owned() });
        for action in actions {
            self.record(Event::HookWaits {
                instance: id.to_owned(),
                hook: action.hook.clone(),
                transition: transition.word().to_owned(),
                token: action.token.clone(),
                until: action.until,
            });
            self.hook_deadline(id, &action);
        }
        true
    }

    fn hook_deadline(&mut self, id: &str, action: &LifecycleAction) {
        let due = Due::HookDeadline { instance: id.to_owned(), token: action.token.clone() };
        self.later(action.until.saturating_sub(self.now), due);
    }

    /// The time of an action is over, unless a heartbeat came meanwhile.
    pub(super) fn hook_timed_out(&mut self, id: &str, token: &str) {
        let action = self.action(id, |action| action.token == token);
        let Some(action) = action.filter(|action| action.until <= self.now).cloned() else { return };
        self.end_action(id, &action.hook, action.default_result, "time-out");
    }

    /// The action of an instance that is meant.
    pub(super) fn action(
        &self,
        id: &str,
        is_it: impl Fn(&LifecycleAction) -> bool,
    ) -> Option<&LifecycleAction> {
        let member = self.groups.values().find_map(|group| group.members.get(id))?;
        member.actions.iter().find(|action| is_it(action))
    }

    /// The whole time-out begins again.
    pub(super) fn heartbeat(&mut self, id: &str, hook: &str, timeout: Millis) {
        let now = self.now;
        let mut beaten = None;
        self.change_member(id, |member| {
            if let Some(action) = member.actions.iter_mut().find(|action| action.hook == hook) {
                action.until = (now + timeout).min(action.limit);
                beaten = Some(action.clone());
            }
        });
        if let Some(action) = beaten {
            let (hook, until) = (action.hook.clone(), action.until);
            self.record(Event::HookHeartbeat { instance: id.to_owned(), hook, until });
            self.hook_deadline(id, &action);
        }
    }

    /// An action is over, by whatever; the instance goes on when it was the last, or when it is abandoned.
    pub(super) fn end_action(&mut self, id: &str, hook: &str, result: HookResult, by: &str) {
        let mut left = 0;
        let mut lifecycle = String::new();
        self.change_member(id, |member| {
            member.actions.retain(|action| action.hook != hook);
            if result == HookResult::Abandon {
                member.actions.clear();
            }
            left = member.actions.len();
            lifecycle = member.lifecycle.clone();
        });
        self.record(Event::HookCompleted {
            instance: id.to_owned(),
            hook: hook.to_owned(),
            result: result.word().to_owned(),
            by: by.to_owned(),
        });
        let Some(state) = lifecycle.strip_suffix(":Wait").filter(|_| left == 0) else { return };
        let terminating = state.ends_with("Terminating");
        if result == HookResult::Abandon && !terminating {
            let cause = format!("the lifecycle hook {hook} abandoned the launch");
            self.replace_member(id, &cause, true);
            return;
        }
        let proceeds = format!("{state}:Proceed");
        self.change_member(id, |member| member.lifecycle = proceeds.clone());
        self.record(Event::LifecycleState { instance: id.to_owned(), state: proceeds });
        let delay = self.draw(|d| &d.hook_proceed);
        self.later(delay, Due::HookProceeds { instance: id.to_owned() });
    }

    /// What the hooks of a transition held goes on.
    pub(super) fn hook_proceeds(&mut self, id: &str) {
        let member = self.groups.values().find_map(|group| group.members.get(id));
        let Some(lifecycle) = member.map(|member| member.lifecycle.clone()) else { return };
        match lifecycle.as_str() {
            "Pending:Proceed" => self.serves(id),
            "Warmed:Pending:Proceed" => self.enters_pool(id),
            "Terminating:Proceed" | "Warmed:Terminating:Proceed" => {
                self.begin_termination(id, "group");
                if self.instance(id).is_some_and(|i| i.state == InstanceState::Terminated) {
                    self.member_gone(id);
                }
            }
            _ => {}
        }
    }
}
