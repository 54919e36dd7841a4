//! Marzban's rule of users' names, which is narrower than ours.

/// The rule as Marzban's clients read it.
pub const RULE: &str =
    "Value error, Username only can be 3 to 32 characters and contain a-z, 0-9, and underscores in between.";

/// Whether a name begins with 3 to 32 letters, digits or underscores, up to the first `-`, `@` or `.`, and has nothing else in it.
#[must_use]
pub fn is_username(name: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let head = name.chars().take_while(|letter| is_word(*letter)).count();
    (3..=32).contains(&head) && name.chars().all(|letter| is_word(letter) || matches!(letter, '-' | '@' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_begins_with_three_letters_and_has_no_odd_ones() {
        for name in ["ann", "a_1", "___", "ann@example.org", "ann-lee", "ann.", &"a".repeat(32)] {
            assert!(is_username(name), "{name}");
        }
        for name in ["", "an", "an-lee", "-ann", ".ann", "ann lee", "ann!", "änn", "ann\n", &"a".repeat(33)] {
            assert!(!is_username(name), "{name}");
        }
    }
}
