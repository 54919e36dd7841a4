//! Which client gets which format: rules as data, the first that fits counts, and none of them means base64.

use core::fmt;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::extra::Extra;
use super::given::Given;

/// The settings area that holds an operator's own rules. Nothing stands there while the shipped ones are in force.
pub const AREA: &str = "clients";

/// Rules in their order.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Rules(#[serde(deserialize_with = "at_most::<100, _, _>")] Vec<Rule>);

/// A format for the requests that meet every condition.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What the operator calls it.
    #[serde(default)]
    pub name: Name,
    /// All of them must hold; without any the rule always does.
    #[serde(deserialize_with = "at_most::<16, _, _>")]
    pub when: Vec<Condition>,
    /// What such a client gets, unless its link names another format.
    pub format: Given,
    /// Headers for such a client beside those of every answer; they replace those of the same name.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub headers: Extra,
}

/// What a header must be like. Letters' case does not matter; a header that is not there is empty.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(try_from = "Written")]
pub struct Condition {
    /// Name of the header.
    pub header: HeaderName,
    /// It is one of these; none means that any will do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub equals: Vec<Text>,
    /// It begins with one of these; none means that any will do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Text>,
    /// It holds one of these; none means that any will do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<Text>,
    /// It names this product in a version before that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// A condition as callers write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    header: HeaderName,
    #[serde(default, deserialize_with = "at_most::<64, _, _>")]
    equals: Vec<Text>,
    #[serde(default, deserialize_with = "at_most::<64, _, _>")]
    starts: Vec<Text>,
    #[serde(default, deserialize_with = "at_most::<64, _, _>")]
    contains: Vec<Text>,
    #[serde(default)]
    before: Option<Before>,
}

impl TryFrom<Written> for Condition {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { header, equals, starts, contains, before } = written;
        // One that tests nothing would take every client, which a rule without conditions says plainly.
        if equals.is_empty() && starts.is_empty() && contains.is_empty() && before.is_none() {
            return Err("it needs equals, starts, contains or before");
        }
        Ok(Self { header, equals, starts, contains, before })
    }
}

/// A product's version, as `sing-box 1.11` or `sing-box/1.11` name it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// As it stands before the version.
    pub product: Text,
    /// Major and minor.
    pub version: (u32, u32),
}

/// A list of at most `MOST` items.
fn at_most<'de, const MOST: usize, T: Deserialize<'de>, D: Deserializer<'de>>(list: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(list)?;
    if list.len() > MOST { Err(D::Error::custom(format!("at most {MOST} items"))) } else { Ok(list) }
}

macro_rules! text {
    ($(#[$doc:meta])* $vis:vis $name:ident, $rule:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
        #[serde(try_from = "String")]
        $vis struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, &'static str> {
                let fits: fn(&str) -> bool = $fits;
                if fits(&text) { Ok(Self(text)) } else { Err($rule) }
            }
        }
    };
}

text!(
    /// What an operator calls a rule.
    pub Name,
    "at most 64 characters without line breaks",
    |text| text.chars().count() <= 64 && !text.chars().any(char::is_control)
);
text!(
    /// What a header is compared with.
    pub Text,
    "1 to 200 characters",
    |text| !text.is_empty() && text.chars().count() <= 200
);
text!(
    /// The name of a request's header.
    pub HeaderName,
    "a header's name of at most 64 characters",
    |text| is_header_name(text)
);

#[expect(clippy::derivable_impls, reason = "the macro that makes the type serves others that have no default")]
impl Default for Name {
    fn default() -> Self {
        Self(String::new())
    }
}

impl Default for HeaderName {
    fn default() -> Self {
        Self("user-agent".to_owned())
    }
}

/// Whether it is a token of RFC 9110, of a length that somebody may mean.
pub(super) fn is_header_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
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
    /// The rules that a deployment begins with. Read once: every fetch of a subscription needs them.
    ///
    /// # Errors
    /// The built-in rules are wrong, which a test keeps from happening.
    pub fn built_in() -> Result<&'static Self, Malformed> {
        static BUILT_IN: LazyLock<Result<Rules, Malformed>> =
            LazyLock::new(|| Rules::read(include_str!("client_rules.json")));
        BUILT_IN.as_ref().map_err(Malformed::clone)
    }

    /// Rules as they are stored.
    ///
    /// # Errors
    /// They are of another release, or were written by somebody else.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        serde_json::from_str(text).map_err(|error| Malformed(error.to_string()))
    }

    /// All of them, in their order.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.0
    }

    /// The first rule that a request with these headers meets, and its place from 0. Each header is asked for once at most.
    pub fn find(&self, header: impl Fn(&str) -> Option<String>) -> Option<(usize, &Rule)> {
        let mut values = BTreeMap::new();
        let mut fits = |condition: &'_ Condition| {
            let name = &condition.header.0;
            if !values.contains_key(name) {
                values.insert(name.clone(), header(name).unwrap_or_default().to_lowercase());
            }
            values.get(name).is_some_and(|value| condition.fits(value))
        };
        self.0.iter().enumerate().find(|(_, rule)| rule.when.iter().all(&mut fits))
    }
}

