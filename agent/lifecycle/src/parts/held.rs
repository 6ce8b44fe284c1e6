//! A slot that is attached and claimed, and the writes of a claim that is mine.

use crate::ports::{ClaimsError, Written};
use crate::retry::{Next, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::records::{Claim, State};
use berth_plan::slot::Slot;

/// A slot that is attached and claimed.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) slot: Slot,
    pub(crate) claim: Claim,
    pub(crate) version: i32,
}

/// Changes a claim that is mine, at the version that was read last. Where somebody wrote meanwhile (an operator's word, an
/// earlier write of my own) and the claim still names me as its holder, the change is made to what is there now.
pub(crate) async fn write_claim(
    boot: &Boot,
    step: Step,
    held: Held,
    change: impl Fn(&Claim) -> Claim,
) -> Result<(Held, Written), Trouble> {
    let mut held = held;
    let written = retry(boot, step, async || {
        let next = change(&held.claim);
        let id = held.slot.id;
        match boot.ports.claims.write(id, &next, Some(held.version)).await {
            Ok(written) => {
                (held.claim, held.version) = (next, written.version);
                Ok(written)
            }
            Err(error @ ClaimsError::Conflict(_)) => {
                let read = boot.ports.claims.record(id).await.map_err(|e| Trouble::claims(step, &e))?;
                match read.claim {
                    Some(now)
                        if now.value.state == State::Held
                            && now.value.names() == Some(&boot.me.instance)
                            && now.version != held.version =>
                    {
                        (held.claim, held.version) = (now.value, now.version);
                        Err(Next::Again(Trouble::claims(step, &error)))
                    }
                    _ => Err(Next::Stop(Trouble::elsewhere(step, error.to_string()))),
                }
            }
            Err(error) => Err(Trouble::claims(step, &error).into()),
        }
    })
    .await?;
    Ok((held, written))
}
