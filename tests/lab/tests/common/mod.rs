//! A lab by hand for the tests: ledger, fabric and image, taken down when dropped, with the host compared before and after.
#![allow(dead_code)] // Each test binary uses its own part.

pub(crate) mod cases;
pub(crate) mod clusters;
pub(crate) mod interfaces;
pub(crate) mod judged;
pub(crate) mod lab_runs;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use lab::fabric::{Fabric, Interface};
use lab::host::Host;
use lab::image::{Image, Service};
use lab::instance::{Instance, Launched, Ran, ran};
use lab::ledger::Ledger;

/// A lab without a region.
pub(crate) struct Hand {
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) fabric: Option<Arc<Fabric>>,
    pub(crate) before: Host,
    pub(crate) id: String,
}

impl Hand {
    pub(crate) fn new() -> Hand {
        lab::commands::require(&["ip", "losetup", "nsenter", "mkfs.xfs", "xfs_io", "blkid", "curl"]).unwrap();
        let before = Host::read().unwrap();
        let ledger = Arc::new(Ledger::open().unwrap());
        let fabric = Arc::new(Fabric::make(Arc::clone(&ledger)).unwrap());
        let id = ledger.id().to_owned();
        Hand { ledger: Some(ledger), fabric: Some(fabric), before, id }
    }

    pub(crate) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(self.ledger.as_ref().unwrap())
    }

    pub(crate) fn fabric(&self) -> Arc<Fabric> {
        Arc::clone(self.fabric.as_ref().unwrap())
    }

    pub(crate) fn instance(&self, user_data: Option<&str>) -> Instance {
        let image = Image::bake(&self.ledger(), Service::None, false).unwrap();
        let launched = Launched {
            id: "i-0123456789abcdef0".into(),
            zone: "eu-central-1a".into(),
            primary: interface("eni-0aaaaaaaaaaaaaaa0", "06:00:00:00:00:10", [10, 0, 1, 10]),
            user_data: user_data.map(str::to_owned),
            environment: vec![("AWS_ENDPOINT_URL".into(), "http://10.0.9.10".into())],
        };
        Instance::new(launched, self.ledger(), self.fabric(), image)
    }

    /// Takes the lab down and asserts that the host is as it was.
    pub(crate) fn end(mut self) {
        self.close();
        let left = self.before.left_by(&self.id, &Host::read().unwrap());
        assert!(left.is_empty(), "the lab left behind: {left:?}");
    }

    fn close(&mut self) {
        drop(self.fabric.take());
        if let Some(ledger) = self.ledger.take() {
            ledger.close(false).unwrap();
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        if let Some(ledger) = self.ledger.take() {
            // A failing test: the next lab would clean it too, but leave nothing behind even so.
            drop(self.fabric.take());
            let _ = ledger.close(false);
        }
    }
}

pub(crate) fn interface(eni: &str, mac: &str, address: [u8; 4]) -> Interface {
    Interface { eni: eni.into(), mac: mac.into(), addresses: vec![Ipv4Addr::from(address)] }
}

/// Runs a shell line inside the instance.
pub(crate) async fn sh(instance: &Instance, line: &str) -> Ran {
    let mut command = instance.command("sh").unwrap();
    command.args(["-c", line]);
    ran(command, Duration::from_secs(30)).await.unwrap()
}
