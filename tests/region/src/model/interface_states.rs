//! What makes an interface one that its account may not attach: a service of AWS manages it, it is of another type, it is
//! still being made.

use super::sources::*;
use super::*;

/// API reference, CreateNetworkInterface, `InterfaceType`: of those that a user may ask for, the ones that are attached
/// to instances as they are.
const ATTACHABLE: &[&str] = &["interface", "efa"];

impl Eni {
    /// EC2 user guide, requester-managed network interfaces: you can view them, and that is all.
    pub(super) fn is_ours(&self) -> Result<(), Refusal> {
        if self.requester_managed {
            let message = "You do not have permission to access the specified resource.";
            return Err(Refusal::of(&ENI_MANAGED, message));
        }
        Ok(())
    }

    pub(super) fn may_be_attached(&self) -> Result<(), Refusal> {
        self.is_ours()?;
        let Eni { id, interface_type, .. } = self;
        if !ATTACHABLE.contains(&interface_type.as_str()) {
            let message =
                format!("The network interface '{id}' of type '{interface_type}' cannot be attached.");
            return Err(Refusal::of(&ENI_TYPE, message));
        }
        if self.pending {
            return Err(Refusal::of(&ENI_PENDING, format!("{id} is not 'available'.")));
        }
        Ok(())
    }

    pub(super) fn status(&self) -> &'static str {
        match self.attachment.as_ref().map(|at| at.state) {
            _ if self.pending => "pending",
            None => "available",
            Some(AttachmentState::Detaching) => "detaching",
            Some(_) => "in-use",
        }
    }
}

impl Region {
    /// Does to an interface what no call of its users does. False when there is no such interface.
    pub fn set_eni(&mut self, id: &str, change: &EniChange) -> bool {
        let changed = self.change_eni(id, |eni| {
            if let Some(managed) = change.requester_managed {
                eni.requester_managed = managed;
            }
            if let Some(interface_type) = &change.interface_type {
                eni.interface_type.clone_from(interface_type);
            }
            if let Some(status) = change.status {
                eni.pending = status == SettableEniStatus::Pending;
            }
            if let (Some(deleted), Some(at)) = (change.delete_on_termination, &mut eni.attachment) {
                at.delete_on_termination = deleted;
            }
        });
        changed.is_some()
    }

    /// An interface that CreateNetworkInterface makes: `pending` until it is there.
    pub(super) fn made_eni(&mut self, spec: EniSpec) -> Result<EniId, Refusal> {
        let delay = self.draw(|d| &d.eni_create);
        let status = (delay > 0).then_some(SettableEniStatus::Pending);
        let id = self.put_eni(EniSpec { status, ..spec })?;
        if delay > 0 {
            self.later(delay, Due::EniAvailable { eni: id.clone() });
        }
        Ok(id)
    }

    pub(super) fn eni_available(&mut self, id: &str) {
        self.change_eni(id, |eni| eni.pending = false);
    }
}
