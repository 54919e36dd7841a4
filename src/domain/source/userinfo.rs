//! A provider's own `Subscription-Userinfo`.

use serde::Serialize;

/// Longest header that is kept, in characters.
const LONGEST: usize = 300;

/// What a provider says of the operator's account there. What it does not say, or not as a number, is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Userinfo {
    /// Bytes up.
    pub upload: Option<u64>,
    /// Bytes down.
    pub download: Option<u64>,
    /// Bytes that are allowed, 0 = unlimited.
    pub total: Option<u64>,
    /// Unix second of the end, 0 = never.
    pub expire: Option<u64>,
}

impl Userinfo {
    /// Reads a header as clients do: any order, any spaces, keys in any case, fractions cut.
    #[must_use]
    pub fn read(header: &str) -> Self {
        let mut info = Self::default();
        for pair in header.split(';') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            let value = value.trim().split('.').next().and_then(|whole| whole.parse().ok());
            match key.trim().to_ascii_lowercase().as_str() {
                "upload" => info.upload = value,
                "download" => info.download = value,
                "total" => info.total = value,
                "expire" => info.expire = value,
                _ => {}
            }
        }
        info
    }
}

/// A header as it is stored: printable and not endless.
#[must_use]
pub fn cut(header: &str) -> String {
    header.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_far_as_it_makes_sense() {
        let info = Userinfo::read("Upload=1;download = 456.7 ; total=1e9; x; expire=1900000000; plan=gold");
        assert_eq!(info, Userinfo { upload: Some(1), download: Some(456), total: None, expire: Some(1_900_000_000) });
        assert_eq!(Userinfo::read("upload=-1; total="), Userinfo::default());
    }

    #[test]
    fn a_stored_header_is_printable_and_not_endless() {
        assert_eq!(cut("a\r\nb"), "ab");
        assert_eq!(cut(&"x".repeat(1_000)).len(), 300);
    }
}
