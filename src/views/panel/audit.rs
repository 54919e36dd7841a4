//! The audit log: who did what, what was so before and after, and the question whether it is as it was written.

use askama::Template;
use chrono::NaiveDate;
use serde_json::Value;
use weir_wire::{Bytes, Second};

use super::super::asset;
use super::super::format::Moment;
use super::say::Say;
use super::shell::Shell;
use super::words::audit::{ACTIONS, Audit, action, of};
use crate::domain::audit::Row;
use crate::domain::percent::encode;

/// Longest value that is shown open, in characters; longer ones are folded.
const SHORT: usize = 160;
/// Facts that are counted in bytes.
const BYTES: [&str; 6] = ["monthly_quota", "total_quota", "bytes", "byte_allowance", "speed_limit", "bonus"];
/// How facts end that are instants.
const TIMES: [&str; 4] = ["_at", "_start", "_since", "_until"];

/// Which entries are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuditFilter {
    /// Who did it.
    pub(crate) actor: String,
    /// What he did.
    pub(crate) action: String,
    /// To what.
    pub(crate) subject: String,
    /// From this day on.
    pub(crate) from: Option<NaiveDate>,
    /// Up to this day, inclusive.
    pub(crate) to: Option<NaiveDate>,
}

impl AuditFilter {
    fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// The address of the log with this filter; `before` is where the page begins.
    fn link(&self, before: Option<i64>) -> String {
        let day = |day: Option<NaiveDate>| day.map_or_else(String::new, |day| day.to_string());
        let number = before.map_or_else(String::new, |before| before.to_string());
        let (from, to) = (day(self.from), day(self.to));
        let pairs = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("subject", &self.subject),
            ("from", &from),
            ("to", &to),
            ("before", &number),
        ];
        let said = pairs.iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<String> = said.map(|(key, value)| format!("{key}={}", encode(value))).collect();
        if query.is_empty() { "/audit".to_owned() } else { format!("/audit?{}", query.join("&")) }
    }
}

/// `GET /audit`
#[derive(Template)]
#[template(path = "panel/audit.html")]
pub(crate) struct AuditPage<'a> {
    shell: Shell<'a>,
    words: &'static Audit,
    filter: AuditFilter,
    /// Code, words, and whether it is chosen.
    actions: Vec<(&'static str, String, bool)>,
    entries: Vec<EntryView>,
    is_first: bool,
    first: String,
    next: Option<String>,
}

/// An entry of the log as it is told.
struct EntryView {
    number: String,
    at: Moment,
    /// Date and time of the deployment's zone.
    local: String,
    action: String,
    code: String,
    subject: String,
    subject_link: String,
    actor: String,
    actor_link: String,
    actor_kind: String,
    origin: String,
    request: String,
    facts: Vec<FactView>,
}

/// One thing that was or is so.
#[derive(Debug, PartialEq, Eq)]
struct FactView {
    name: String,
    before: Option<String>,
    after: Option<String>,
    is_long: bool,
}

impl<'a> AuditPage<'a> {
    /// This page of the log; `place` tells whether it begins somewhere else than at the newest, and where the next one does.
    pub(crate) fn new(
        shell: Shell<'a>,
        filter: AuditFilter,
        rows: &[(Row, String)],
        place: (bool, Option<i64>),
        say: &Say,
    ) -> Self {
        let (goes_on, next) = place;
        let actions = ACTIONS.iter().map(|code| (*code, action(code, say.language), *code == filter.action)).collect();
        Self {
            shell,
            words: of(say.language),
            actions,
            entries: rows.iter().map(|(row, _)| EntryView::new(row, say)).collect(),
            is_first: !goes_on,
            first: filter.link(None),
            next: next.map(|next| filter.link(Some(next))),
            filter,
        }
    }
}

impl EntryView {
    fn new(row: &Row, say: &Say) -> Self {
        let words = of(say.language);
        let at = Second::clamped(row.at);
        let of_subject = AuditFilter { subject: row.subject.clone(), ..AuditFilter::default() };
        let of_actor = AuditFilter { actor: row.actor.clone(), ..AuditFilter::default() };
        let kind = match row.actor_kind.as_str() {
            "api_key" => words.api_key,
            "operator" => words.operator,
            "marzban" => words.marzban,
            "job" => words.job,
            "stranger" => words.stranger,
            other => other,
        };
        Self {
            number: row.number.to_string(),
            at: say.moment(at),
            local: say.zone.written(at),
            action: action(&row.action, say.language),
            code: row.action.clone(),
            subject: row.subject.clone(),
            subject_link: of_subject.link(None),
            actor: row.actor.clone(),
            actor_link: of_actor.link(None),
            actor_kind: kind.to_owned(),
            origin: row.origin.clone().unwrap_or_else(|| words.no_address.to_owned()),
            request: words.request.replace("{id}", &row.request),
            facts: facts(row, say),
        }
    }
}