impl Condition {
    fn fits(&self, value: &str) -> bool {
        let one_of = |list: &[Text], is: fn(&str, &str) -> bool| {
            list.is_empty() || list.iter().any(|text| is(value, &lower(&text.0)))
        };
        one_of(&self.equals, |value, text| value == text)
            && one_of(&self.starts, |value, text| value.starts_with(text))
            && one_of(&self.contains, |value, text| value.contains(text))
            && self.before.as_ref().is_none_or(|before| before.fits(value))
    }
}

impl Before {
    fn fits(&self, value: &str) -> bool {
        let product = lower(&self.product.0);
        value.split(product.as_ref()).skip(1).filter_map(version).any(|version| version < self.version)
    }
}

/// The text in small letters; most have no others, and rules are compared with every fetch.
fn lower(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_uppercase) { text.to_lowercase().into() } else { text.into() }
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

    fn rules(text: &str) -> Rules {
        serde_json::from_str(text).unwrap()
    }

    fn complaint(text: &str) -> String {
        let mut json = serde_json::Deserializer::from_str(text);
        let error = serde_path_to_error::deserialize::<_, Rules>(&mut json).unwrap_err();
        format!("{}: {}", error.path(), error.inner())
    }

    #[test]
    fn the_built_in_rules_are_rules_and_each_has_a_name() {
        let rules = Rules::built_in().unwrap();
        assert!(rules.0.len() > 10);
        assert!(rules.0.iter().all(|rule| !rule.name.as_str().is_empty()));
    }

    #[test]
    fn rules_are_read_as_they_were_written() {
        let rules = Rules::built_in().unwrap();
        assert_eq!(&Rules::read(&serde_json::to_string(rules).unwrap()).unwrap(), rules);
    }

    #[test]
    fn a_condition_holds_for_every_kind_of_test_in_it() {
        let rules = rules(
            r#"[{"when":[{"starts":["App/"],"contains":["x","Y"]},{"header":"accept","contains":["yaml"]}],"format":"clash"}]"#,
        );
        let found = |agent: &str, accept: Option<&str>| {
            let header = |name: &str| if name == "accept" { accept.map(str::to_owned) } else { Some(agent.to_owned()) };
            rules.find(header).is_some()
        };
        assert!(found("app/1 y", Some("text/YAML")));
        for (agent, accept) in [("app/1", Some("yaml")), ("an app/1 y", Some("yaml")), ("app/1 y", None)] {
            assert!(!found(agent, accept), "{agent} {accept:?}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts_and_one_without_conditions_always_fits() {
        let rules = rules(
            r#"[{"when":[{"equals":["APP"]}],"format":"clash"},{"when":[{"starts":["app"]}],"format":"links"},{"when":[],"format":"xray"}]"#,
        );
        for (agent, place) in [("app", 0), ("App/1", 1), ("", 2), ("other app", 2)] {
            let (at, _) = rules.find(|_| Some(agent.to_owned())).unwrap();
            assert_eq!(at, place, "{agent}");
        }
    }

    #[test]
    fn a_header_is_asked_for_once_however_many_rules_look_at_it() {
        let asked = core::cell::RefCell::new(Vec::new());
        let rules = Rules::built_in().unwrap();
        rules.find(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        });
        let mut names = asked.into_inner();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_version_is_compared_as_numbers() {
        let before = Before { product: Text("sing-box".into()), version: (1, 12) };
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
    fn what_is_wrong_is_named_with_its_place_and_its_rule() {
        let long = "x".repeat(201);
        let many = vec![r#"{"when":[],"format":"links"}"#; 101].join(",");
        for (text, place, rule) in [
            (r#"[{"when":[],"format":"pigeon"}]"#.to_owned(), "[0].format", "unknown format pigeon"),
            (r#"[{"when":[],"format":"clash","x":1}]"#.to_owned(), "[0].x", "unknown field"),
            (r#"[{"format":"clash"}]"#.to_owned(), "[0]", "missing field `when`"),
            (r#"[{"when":[{}],"format":"clash"}]"#.to_owned(), "[0].when[0]", "it needs equals"),
            (r#"[{"when":[{"starts":[""]}],"format":"clash"}]"#.to_owned(), "[0].when[0].starts[0]", "1 to 200"),
            (
                format!(r#"[{{"when":[{{"equals":["{long}"]}}],"format":"clash"}}]"#),
                "[0].when[0].equals[0]",
                "1 to 200",
            ),
            (
                r#"[{"when":[{"header":"a b","starts":["x"]}],"format":"clash"}]"#.to_owned(),
                "[0].when[0].header",
                "name",
            ),
            (r#"[{"when":[],"format":"clash","headers":{"set-cookie":"x"}}]"#.to_owned(), "[0].headers", "set-cookie"),
            (format!("[{many}]"), "", "at most 100 items"),
        ] {
            let said = complaint(&text);
            assert!(said.starts_with(place) && said.contains(rule), "{text} -> {said}");
        }
    }
}
