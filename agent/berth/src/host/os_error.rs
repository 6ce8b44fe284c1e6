//! The kernel's words for an error.

use nix::errno::Errno;
use std::io;

/// What an error says, with its number. The static C library has no text for some numbers that file systems use: EUCLEAN
/// would be "No error information".
pub(crate) fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{} (os error {number})", Errno::from_raw(number).desc()),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_file_systems_have_their_text_in_a_static_build_too() {
        for (number, text) in
            [(117, "Structure needs cleaning"), (5, "I/O error"), (24, "Too many open files")]
        {
            assert_eq!(words(&io::Error::from_raw_os_error(number)), format!("{text} (os error {number})"));
        }
        assert_eq!(words(&io::Error::other("no number")), "no number");
    }
}
