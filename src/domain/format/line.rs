//! Formats of one line a server: fields with commas between.

use super::Unfit;

/// Fields of a line in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Vec<String>);

impl Line {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// With a field that is only a value.
    pub(super) fn value(mut self, value: &str) -> Result<Self, Unfit> {
        self.0.push(plain(value)?.to_owned());
        Ok(self)
    }

    /// With a value in quotes.
    pub(super) fn quoted(mut self, value: &str) -> Result<Self, Unfit> {
        self.0.push(format!("\"{}\"", plain(value)?));
        Ok(self)
    }

    /// With `key=value`.
    pub(super) fn with(mut self, key: &str, value: &str) -> Result<Self, Unfit> {
        self.0.push(format!("{key}={}", plain(value)?));
        Ok(self)
    }

    /// With `key=value` as it is; for values of our own making.
    pub(super) fn raw(mut self, key: &str, value: &str) -> Self {
        self.0.push(format!("{key}={value}"));
        self
    }

    /// With `key=value`, if there is a value.
    pub(super) fn some(self, key: &str, value: Option<&str>) -> Result<Self, Unfit> {
        match value {
            Some(value) => self.with(key, value),
            None => Ok(self),
        }
    }

    /// With `key=true`, if it is so.
    pub(super) fn flag(mut self, key: &str, is_set: bool) -> Self {
        if is_set {
            self.0.push(format!("{key}=true"));
        }
        self
    }

    /// The line; `between` stands between two fields.
    pub(super) fn join(&self, between: &str) -> String {
        self.0.join(between)
    }
}

/// What some reader takes for the end of a line: to apps that go by Unicode's rules there are two beside the control characters.
fn ends_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// What no reader of such a line takes for the end of a field.
fn plain(value: &str) -> Result<&str, Unfit> {
    let is_plain = |c: char| !ends_line(c) && !matches!(c, ',' | '"' | '\\');
    if !value.is_empty() && value.trim() == value && value.chars().all(is_plain) { Ok(value) } else { Err(Unfit::Text) }
}

/// A name without the letters that such lines give a meaning to.
pub(super) fn clean(name: &str) -> String {
    let is_mark = |c: char| ends_line(c) || matches!(c, ',' | '=' | '"' | '\\' | ';' | '|' | '[' | ']');
    let marks = |c: char| if is_mark(c) { ' ' } else { c };
    let plain: String = name.chars().map(marks).collect();
    // A line that begins so is a comment.
    plain.trim().trim_start_matches(['#', '/', '!', ';']).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_would_end_its_field_is_refused() {
        for bad in ["", "a,b", "a\"b", "a\nb", "a\u{2028}b", " a", "a\\"] {
            assert_eq!(Line::new().with("k", bad).unwrap_err(), Unfit::Text, "{bad:?}");
        }
        assert_eq!(Line::new().value("a").unwrap().with("k", "b==").unwrap().join(", "), "a, k=b==");
    }

    #[test]
    fn a_name_has_nothing_that_ends_a_field_or_begins_a_comment() {
        assert_eq!(clean("# a=b, [c] 🚀"), "a b   c  🚀");
        assert_eq!(clean("a\u{2028}b\u{2029}c\u{85}d"), "a b c d");
    }
}
