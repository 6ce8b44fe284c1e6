//! Where things are in ZooKeeper.

use berth_plan::BrokerId;

/// The paths of one cluster, chroot included.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    chroot: String,
    cluster: String,
    root: String,
}

impl Paths {
    pub(crate) fn new(chroot: &str, cluster: &str) -> Self {
        Self {
            chroot: chroot.to_owned(),
            cluster: cluster.to_owned(),
            root: format!("{chroot}/berth/{cluster}"),
        }
    }

    /// The cluster's name, a node of [`Paths::clusters`].
    pub(crate) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The trees of berth in this chroot, one a cluster.
    pub(crate) fn clusters(&self) -> String {
        format!("{}/berth", self.chroot)
    }

    /// The persistent nodes that must exist, parents first.
    pub(crate) fn directories(&self) -> Vec<String> {
        ["lock", "leaving", "intents", "slots", "faults"].map(|dir| format!("{}/{dir}", self.root)).to_vec()
    }

    /// The cluster's tree.
    pub(crate) fn root(&self) -> String {
        self.root.clone()
    }

    pub(crate) fn lock(&self) -> String {
        format!("{}/lock", self.root)
    }

    /// The queue of who may leave.
    pub(crate) fn leaving(&self) -> String {
        format!("{}/leaving", self.root)
    }

    pub(crate) fn intents(&self) -> String {
        format!("{}/intents", self.root)
    }

    pub(crate) fn slots(&self) -> String {
        format!("{}/slots", self.root)
    }

    pub(crate) fn faults(&self) -> String {
        format!("{}/faults", self.root)
    }

    pub(crate) fn intent(&self, id: BrokerId) -> String {
        format!("{}/intents/{id}", self.root)
    }

    pub(crate) fn slot(&self, id: BrokerId) -> String {
        format!("{}/slots/{id}", self.root)
    }

    pub(crate) fn fault(&self, id: BrokerId) -> String {
        format!("{}/faults/{id}", self.root)
    }

    /// Kafka's own tree, beside berth's.
    pub(crate) fn kafka(&self, path: &str) -> String {
        format!("{}{path}", self.chroot)
    }
}
