//! The steps of a boot and of a release.

use std::fmt;

/// The steps of a boot in order, and those of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Who am I.
    Identify,
    /// A picture of slots and holders.
    Observe,
    /// The choice under the lock.
    Intend,
    /// The exclusive attach and the claim.
    AttachVolume,
    /// The slot's interface.
    AttachEni,
    /// Link, addresses, routes, rules.
    Network,
    /// Device, file system, mount, identity.
    Storage,
    /// server.properties.
    Configure,
    /// The unit, until it is registered.
    Start,
    /// Until it is in sync.
    Ready,
    /// CloudFormation and Auto Scaling.
    Signal,
    /// Giving a slot back.
    Unwind,
    /// Until the cluster can do without this broker.
    Leave,
    /// The unit's own stop, until its registration is gone.
    Stop,
}

impl Step {
    /// The step's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Observe => "observe",
            Self::Intend => "intend",
            Self::AttachVolume => "attach volume",
            Self::AttachEni => "attach ENI",
            Self::Network => "network",
            Self::Storage => "storage",
            Self::Configure => "configure",
            Self::Start => "start",
            Self::Ready => "ready",
            Self::Signal => "signal",
            Self::Unwind => "unwind",
            Self::Leave => "leave",
            Self::Stop => "stop",
        }
    }

    /// What the step does, after "could not".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Identify => "find out which instance this is",
            Self::Observe => "look at the slots",
            Self::Intend => "choose a slot",
            Self::AttachVolume => "attach the volume",
            Self::AttachEni => "attach the network interface",
            Self::Network => "configure the network interface",
            Self::Storage => "bring up the volume",
            Self::Configure => "write the configuration",
            Self::Start => "start the service",
            Self::Ready => "see the service ready",
            Self::Signal => "tell the outcome",
            Self::Unwind => "give the slot back",
            Self::Leave => "see that the cluster can do without this broker",
            Self::Stop => "stop the service",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}
