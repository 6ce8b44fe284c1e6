//! CloudFormation, as far as signals go: a stack whose group's creation waits for a count of signals, and whose rolling
//! update replaces the group's instances in batches and waits for each batch's signals.
//! CloudFormation user guide, CreationPolicy and UpdatePolicy attributes.

use std::collections::{BTreeMap, VecDeque};

use super::schedule::Due;
use super::sources::*;
use super::*;

impl Region {
    /// Makes a stack, CREATE_IN_PROGRESS until its signals have come. Its name and logical id become tags of the
    /// instances that its group launches from now on.
    pub fn add_stack(&mut self, spec: StackSpec) {
        let uuid = self.names.uuid();
        let stack = Stack {
            id: self.settings.arn("cloudformation", &format!("stack/{}/{uuid}", spec.name)),
            name: spec.name.clone(),
            logical_id: spec.group_logical_id,
            group: spec.group_name,
            status: String::new(),
            reason: None,
            created_at: self.now,
            wanted: spec.signals,
            signals: BTreeMap::new(),
            turn: 0,
            rolling: None,
        };
        self.stacks.insert(spec.name.clone(), stack);
        let first = if spec.signals == 0 { "CREATE_COMPLETE" } else { "CREATE_IN_PROGRESS" };
        self.stack_status(&spec.name, first, None);
        if spec.signals > 0 {
            let timeout = if spec.timeout_ms == 0 { 300_000 } else { spec.timeout_ms };
            self.later(timeout, Due::StackDeadline { stack: spec.name, turn: 0 });
        }
    }

    /// Begins a rolling update of a stack's group. Nothing when there is no such stack.
    pub fn update_stack(&mut self, name: &str, spec: UpdateSpec) {
        let Some(stack) = self.stacks.get(name) else { return };
        let group_name = stack.group.clone();
        let Some(group) = self.groups.get_mut(&group_name) else { return };
        if let Some(launch) = spec.launch {
            group.launch = launch;
        }
        let mut old: VecDeque<InstanceId> =
            group.members.iter().filter(|(_, member)| member.counts()).map(|(id, _)| id.clone()).collect();
        if spec.signals > 0 {
            old.truncate(spec.signals as usize);
        }
        if let Some(stack) = self.stacks.get_mut(name) {
            let batch = spec.max_batch_size.max(1);
            stack.rolling = Some(Rolling { queue: old, batch, wanted: 0, pause_time: spec.pause_time });
        }
        self.stack_status(name, "UPDATE_IN_PROGRESS", None);
        self.next_batch(name);
    }

    /// Deletes a stack. Its group goes first, with all its instances, unless the template retains it; instances keep
    /// the stack's tags. Once deleted, only its ARN finds it. Nothing when there is no such stack.
    pub fn delete_stack(&mut self, name: &str, retain: bool) {
        let Some(stack) = self.stacks.get_mut(name) else { return };
        stack.rolling = None;
        stack.turn += 1;
        let group = stack.group.clone();
        self.stack_status(name, "DELETE_IN_PROGRESS", None);
        if !retain {
            // There may be none: its stack can be made before the group.
            let _ = self.delete_group_now(&DeleteGroupRequest { group: group.clone(), force: true });
        }
        if retain || !self.groups.contains_key(&group) {
            self.stack_deleted(name);
        }
    }

    fn stack_deleted(&mut self, name: &str) {
        self.stack_status(name, "DELETE_COMPLETE", None);
        if let Some(stack) = self.stacks.remove(name) {
            self.deleted_stacks.insert(stack.id.clone(), stack);
        }
    }

    /// A group is gone with its last instance: the deletion of its stack is complete.
    pub(super) fn group_of_stack_gone(&mut self, group: &str) {
        let deleting = |stack: &&Stack| stack.group == group && stack.status == "DELETE_IN_PROGRESS";
        if let Some(name) = self.stacks.values().find(deleting).map(|stack| stack.name.clone()) {
            self.stack_deleted(&name);
        }
    }

