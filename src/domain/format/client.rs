//! Which client gets which format: rules as data, the first that fits counts, and none of them means base64.

use core::fmt;

use serde::Deserialize;

use super::Format;

/// Rules in their order.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// A format for the requests that meet every condition.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Rule {
    when: Vec<Condition>,
    format: Format,
}

/// What a header must be like. Letters' case does not matter; a header that is not there is empty.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Condition {
    #[serde(default = "user_agent")]
    header: String,
    /// It begins with one of these; none means that any will do.
    #[serde(default)]
    starts: Vec<String>,
    /// It holds one of these; none means that any will do.
    #[serde(default)]
    contains: Vec<String>,
    /// It names this product in a version before that one.
    #[serde(default)]
    before: Option<Before>,
}

/// A product's version, as `sing-box 1.11` or `sing-box/1.11` name it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Before {
    product: String,
    version: (u32, u32),
}

fn user_agent() -> String {
    "user-agent".to_owned()
}

/// Rules that are not what rules look like; the sentence says where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Rules {
    /// The rules that a deployment begins with.
    ///
    /// # Errors
    /// The built-in rules are wrong, which a test keeps from happening.
    pub fn built_in() -> Result<Self, Malformed> {
        serde_json::from_str(include_str!("client_rules.json")).map_err(|error| Malformed(error.to_string()))
    }

    /// The format for a request with these headers.
    pub fn format(&self, header: impl Fn(&str) -> Option<String>) -> Format {
        let fits = |condition: &Condition| {
            let value = header(&condition.header).unwrap_or_default().to_lowercase();
            condition.fits(&value)
        };
        let rule = self.0.iter().find(|rule| rule.when.iter().all(fits));
        rule.map_or(Format::Base64, |rule| rule.format)
    }
}

impl Condition {
    fn fits(&self, value: &str) -> bool {
        let starts = self.starts.is_empty() || self.starts.iter().any(|text| value.starts_with(&text.to_lowercase()));
        let contains =
            self.contains.is_empty() || self.contains.iter().any(|text| value.contains(&text.to_lowercase()));
        starts && contains && self.before.as_ref().is_none_or(|before| before.fits(value))
    }
}

impl Before {
    fn fits(&self, value: &str) -> bool {
        let product = self.product.to_lowercase();
        value.split(&product).skip(1).filter_map(version).any(|version| version < self.version)
    }
}

/// The version at the begin of ` 1.11.4; ..`.
fn version(text: &str) -> Option<(u32, u32)> {
    let text = text.strip_prefix([' ', '/'])?;
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rules_are_rules() {
        assert!(!Rules::built_in().unwrap().0.is_empty());
    }

    #[test]
    fn a_condition_holds_for_every_kind_of_test_in_it() {
        let rules: Rules = serde_json::from_str(
            r#"[{"when":[{"starts":["App/"],"contains":["x","Y"]},{"header":"accept","contains":["yaml"]}],"format":"clash"}]"#,
        )
        .unwrap();
        let format = |agent: &str, accept: Option<&str>| {
            rules.format(|name| if name == "accept" { accept.map(str::to_owned) } else { Some(agent.to_owned()) })
        };
        let clash = Format::named("clash").unwrap();
        assert_eq!(format("app/1 y", Some("text/YAML")), clash);
        for (agent, accept) in [("app/1", Some("yaml")), ("an app/1 y", Some("yaml")), ("app/1 y", None)] {
            assert_eq!(format(agent, accept), Format::Base64, "{agent} {accept:?}");
        }
    }

    #[test]
    fn a_version_is_compared_as_numbers() {
        let before = Before { product: "sing-box".into(), version: (1, 12) };
        for (agent, is_before) in [
            ("sing-box 1.11.4", true),
            ("sing-box/v1.9", true),
            ("sfa/1.2 (3; sing-box 1.8.0; language en)", true),
            ("sing-box 1.12.0", false),
            ("sing-box 1.100", false),
            ("sing-box 2.0", false),
            ("like sing-box", false),
            ("sing-boxes 1.0", false),
        ] {
            assert_eq!(before.fits(agent), is_before, "{agent}");
        }
    }

    #[test]
    fn an_unknown_format_or_field_is_refused() {
        for text in [r#"[{"when":[],"format":"pigeon"}]"#, r#"[{"when":[],"format":"clash","x":1}]"#] {
            assert!(serde_json::from_str::<Rules>(text).is_err(), "{text}");
        }
    }
}
