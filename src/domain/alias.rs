//! Aliases: texts that stand for a user's subscription token, such as an old panel's `user123`.

use super::name::{Breaks, is_dots};

/// Aliases of one user at most.
pub const MOST: usize = 16;

/// Words that stand in a token's place in a path.
const RESERVED: [&str; 4] = ["global", "server", "database", "cleanup"];
/// Letters of the panel's own tokens: a text of this form is one, or forged.
const TOKEN: usize = 32;

/// The rule as a sentence.
pub const RULE: Breaks = Breaks(
    "1 to 256 of A-Z a-z 0-9 . _ ~ - @ : + =, not . or .., not 32 that could be a token, not global, server, database or cleanup",
);

/// Whether a text can be an alias.
#[must_use]
pub fn fits(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=256).contains(&text.len())
        && text.bytes().all(|b| letter(b) || matches!(b, b'.' | b'~' | b'@' | b':' | b'+' | b'='))
        && !is_dots(text)
        && !RESERVED.contains(&text)
        && !(text.len() == TOKEN && text.bytes().all(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_no_token_and_no_reserved_word() {
        for good in ["user123", "a", "dXNlcg==", "ann@example.org", &"x".repeat(31), &"x".repeat(33)] {
            assert!(fits(good), "{good}");
        }
        for bad in ["", ".", "..", "global", "server", "database", "a/b", "a b", "ü", &"x".repeat(32), &"x".repeat(257)]
        {
            assert!(!fits(bad), "{bad}");
        }
    }
}