    fn stack_status(&mut self, name: &str, status: &str, reason: Option<String>) {
        if let Some(stack) = self.stacks.get_mut(name) {
            stack.status = status.to_owned();
            stack.reason = reason;
        }
        self.record(Event::StackStatus { stack: name.to_owned(), status: status.to_owned() });
    }

    fn next_batch(&mut self, name: &str) {
        let Some(stack) = self.stacks.get_mut(name) else { return };
        let Some(rolling) = &mut stack.rolling else { return };
        stack.turn += 1;
        stack.signals.clear();
        let size = (rolling.batch as usize).min(rolling.queue.len());
        let batch: Vec<InstanceId> = rolling.queue.drain(..size).collect();
        rolling.wanted = size as u32;
        let (turn, pause_time) = (stack.turn, rolling.pause_time);
        if batch.is_empty() {
            stack.rolling = None;
            self.stack_status(name, "UPDATE_COMPLETE", None);
            return;
        }
        for id in batch {
            self.replace_member(&id, "a rolling update", true);
        }
        self.later(pause_time, Due::StackDeadline { stack: name.to_owned(), turn });
    }

    /// A rolling update whose pause is zero waits for no signals: it goes on when its instances are in service.
    pub(super) fn rolling_in_service(&mut self) {
        let unsignalled: Vec<String> = self
            .stacks
            .values()
            .filter(|stack| stack.rolling.as_ref().is_some_and(|rolling| rolling.pause_time == 0))
            .filter(|stack| {
                self.groups.get(&stack.group).is_some_and(|group| {
                    let serving =
                        group.members.values().filter(|member| member.lifecycle == "InService").count();
                    serving as u32 >= group.desired
                })
            })
            .map(|stack| stack.name.clone())
            .collect();
        for name in unsignalled {
            self.next_batch(&name);
        }
    }

    pub(super) fn stack_deadline(&mut self, name: &str, turn: u64) {
        let Some(stack) = self.stacks.get(name) else { return };
        let got = stack.signals.len() as u32;
        match stack.status.as_str() {
            "CREATE_IN_PROGRESS" if stack.turn == turn => {
                let reason = format!(
                    "Received {got} SUCCESS signal(s) out of {}. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement",
                    stack.wanted
                );
                self.stack_status(name, "CREATE_FAILED", Some(reason));
            }
            "UPDATE_IN_PROGRESS" if stack.turn == turn => {
                let rolling = stack.rolling.as_ref();
                if rolling.is_some_and(|rolling| rolling.pause_time > 0 && got < rolling.wanted) {
                    self.fail_update(
                        name,
                        "Failed to receive the signals of the batch within the pause time",
                    );
                }
            }
            _ => {}
        }
    }

    fn fail_update(&mut self, name: &str, reason: &str) {
        if let Some(stack) = self.stacks.get_mut(name) {
            stack.rolling = None;
        }
        self.stack_status(name, "UPDATE_ROLLBACK_IN_PROGRESS", Some(reason.to_owned()));
        self.stack_status(name, "UPDATE_ROLLBACK_COMPLETE", Some(reason.to_owned()));
    }

    /// A stack by name or ARN.
    pub(super) fn the_stack(&self, name: &str) -> Result<&Stack, Refusal> {
        let found = self.stacks.values().find(|stack| stack.name == name || stack.id == name);
        // API reference, DescribeStacks: a deleted stack is found by its ARN only.
        let found = found.or_else(|| self.deleted_stacks.get(name));
        found.ok_or_else(|| Refusal::of(&NO_STACK, format!("Stack with id {name} does not exist")))
    }

    /// Whether an instance is one of a stack's, which is what a call by its identity document is good for.
    pub(crate) fn stack_has(&self, stack: &str, instance: &str) -> bool {
        let Ok(stack) = self.the_stack(stack) else { return false };
        self.instances.get(instance).is_some_and(|found| {
            let tag = found.get().tags.get("aws:cloudformation:stack-name");
            tag == Some(&stack.name) || found.get().group.as_ref() == Some(&stack.group)
        })
    }