/// What was so and what is, each thing once, in the order in which they were recorded.
fn facts(row: &Row, say: &Say) -> Vec<FactView> {
    let read = |text: &Option<String>| -> Vec<(String, Value)> {
        match text.as_deref().map(serde_json::from_str) {
            None => Vec::new(),
            Some(Ok(Value::Object(facts))) => facts.into_iter().collect(),
            // What somebody put there by hand need not be ours.
            Some(_) => vec![(String::new(), Value::String(text.clone().unwrap_or_default()))],
        }
    };
    let (before, after) = (read(&row.before), read(&row.after));
    let of = |list: &[(String, Value)], name: &str| value(list, name).map(|value| told(name, value, say));
    let behind = after.iter().filter(|(name, _)| before.iter().all(|(known, _)| known != name));
    let names = before.iter().chain(behind).map(|(name, _)| name);
    names
        .filter(|name| says(value(&before, name), value(&after, name)))
        .map(|name| {
            let (before, after) = (of(&before, name), of(&after, name));
            let length = |text: &Option<String>| text.as_ref().map_or(0, |text| text.chars().count());
            let is_long = length(&before).max(length(&after)) > SHORT;
            FactView { name: name.clone(), before, after, is_long }
        })
        .collect()
}

/// A fact of a list.
fn value<'a>(list: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    list.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// Whether a fact tells anything: what stayed as it was, and what a new or a deleted thing does not have, is left out.
fn says(before: Option<&Value>, after: Option<&Value>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => before != after,
        (Some(only), None) | (None, Some(only)) => !only.is_null(),
        (None, None) => false,
    }
}

/// A value as people read it.
fn told(name: &str, value: &Value, say: &Say) -> String {
    let words = of(say.language);
    match value {
        Value::Null => words.nothing.to_owned(),
        Value::Bool(is) => if *is { words.yes } else { words.no }.to_owned(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(at), _) if at > 0 && TIMES.iter().any(|time| name.ends_with(time)) => {
                say.zone.written(Second::clamped(at))
            }
            (_, Some(bytes)) if BYTES.contains(&name) => say.size(Bytes::saturating(bytes)),
            _ => number.to_string(),
        },
        Value::String(text) => match text.strip_prefix("secret:") {
            Some(print) => words.secret.replace("{print}", print),
            None if text.is_empty() => "“”".to_owned(),
            // Rules are stored as text in some places.
            None => match serde_json::from_str(text) {
                Ok(Value::Object(fields)) => told("", &Value::Object(fields), say),
                _ => text.clone(),
            },
        },
        Value::Array(items) if items.iter().all(|item| item.is_string() || item.is_number()) => {
            if items.is_empty() {
                return words.nothing.to_owned();
            }
            let items: Vec<String> = items.iter().map(|item| told("", item, say)).collect();
            items.join(", ")
        }
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}: {}", told(name, value, say))).collect();
            fields.join("; ")
        }
        Value::Array(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    const SAY: fn() -> Say = || Say::new(Language::En, Zone::UTC, Second::clamped(1_796_083_200));

    fn row(before: Option<&str>, after: Option<&str>) -> Row {
        Row {
            number: 1,
            at: 1_796_083_200,
            actor_kind: "operator".into(),
            actor: "ann".into(),
            action: "user.change".into(),
            subject: "users/ben".into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            origin: None,
            request: "r".into(),
        }
    }

    fn lines(before: Option<&str>, after: Option<&str>) -> Vec<String> {
        let line = |fact: FactView| {
            let side = |side: Option<String>| side.unwrap_or_else(|| "-".into());
            format!("{}: {} > {}", fact.name, side(fact.before), side(fact.after))
        };
        facts(&row(before, after), &SAY()).into_iter().map(line).collect()
    }

    #[test]
    fn what_was_so_stands_beside_what_is() {
        let before =
            r#"{"monthly_quota":1073741824,"note":"","expires_at":1796083200,"password":"secret:abcd","same":1}"#;
        let after = r#"{"monthly_quota":0,"note":"x","expires_at":null,"is_active":true,"ids":[1,2],"same":1,"plan":null,"rules":"{\"a\":[]}"}"#;
        assert_eq!(
            lines(Some(before), Some(after)),
            [
                "expires_at: 2026-12-01 00:00 (UTC) > nothing",
                "monthly_quota: 1 GB > 0 B",
                "note: “” > x",
                "password: a secret with the fingerprint abcd > -",
                "ids: - > 1, 2",
                "is_active: - > yes",
                "rules: - > a: nothing",
            ]
        );
    }

    #[test]
    fn what_is_not_ours_is_told_as_it_stands() {
        assert_eq!(lines(Some("<b>"), None), [": <b> > -"]);
        assert_eq!(lines(None, Some("[1]")), [": - > [1]"]);
        assert!(facts(&row(None, Some(&format!(r#"{{"a":"{}"}}"#, "x".repeat(161)))), &SAY()).first().unwrap().is_long);
    }

    #[test]
    fn a_link_keeps_the_filter() {
        let filter =
            AuditFilter { actor: "a&b".into(), from: NaiveDate::from_ymd_opt(2026, 12, 1), ..AuditFilter::default() };
        assert_eq!(filter.link(Some(7)), "/audit?actor=a%26b&from=2026-12-01&before=7");
        assert!(!filter.is_any() && AuditFilter::default().link(None) == "/audit");
    }
}
