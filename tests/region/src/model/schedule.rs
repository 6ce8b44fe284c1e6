//! What will happen by itself, in order of time; equal times in the order in which they were put.

use std::collections::BTreeMap;

use super::{Millis, Request};

/// A thing that happens by itself.
#[derive(Debug)]
pub(super) enum Due {
    InstanceRunning { instance: String, turn: u64 },
    InstanceTerminated { instance: String },
    InstanceReleased { instance: String },
    InstanceStopped { instance: String, turn: u64 },
    VolumeAvailable { volume: String },
    VolumeAttached { volume: String, instance: String, turn: u64 },
    VolumeDetached { volume: String, instance: String, turn: u64 },
    VolumeUndone { volume: String, instance: String, turn: u64 },
    VolumeDeleted { volume: String },
    EniAvailable { eni: String },
    EniAttached { eni: String, attachment: String },
    EniDetached { eni: String, attachment: String },
    GroupLaunch { group: String },
    GroupNotices { instance: String, cause: String },
    HookDeadline { instance: String, token: String },
    HookProceeds { instance: String },
    StackDeadline { stack: String, turn: u64 },
    RefreshStep { group: String },
    SpotInterruption { instance: String },
    ScheduledEvent { instance: String, event: String },
    LateCommit { request: Box<Request> },
}

/// The queue of what is due.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    queue: BTreeMap<(Millis, u64), Due>,
    count: u64,
}

impl Schedule {
    pub(super) fn put(&mut self, at: Millis, due: Due) {
        self.count += 1;
        self.queue.insert((at, self.count), due);
    }

    pub(super) fn next(&self) -> Option<Millis> {
        self.queue.keys().next().map(|key| key.0)
    }

    pub(super) fn take_until(&mut self, to: Millis) -> Option<(Millis, Due)> {
        let first = self.queue.first_entry()?;
        if first.key().0 > to {
            return None;
        }
        let ((at, _), due) = first.remove_entry();
        Some((at, due))
    }
}
