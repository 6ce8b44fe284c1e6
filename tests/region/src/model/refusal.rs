//! How a call can fail: refused with a code of AWS, or without any answer. A refusal is made only from a rule of
//! `sources`, so that each code has a status and a source; the one exception is a refusal that a test injects.

use super::sources::Rule;

/// An error answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Error code, as AWS spells it.
    pub code: String,
    /// The sentence beside it.
    pub message: String,
}

impl Refusal {
    pub(crate) fn of(rule: &Rule, message: impl Into<String>) -> Refusal {
        Refusal { status: rule.status, code: rule.code.to_owned(), message: message.into() }
    }

    pub(crate) fn injected(status: u16, code: String, message: String) -> Refusal {
        Refusal { status, code, message }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} ({}): {}", self.code, self.status, self.message)
    }
}

/// What a caller meets instead of an answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// An error answer.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection was reset; nothing was done.
    #[error("connection reset")]
    Reset,
    /// The connection closed without an answer; the call was, or will be, done.
    #[error("connection closed without an answer")]
    Lost,
}

impl CallError {
    /// The error code, if there was an answer.
    pub fn code(&self) -> Option<&str> {
        match self {
            CallError::Refused(refusal) => Some(&refusal.code),
            _ => None,
        }
    }

    /// The word for it in the journal.
    pub fn outcome(&self) -> &str {
        match self {
            CallError::Refused(refusal) => &refusal.code,
            CallError::Reset => "reset",
            CallError::Lost => "lost",
        }
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> CallError {
        CallError::Refused(refusal)
    }
}
