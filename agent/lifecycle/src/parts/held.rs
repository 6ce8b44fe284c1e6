//! A slot that is attached and claimed, and the writes of a claim that is mine.

use crate::ports::ClaimsError;
use crate::retry::{Next, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::records::{Claim, Revision, State};
use berth_plan::slot::Slot;

/// A slot that is attached and claimed.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) slot: Slot,
    pub(crate) claim: Claim,
    pub(crate) revision: Revision,
}

/// Changes a claim that is mine, at the revision that was read last. Where somebody wrote meanwhile (an operator's word, an
/// earlier write of my own) and the claim still names me as its holder, the change is made to what is there now.
pub(crate) async fn write_claim(
    boot: &Boot,
    step: Step,
    held: Held,
    change: impl Fn(&Claim) -> Claim,
) -> Result<Held, Trouble> {
    let mut held = held;
    retry(boot, step, async || {
        let next = change(&held.claim);
        let id = held.slot.id;
        match boot.ports.claims.write(id, &next, Some(held.revision)).await {
            Ok(revision) => {
                (held.claim, held.revision) = (next, revision);
                Ok(())
            }
            Err(error @ ClaimsError::Conflict(_)) => {
                let read = boot.ports.claims.record(id).await.map_err(|e| Trouble::claims(step, &e))?;
                match read.claim {
                    Some(now)
                        if now.value.state == State::Held
                            && now.value.names() == Some(&boot.me.instance)
                            && now.revision != held.revision =>
                    {
                        (held.claim, held.revision) = (now.value, now.revision);
                        Err(Next::Again(Trouble::claims(step, &error)))
                    }
                    _ => Err(Next::Stop(Trouble::elsewhere(step, error.to_string()))),
                }
            }
            Err(error) => Err(Trouble::claims(step, &error).into()),
        }
    })
    .await?;
    Ok(held)
}
