//! The rules of which client gets which format.

use askama::Template;

use super::super::asset;
use super::say::Say;
use super::shell::Shell;
use super::words::clients::{Clients as Words, of};
use crate::domain::format::{Condition, Given, Rule, Rules, Text};

/// Whose rules are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RulesState {
    /// Those that come with the release.
    Shipped,
    /// The operator's own.
    Own,
    /// The operator's own cannot be read, so the shipped ones serve.
    Unreadable,
}

/// `GET /settings/clients`
#[derive(Template)]
#[template(path = "panel/clients.html")]
pub(crate) struct ClientRules<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// The words.
    pub(crate) words: &'static Words,
    /// Whether he may change the rules.
    pub(crate) changes: bool,
    /// What is fetched again when something was done.
    pub(crate) live: ClientRulesLive,
}

/// See [`ClientRules::live`].
#[derive(Template)]
#[template(path = "panel/clients_live.html")]
pub(crate) struct ClientRulesLive {
    /// The words.
    pub(crate) words: &'static Words,
    general: &'static super::words::Words,
    changes: bool,
    state: RulesState,
    rules: Vec<RuleView>,
    /// The rules as the API has them, for the script that puts them into another order.
    json: String,
}

/// A rule as it is told.
struct RuleView {
    place: usize,
    name: String,
    delete_ask: String,
    conditions: Vec<String>,
    format: &'static str,
    headers: Vec<String>,
    is_first: bool,
    is_last: bool,
}

/// A condition in words, such as `user-agent begins with sfa, sfi or sfm`.
fn told(condition: &Condition, words: &'static Words) -> String {
    let list = |word: &str, texts: &[Text]| {
        let (last, others) = texts.split_last()?;
        let others: Vec<&str> = others.iter().map(Text::as_str).collect();
        let others = if others.is_empty() { String::new() } else { format!("{} {} ", others.join(", "), words.or) };
        Some(format!("{word} {others}{}", last.as_str()))
    };
    let before = condition.before.as_ref().map(|before| {
        let (major, minor) = before.version;
        format!("{} {} {major}.{minor}", words.before, before.product.as_str())
    });
    let parts = [
        list(words.is, &condition.equals),
        list(words.begins, &condition.starts),
        list(words.contains, &condition.contains),
        before,
    ];
    format!("{} {}", condition.header.as_str(), parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// What a client is given, in words.
fn given(given: Given, words: &'static Words) -> &'static str {
    if given == Given::Page { words.page } else { given.name() }
}

/// Headers as a form writes them.
fn headers(rule: &Rule) -> Vec<String> {
    rule.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect()
}

/// The rules as the API writes them, whose fields stand in the order of the alphabet.
fn as_the_api(rules: &Rules) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_value(rules)?.to_string())
}

impl ClientRulesLive {
    /// These rules.
    ///
    /// # Errors
    /// They cannot be written as JSON, which does not happen.
    pub(crate) fn new(rules: &Rules, state: RulesState, changes: bool, say: &Say) -> Result<Self, serde_json::Error> {
        let words = of(say.language);
        let count = rules.all().len();
        let view = |(index, rule): (usize, &Rule)| {
            let name = if rule.name.as_str().is_empty() { words.unnamed } else { rule.name.as_str() };
            let conditions: Vec<String> = rule.when.iter().map(|condition| told(condition, words)).collect();
            RuleView {
                place: index + 1,
                name: name.to_owned(),
                delete_ask: say.words.delete_ask.replace("{name}", name),
                conditions: if conditions.is_empty() { vec![words.always.to_owned()] } else { conditions },
                format: given(rule.format, words),
                headers: headers(rule),
                is_first: index == 0,
                is_last: index + 1 == count,
            }
        };
        Ok(Self {
            words,
            general: say.words,
            changes,
            state,
            rules: rules.all().iter().enumerate().map(view).collect(),
            json: as_the_api(rules)?,
        })
    }
}

/// The fields of a condition.
#[derive(Default)]
struct ConditionForm {
    title: String,
    header: String,
    equals: String,
    starts: String,
    contains: String,
    product: String,
    version: String,
}

impl ConditionForm {
    fn new(condition: &Condition) -> Self {
        let lines = |texts: &[Text]| texts.iter().map(Text::as_str).collect::<Vec<_>>().join("\n");
        let before = condition.before.as_ref();
        Self {
            title: String::new(),
            header: condition.header.as_str().to_owned(),
            equals: lines(&condition.equals),
            starts: lines(&condition.starts),
            contains: lines(&condition.contains),
            product: before.map_or_else(String::new, |before| before.product.as_str().to_owned()),
            version: before.map_or_else(String::new, |before| format!("{}.{}", before.version.0, before.version.1)),
        }
    }
}

/// `GET /settings/clients/{place}` and `GET /new/rule`
#[derive(Template)]
#[template(path = "panel/rule.html")]
pub(crate) struct RulePage<'a> {
    shell: Shell<'a>,
    words: &'static Words,
    title: &'static str,
    /// The rules as the API has them.
    json: String,
    /// From 0; none for a new one, which goes to the front.
    index: Option<usize>,
    called: String,
    chosen: &'static str,
    /// Name and words.
    formats: Vec<(String, String)>,
    conditions: Vec<ConditionForm>,
    headers: String,
}

