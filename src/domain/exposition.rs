//! The text that Prometheus reads: exposition format 0.0.4.

use core::fmt::{Display, Write as _};

/// The media type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only rises; its name ends in `_total`.
    Counter,
    /// It rises and falls.
    Gauge,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A text that grows family by family.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a metric. A name comes once; its samples follow through the value that is returned.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        let _ = writeln!(self.0, "# HELP {name} {}", help.replace('\\', "\\\\").replace('\n', "\\n"));
        let _ = writeln!(self.0, "# TYPE {name} {}", kind.name());
        Family { text: &mut self.0, name }
    }

    /// The whole text.
    #[must_use]
    pub fn text(self) -> String {
        self.0
    }
}

/// The samples of one metric.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    /// Adds a sample. A set of labels comes once; of `value` as it is displayed Prometheus reads a float.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(self.name);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            for letter in text.chars() {
                match letter {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_help_its_type_and_its_samples() {
        let mut all = Exposition::default();
        all.family("weir_users", Kind::Gauge, "Users.").sample(&[("status", "active")], 3).sample(&[], 4);
        all.family("weir_node_bytes_total", Kind::Counter, "Bytes.")
            .sample(&[("node", "fra"), ("direction", "up")], 9_007_199_254_740_991_u64);
        assert_eq!(
            all.text(),
            "# HELP weir_users Users.\n# TYPE weir_users gauge\nweir_users{status=\"active\"} 3\nweir_users 4\n\
             # HELP weir_node_bytes_total Bytes.\n# TYPE weir_node_bytes_total counter\n\
             weir_node_bytes_total{node=\"fra\",direction=\"up\"} 9007199254740991\n"
        );
    }

    #[test]
    fn whatever_a_node_is_called_it_stays_one_label() {
        let mut all = Exposition::default();
        all.family("m", Kind::Gauge, "A \\ and\na line.").sample(&[("node", "a\"} 1\nweir\\ü")], 1);
        assert_eq!(all.text(), "# HELP m A \\\\ and\\na line.\n# TYPE m gauge\nm{node=\"a\\\"} 1\\nweir\\\\ü\"} 1\n");
    }
}
