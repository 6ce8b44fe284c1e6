//! Idempotence by ClientToken: a call repeated with its token answers what the first one made.

use super::sources::TOKEN_MISMATCH;
use super::*;

impl Region {
    /// What an earlier call with this token made.
    pub(super) fn made_before(
        &self,
        action: &str,
        token: &Option<String>,
        what: &str,
    ) -> Result<Option<String>, Refusal> {
        let Some(token) = token else { return Ok(None) };
        match self.client_tokens.get(&format!("{action} {token}")) {
            None => Ok(None),
            Some((before, made)) if before == what => Ok(Some(made.clone())),
            Some(_) => {
                let message = format!("The client token {token} was used with other parameters");
                Err(Refusal::of(&TOKEN_MISMATCH, message))
            }
        }
    }

    pub(super) fn remember(&mut self, action: &str, token: &Option<String>, what: &str, made: &str) {
        if let Some(token) = token {
            self.client_tokens.insert(format!("{action} {token}"), (what.to_owned(), made.to_owned()));
        }
    }
}