impl<'a> RulePage<'a> {
    /// The rule at a place, or a new one.
    ///
    /// # Errors
    /// See [`ClientRulesLive::new`].
    pub(crate) fn new(
        shell: Shell<'a>,
        rules: &Rules,
        index: Option<usize>,
        say: &Say,
    ) -> Result<Self, serde_json::Error> {
        let words = of(say.language);
        let rule = index.and_then(|index| rules.all().get(index));
        let mut conditions: Vec<ConditionForm> =
            rule.map(|rule| rule.when.iter().map(ConditionForm::new).collect()).unwrap_or_default();
        conditions.push(ConditionForm { header: "user-agent".into(), ..ConditionForm::default() });
        for (index, condition) in conditions.iter_mut().enumerate() {
            condition.title =
                words.condition.replace("{number}", &say.count(u64::try_from(index + 1).unwrap_or_default()));
        }
        let name = |name: &str| Given::named(name).map_or_else(|| name.to_owned(), |one| given(one, words).to_owned());
        Ok(Self {
            shell,
            words,
            title: if rule.is_some() { words.edit } else { words.add },
            json: as_the_api(rules)?,
            index: rule.and(index),
            called: rule.map_or_else(String::new, |rule| rule.name.as_str().to_owned()),
            chosen: rule.map_or("base64", |rule| rule.format.name()),
            formats: Given::names().split(", ").map(|one| (one.to_owned(), name(one))).collect(),
            conditions,
            headers: rule.map_or_else(String::new, |rule| headers(rule).join("\n")),
        })
    }
}

#[cfg(test)]
mod tests {
    use weir_wire::Second;

    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    fn lines(rules: &str) -> Vec<String> {
        let rules = Rules::read(rules).unwrap();
        let say = Say::new(Language::En, Zone::UTC, Second::clamped(0));
        let live = ClientRulesLive::new(&rules, RulesState::Own, true, &say).unwrap();
        live.rules
            .into_iter()
            .map(|rule| format!("{}: {} > {}", rule.name, rule.conditions.join(" & "), rule.format))
            .collect()
    }

    #[test]
    fn conditions_are_told_in_words() {
        let rules = r#"[
          {"name":"TVs","when":[{"starts":["a","b","c"],"contains":["x"]},{"header":"accept","equals":["y"]}],"format":"page"},
          {"when":[{"before":{"product":"sing-box","version":[1,12]}}],"format":"clash"},
          {"name":"Rest","when":[],"format":"base64"}]"#;
        assert_eq!(
            lines(rules),
            [
                "TVs: user-agent begins with a, b or c; contains x & accept is y > the page for people",
                "without a name: user-agent names a version before sing-box 1.12 > clash",
                "Rest: always > base64",
            ]
        );
    }
}
