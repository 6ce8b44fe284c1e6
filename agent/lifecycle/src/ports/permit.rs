//! The replacement permit's record, in whatever store a cluster keeps its claims.

use super::ClaimsError;
use async_trait::async_trait;
use berth_plan::records::{Permit, Revision, Versioned};

/// One record a cluster, never deleted and changed only at the revision read.
///
/// An adapter resolves unknown outcomes itself, by reading back, as [`super::Claims`] has it: what it returns is certain, or
/// [`ClaimsError::Away`].
#[async_trait]
pub trait Permits: Send + Sync {
    /// The permit, not older than the call; none where nobody ever took it. One that cannot be read is
    /// [`ClaimsError::Refused`]: nobody asks then.
    async fn permit(&self) -> Result<Option<Versioned<Permit>>, ClaimsError>;

    /// Writes the permit at the revision read; none creates it. The revision now. At another revision it is
    /// [`ClaimsError::Conflict`], and nothing is written, however late the request arrives.
    async fn write_permit(
        &self,
        permit: &Permit,
        revision: Option<Revision>,
    ) -> Result<Revision, ClaimsError>;
}
