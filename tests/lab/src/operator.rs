//! What an operator does with the EC2 API in a scenario: brings a slot's volume and network interface to an instance by
//! hand, and takes them away again.

use region::model::{AttachEniRequest, AttachVolumeRequest, Caller, DetachEniRequest, DetachVolumeRequest};

use crate::error::{Context, Error, Result};
use crate::lab_run::{InstanceInfo, LabRun, SlotMade};

/// AttachVolume and AttachNetworkInterface, as `/dev/sdf` and device index 1.
pub fn attach(lab: &LabRun, slot: &SlotMade, to: &InstanceInfo) -> Result<()> {
    let volume = AttachVolumeRequest {
        volume: slot.volume.clone(),
        instance: to.id.clone(),
        device: "/dev/sdf".into(),
        ..AttachVolumeRequest::default()
    };
    let eni = AttachEniRequest {
        eni: slot.eni.clone(),
        instance: to.id.clone(),
        device_index: 1,
        ..AttachEniRequest::default()
    };
    lab.served.with(|region| {
        region
            .attach_volume(&Caller::admin(), volume)
            .context(|| format!("attach {} to {}", slot.volume, to.label))?;
        region
            .attach_network_interface(&Caller::admin(), eni)
            .context(|| format!("attach {} to {}", slot.eni, to.label))?;
        Ok(())
    })
}

/// DetachVolume and DetachNetworkInterface, wherever they are attached.
pub fn detach(lab: &LabRun, slot: &SlotMade) -> Result<()> {
    let volume = DetachVolumeRequest { volume: slot.volume.clone(), ..DetachVolumeRequest::default() };
    lab.served.with(|region| {
        let attached = region.eni(&slot.eni).and_then(|eni| eni.attachment.as_ref()).map(|a| a.id.clone());
        let attachment = attached.ok_or_else(|| Error::new(format!("{} is attached nowhere", slot.eni)))?;
        let eni = DetachEniRequest { attachment, ..DetachEniRequest::default() };
        region.detach_volume(&Caller::admin(), volume).context(|| format!("detach {}", slot.volume))?;
        region.detach_network_interface(&Caller::admin(), eni).context(|| format!("detach {}", slot.eni))?;
        Ok(())
    })
}
