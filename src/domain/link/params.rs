//! The parameters of a link, in their order; names are case-sensitive.

use super::decoded;
use crate::domain::percent::encode;

/// Parameters still to be taken, or to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `a=1&b=2`: each value is decoded once, `+` is a plus, and of a name that comes twice the first counts.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut all = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.add(&decoded(name), decoded(value));
        }
        all
    }

    /// Adds one, unless the name is there.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        if self.0.iter().all(|(other, _)| other != name) {
            self.0.push((name.to_owned(), value.into()));
        }
    }

    /// Adds one if there is a value.
    pub fn some(&mut self, name: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Adds `name=1` if it is so.
    pub fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.add(name, "1");
        }
    }

    /// Takes the first of `names` that has a value; all of them count as read.
    pub fn take(&mut self, names: &[&str]) -> Option<String> {
        let value = names.iter().find_map(|name| {
            let found = self.0.iter().find(|(other, value)| other == name && !value.is_empty())?;
            Some(found.1.clone())
        });
        self.0.retain(|(other, _)| !names.contains(&other.as_str()));
        value
    }

    /// Takes a flag: `1` and `true` in any case are set, and so is a name without a value.
    pub fn take_flag(&mut self, names: &[&str]) -> bool {
        let is_bare = self.0.iter().any(|(other, value)| value.is_empty() && names.contains(&other.as_str()));
        self.take(names).map_or(is_bare, |value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// What nobody has taken.
    #[must_use]
    pub fn rest(self) -> Vec<(String, String)> {
        self.0
    }

    /// As they stand in a link, `?` included; empty if there are none. No name goes without `=`, which some clients need.
    #[must_use]
    pub fn query(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_decoded_once_and_a_plus_stays() {
        let mut params = Params::parse("a=b+c%2Bd&p=%252F&k=x==&&bare");
        assert_eq!(params.take(&["a"]).as_deref(), Some("b+c+d"));
        assert_eq!(params.take(&["p"]).as_deref(), Some("%2F"));
        assert_eq!(params.take(&["k"]).as_deref(), Some("x=="));
        assert_eq!(params.rest(), [("bare".to_owned(), String::new())]);
    }

    #[test]
    fn of_other_spellings_the_first_with_a_value_counts() {
        let mut params = Params::parse("sni=&peer=b&sni=c");
        assert_eq!(params.take(&["sni", "peer"]).as_deref(), Some("b"));
        assert_eq!(params.rest(), []);
    }

    #[test]
    fn a_flag_is_set_by_one_true_or_its_mere_name() {
        for (query, is_set) in
            [("x=1", true), ("x=True", true), ("x", true), ("x=0", false), ("x=no", false), ("", false)]
        {
            assert_eq!(Params::parse(query).take_flag(&["x"]), is_set, "{query}");
        }
    }
}