    pub(super) fn signal_now(&mut self, request: &SignalRequest) -> Result<(), Refusal> {
        let SignalRequest { stack: name, resource, unique_id, status } = request;
        let stack = self.the_stack(name)?;
        if stack.logical_id != *resource {
            let message = format!("Resource {resource} does not exist for stack {}", stack.name);
            return Err(Refusal::of(&NO_RESOURCE, message));
        }
        if !["SUCCESS", "FAILURE"].contains(&status.as_str()) || unique_id.is_empty() || unique_id.len() > 64
        {
            let message =
                "1 validation error detected: status must be SUCCESS or FAILURE, uniqueId 1 to 64 characters";
            return Err(Refusal::of(&BAD_SIGNAL, message));
        }
        if !["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"].contains(&stack.status.as_str()) {
            let message = format!("Stack {} is in {} state and cannot be signaled", stack.id, stack.status);
            return Err(Refusal::of(&NOT_SIGNALED, message));
        }
        let member = |group: &Group| group.members.contains_key(unique_id);
        if !self.groups.get(&stack.group).is_some_and(member) {
            let message =
                format!("{unique_id} is not a member of resource {resource} of stack {}", stack.name);
            return Err(Refusal::of(&SIGNAL_OF_NOBODY, message));
        }
        let name = stack.name.clone();
        let creating = stack.status == "CREATE_IN_PROGRESS";
        let again = stack.signals.contains_key(unique_id);
        self.record(Event::Signal {
            stack: name.clone(),
            resource: resource.clone(),
            instance: unique_id.clone(),
            status: status.clone(),
        });
        if again {
            return Ok(());
        }
        if status == "FAILURE" {
            let reason = format!("Received FAILURE signal with UniqueId {unique_id}");
            if creating {
                self.stack_status(&name, "CREATE_FAILED", Some(reason));
            } else {
                self.fail_update(&name, &reason);
            }
            return Ok(());
        }
        let Some(stack) = self.stacks.get_mut(&name) else { return Ok(()) };
        stack.signals.insert(unique_id.clone(), status.clone());
        let got = stack.signals.len() as u32;
        if creating && got >= stack.wanted {
            self.stack_status(&name, "CREATE_COMPLETE", None);
        } else if stack.rolling.as_ref().is_some_and(|rolling| got >= rolling.wanted) {
            self.next_batch(&name);
        }
        Ok(())
    }

    pub(super) fn see_stacks(&self, request: &DescribeStackRequest) -> Result<Vec<StackView>, Refusal> {
        let view = |stack: &Stack| StackView {
            id: stack.id.clone(),
            name: stack.name.clone(),
            created: self.stamp(stack.created_at),
            status: stack.status.clone(),
            reason: stack.reason.clone(),
        };
        match &request.stack {
            Some(name) => Ok(vec![view(self.the_stack(name)?)]),
            None => Ok(self.stacks.values().map(view).collect()),
        }
    }

    pub(super) fn see_stack_resource(
        &self,
        request: &DescribeStackRequest,
    ) -> Result<StackResourceView, Refusal> {
        let stack = self.the_stack(request.stack.as_deref().unwrap_or_default())?;
        let resource = request.resource.as_deref().unwrap_or_default();
        if resource != stack.logical_id {
            let message = format!("Resource {resource} does not exist for stack {}", stack.name);
            return Err(Refusal::of(&NO_RESOURCE, message));
        }
        Ok(StackResourceView {
            stack: stack.name.clone(),
            stack_id: stack.id.clone(),
            logical: stack.logical_id.clone(),
            physical: stack.group.clone(),
            resource_type: "AWS::AutoScaling::AutoScalingGroup".into(),
            updated: self.stamp(stack.created_at),
            status: stack.status.clone(),
        })
    }
}
