//! What a lab stands on and what several may share, one after the other: the fabric, the image of the instances, ZooKeeper,
//! and formatted disks to copy. A run that follows another on the same base begins in a second; what the one wrote to
//! ZooKeeper the next must not meet, so each has a chroot of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::commands::require;
use crate::error::{Context, Error, Result};
use crate::fabric::Fabric;
use crate::host::Host;
use crate::image::{Image, Service};
use crate::ledger::Ledger;
use crate::story::Story;
use crate::zookeeper::Ensemble;

/// What a run stands on.
#[derive(Debug, Clone)]
pub struct SharedBase {
    pub(crate) fabric: Arc<Fabric>,
    pub(crate) image: Image,
    pub(crate) ensemble: Arc<Mutex<Option<Ensemble>>>,
    /// Where formatted disks are kept for copies; none for a run that makes its own.
    pub(crate) disks: Option<PathBuf>,
}

impl SharedBase {
    pub(crate) async fn make(
        ledger: &Arc<Ledger>,
        service: Service,
        zookeeper: usize,
        disks: Option<PathBuf>,
        story: &Story,
    ) -> Result<SharedBase> {
        let fabric = Arc::new(Fabric::make(Arc::clone(ledger))?);
        let image = Image::bake(ledger, service, service != Service::None)?;
        let ensemble = match zookeeper {
            0 => None,
            size => {
                require(&["java"])?;
                let starting = Ensemble::start(ledger, &fabric, size);
                Some(story.wait("ZooKeeper", Duration::from_secs(60), starting).await??)
            }
        };
        Ok(SharedBase { fabric, image, ensemble: Arc::new(Mutex::new(ensemble)), disks })
    }
}

/// A base for several runs, with a ledger of its own.
#[derive(Debug)]
pub struct LastingBase {
    base: SharedBase,
    ledger: Arc<Ledger>,
    before: Host,
    ended: bool,
}

impl LastingBase {
    /// Makes it.
    pub async fn make(service: Service, zookeeper: usize, story: &Story) -> Result<LastingBase> {
        let before = Host::read()?;
        let ledger = Arc::new(Ledger::open()?);
        let disks = ledger.data().join("disks");
        let made = async {
            std::fs::create_dir_all(&disks).context(|| format!("make {}", disks.display()))?;
            SharedBase::make(&ledger, service, zookeeper, Some(disks), story).await
        };
        match made.await {
            Ok(base) => Ok(LastingBase { base, ledger, before, ended: false }),
            Err(error) => {
                ledger.close(true)?;
                Err(error)
            }
        }
    }

    /// What a run is made on.
    pub fn base(&self) -> &SharedBase {
        &self.base
    }

    /// The ensemble.
    pub fn ensemble(&self) -> &Mutex<Option<Ensemble>> {
        &self.base.ensemble
    }

    /// Takes it down, and asserts that nothing is left of it.
    pub async fn end(mut self) -> Result<()> {
        self.ended = true;
        drop(self.base.ensemble.lock().await.take());
        self.ledger.close(false)?;
        let left = self.before.left_by(self.ledger.id(), &Host::read()?);
        if left.is_empty() {
            return Ok(());
        }
        Err(Error::new(format!("the lab left behind: {}", left.join(", "))))
    }
}

impl Drop for LastingBase {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Ok(mut ensemble) = self.base.ensemble.try_lock() {
            drop(ensemble.take());
        }
        if let Err(error) = self.ledger.close(false) {
            eprintln!("lab: {}", error.chain());
        }
    }
}
