//! Identifiers spelled as AWS spells them, drawn from the seed.

use std::fmt::Write;

/// The source of all chance in the region.
#[derive(Debug)]
pub(super) struct Names {
    rng: fastrand::Rng,
}

impl Names {
    pub(super) fn new(seed: u64) -> Names {
        Names { rng: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn rng(&mut self) -> &mut fastrand::Rng {
        &mut self.rng
    }

    /// `<prefix>-0` and 16 hexadecimal digits.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.rng.u64(..))
    }

    /// A UUID's text (version 4).
    pub(super) fn uuid(&mut self) -> String {
        let bits = (self.rng.u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// A locally administered MAC, `02:…` or `06:…`.
    pub(super) fn mac(&mut self) -> String {
        let mut mac = String::from(if self.rng.bool() { "02" } else { "06" });
        for _ in 0..5 {
            let _ = write!(mac, ":{:02x}", self.rng.u8(..));
        }
        mac
    }

    /// `length` capital letters and digits.
    pub(super) fn key(&mut self, prefix: &str, length: usize) -> String {
        let mut key = prefix.to_owned();
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        key.extend((0..length).map(|_| LETTERS[self.rng.usize(..LETTERS.len())] as char));
        key
    }

    /// `length` letters and digits.
    pub(super) fn secret(&mut self, length: usize) -> String {
        (0..length).map(|_| self.rng.alphanumeric()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_seventeen_digits_after_the_dash_and_repeat_with_the_seed() {
        let (mut one, mut two) = (Names::new(7), Names::new(7));
        let id = one.id("i");
        assert_eq!(id.len(), 19);
        assert_eq!(id, two.id("i"));
        let uuid = one.uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!(one.mac().starts_with('0'));
    }
}
