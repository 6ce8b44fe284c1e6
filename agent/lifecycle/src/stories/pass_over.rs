//! A slot whose own disk or resources are at fault: its fault is recorded, then it is given back, and the boot
//! chooses again.

use super::unwind::{Unwound, Why, let_go};
use crate::{Boot, Trouble};
use berth_plan::records::{FaultCode, FaultRecord, VERSION};

/// Records the fault before the claim goes back: a crash between leaves a slot that nobody takes blindly.
pub(crate) async fn pass_over(boot: &Boot, trouble: &Trouble) -> Result<Unwound, Trouble> {
    let Some(slot) = boot.progress().slot else { return Ok(Unwound::Done) };
    let trouble_of = |error| Trouble::claims(trouble.step, &error);
    let before = boot.ports.claims.record(slot.id).await.map_err(trouble_of)?;
    let revision = before.claim.as_ref().map(|claim| claim.revision);
    let fault = FaultRecord {
        v: VERSION,
        code: trouble.code.clone().unwrap_or(FaultCode::Device),
        reason: trouble.sentence.clone(),
        seen_by: boot.me.instance.clone(),
        count: before.fault.map_or(0, |fault| fault.count) + 1,
        seen_on: slot.fingerprint(),
    };
    boot.ports.claims.record_fault(slot.id, &fault, revision).await.map_err(trouble_of)?;
    boot.ports.timeline.fact(trouble.step, &format!("slot {} passed over: {}", slot.id, trouble.sentence));
    let_go(boot, Why::Fault(&trouble.sentence)).await
}
