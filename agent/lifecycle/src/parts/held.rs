//! A slot that is attached and claimed, and the writes of a claim that is mine.

use crate::ports::{ClaimsError, Written};
use crate::retry::{Next, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::BrokerId;
use berth_plan::records::Claim;
use berth_plan::slot::Slot;

/// A slot that is attached and claimed.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) slot: Slot,
    pub(crate) claim: Claim,
    pub(crate) version: i32,
}

/// Writes a claim that is mine at the version that I read last.
pub(crate) async fn write_claim(
    boot: &Boot,
    step: Step,
    id: BrokerId,
    claim: &Claim,
    version: i32,
) -> Result<Written, Trouble> {
    retry(boot, step, async || match boot.ports.claims.write(id, claim, Some(version)).await {
        Ok(written) => Ok(written),
        Err(error @ ClaimsError::Conflict(_)) => Err(Next::Stop(Trouble::elsewhere(step, error.to_string()))),
        Err(error) => Err(Trouble::claims(step, &error).into()),
    })
    .await
}
