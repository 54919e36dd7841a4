//! What was done to many users at once, and can be undone.

use askama::Template;
use serde_json::Value;
use weir_wire::Second;

use super::super::asset;
use super::super::format::Moment;
use super::say::Say;
use super::shell::Shell;
use super::words;
use crate::domain::page::language::digits;
use crate::store::bulk::{Bulk, State};

/// `GET /bulk`
#[derive(Template)]
#[template(path = "panel/bulk.html")]
pub(crate) struct BulkPage<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// The part that refreshes itself.
    pub(crate) live: BulkLive,
}

/// What changes from moment to moment.
#[derive(Template)]
#[template(path = "panel/bulk_live.html")]
pub(crate) struct BulkLive {
    pub(crate) bulk: &'static words::bulk::Bulk,
    changes: Vec<Change>,
}

/// One of them.
struct Change {
    id: i64,
    what: String,
    /// Names, where the users were named.
    whom: Option<String>,
    state: &'static str,
    /// What style sheets call the state.
    mark: &'static str,
    at: Moment,
    by: String,
    /// Whether it goes on, and how far it has got, in thousandths.
    moves: bool,
    part: u64,
    counts: String,
    undo_until: Option<String>,
    stops: bool,
}

/// Names that are shown of a selection.
const NAMES: usize = 5;

impl BulkLive {
    /// The newest first.
    pub(crate) fn new(found: &[Bulk], say: &Say) -> Self {
        let bulk = words::bulk::of(say.language);
        Self { bulk, changes: found.iter().map(|one| Change::new(one, bulk, say)).collect() }
    }
}

impl Change {
    fn new(one: &Bulk, bulk: &'static words::bulk::Bulk, say: &Say) -> Self {
        let (state, mark) = match one.state {
            State::Running => (bulk.running, "limited"),
            State::Done => (bulk.done, "active"),
            State::Stopped => (bulk.stopped, "expired"),
            State::Undoing => (bulk.undoing, "limited"),
            State::Undone => (bulk.undone, ""),
        };
        let moves = matches!(one.state, State::Running | State::Undoing);
        let back = matches!(one.state, State::Undoing | State::Undone);
        let passed = if back { one.undone + one.kept } else { one.done + one.skipped };
        let of = if back { one.done } else { one.total };
        let counted = |words: &str, count: u32| words.replace("{count}", &say.count(count.into()));
        let users = [say.words.users, ": ", &say.count(one.done.into()), " / ", &say.count(one.total.into())].concat();
        let rest = [(bulk.skipped, one.skipped), (bulk.restored, one.undone), (bulk.kept, one.kept)];
        let rest = rest.into_iter().filter(|(_, count)| *count > 0).map(|(words, count)| counted(words, count));
        Self {
            what: what(&one.action, bulk, say),
            whom: whom(&one.selection),
            state,
            mark,
            at: say.moment(Second::clamped(one.created_at)),
            by: bulk.by.replace("{name}", &one.entered_by),
            moves,
            part: u64::from(passed) * 1_000 / u64::from(of.max(1)),
            counts: core::iter::once(users).chain(rest).collect::<Vec<_>>().join(" · "),
            undo_until: one.can_be_undone(say.now).then(|| match one.undo_until() {
                Some(until) => bulk.undo_until.replace("{span}", &say.span(Second::clamped(until).since(say.now))),
                None => String::new(),
            }),
            stops: matches!(one.state, State::Running),
            id: one.id,
        }
    }
}

/// What was asked for, in words; as the API takes it where there are none.
fn what(action: &str, bulk: &words::bulk::Bulk, say: &Say) -> String {
    let asked: Value = serde_json::from_str(action).unwrap_or_default();
    if let Some(days) = asked.pointer("/extend/days").and_then(Value::as_i64) {
        let words = if days < 0 { bulk.shorter } else { bulk.longer };
        return words.replace("{days}", &digits(&days.unsigned_abs().to_string(), say.language));
    }
    if let Some(fields) = asked.get("change").and_then(Value::as_object) {
        if let (1, Some(plan)) = (fields.len(), fields.get("plan").and_then(Value::as_str)) {
            return format!("{}: {plan}", say.words.plan);
        }
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        return bulk.changed.replace("{fields}", &names.join(", "));
    }
    match asked.as_str() {
        Some("enable") => say.words.enable.to_owned(),
        Some("disable") => say.words.disable.to_owned(),
        Some("reset") => say.words.reset.to_owned(),
        Some("delete") => say.words.delete.to_owned(),
        _ => action.to_owned(),
    }
}

/// Whom it was for: the first names, or the filters.
fn whom(selection: &str) -> Option<String> {
    let asked: Value = serde_json::from_str(selection).ok()?;
    let fields = asked.as_object()?;
    if let Some(names) = fields.get("users").and_then(Value::as_array) {
        let mut shown: Vec<&str> = names.iter().filter_map(Value::as_str).take(NAMES).collect();
        if names.len() > NAMES {
            shown.push("…");
        }
        return Some(shown.join(", "));
    }
    let filters: Vec<&str> = fields.values().filter_map(Value::as_str).collect();
    (!filters.is_empty()).then(|| filters.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    #[test]
    fn what_was_asked_for_is_said_in_words() {
        let say = Say::new(Language::En, Zone::UTC, Second::clamped(1_796_083_200));
        let bulk = words::bulk::of(Language::En);
        let said = |action| what(action, bulk, &say);
        assert_eq!(said(r#"{"extend":{"days":-7}}"#), "7 days shorter");
        assert_eq!(said(r#"{"change":{"plan":"basic"}}"#), "Plan: basic");
        assert_eq!(said(r#"{"change":{"note":"","stream_limit":3}}"#), "Change of note, stream_limit");
        assert_eq!(said(r#""reset""#), "Reset traffic");
    }

    #[test]
    fn whom_it_was_for_is_named_as_far_as_it_fits() {
        assert_eq!(whom(r#"{"users":["a","b"]}"#).unwrap(), "a, b");
        assert_eq!(whom(r#"{"users":["a","b","c","d","e","f"]}"#).unwrap(), "a, b, c, d, e, …");
        assert_eq!(whom(r#"{"search":"gold","status":"limited"}"#).unwrap(), "gold, limited");
        assert_eq!(whom(r#"{"all":true}"#), None);
    }
}
