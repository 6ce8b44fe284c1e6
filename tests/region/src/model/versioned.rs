//! A resource and what describe calls may show of it: the EC2 API is eventually consistent, so a change is published
//! with the time from which readers see it, and a reader can also be served an older state on demand.

use std::collections::VecDeque;

use super::Millis;

const KEPT: usize = 24;

#[derive(Debug)]
struct Version<T> {
    at: Millis,
    visible: Millis,
    state: T,
}

/// The truth, and its published past.
#[derive(Debug)]
pub(super) struct Versioned<T> {
    current: T,
    past: VecDeque<Version<T>>,
}

impl<T: Clone> Versioned<T> {
    pub(super) fn new(current: T, at: Millis, visible: Millis) -> Versioned<T> {
        let mut made = Versioned { current, past: VecDeque::new() };
        made.publish(at, visible);
        made
    }

    pub(super) fn get(&self) -> &T {
        &self.current
    }

    /// For changes; a `publish` must follow.
    pub(super) fn change(&mut self) -> &mut T {
        &mut self.current
    }

    /// The present state is what readers see from `visible` on; never earlier than what was published before.
    pub(super) fn publish(&mut self, at: Millis, visible: Millis) {
        let visible = self.past.back().map_or(visible, |last| visible.max(last.visible));
        self.past.push_back(Version { at, visible, state: self.current.clone() });
        while self.past.len() > KEPT || self.past.get(1).is_some_and(|next| next.visible + 600_000 < at) {
            self.past.pop_front();
        }
    }

    /// What a reader sees now; nothing before the first version has spread.
    pub(super) fn seen(&self, now: Millis) -> Option<&T> {
        self.past.iter().rev().find(|version| version.visible <= now).map(|version| &version.state)
    }

    /// What was true at a time.
    pub(super) fn as_of(&self, at: Millis) -> Option<&T> {
        self.past.iter().rev().find(|version| version.at <= at).map(|version| &version.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_a_change_when_it_has_spread_and_never_go_back() {
        let mut volume = Versioned::new("available", 0, 0);
        *volume.change() = "in-use";
        volume.publish(100, 400);
        *volume.change() = "available";
        volume.publish(200, 250);
        assert_eq!(volume.seen(399), Some(&"available"));
        assert_eq!(volume.as_of(150), Some(&"in-use"));
        assert_eq!(volume.seen(400), Some(&"available"));
        assert_eq!(Versioned::new("new", 10, 50).seen(49), None);
    }
}
