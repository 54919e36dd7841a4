//! Events in words: one file a language.

mod en;
mod fa;
mod ru;
mod zh;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_wire::{Bytes, Second};

use super::channel::Audience;
use super::report::Report;
use super::{Event, Kind};
use crate::domain::size::size;
use crate::domain::zone::Zone;

/// The language of a channel's texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese, simplified.
    Zh,
    /// Russian.
    Ru,
    /// Persian.
    Fa,
}

/// What a language has to say. Templates hold the fields of an event's data in braces.
struct Words {
    /// A few words on what happened; the subject of a mail.
    title: fn(Kind) -> &'static str,
    /// For the operator.
    operator: fn(Kind) -> &'static str,
    /// For the user himself.
    user: fn(Kind) -> Option<&'static str>,
    /// The same for a total quota, for the operator and for the user.
    limited_total: (&'static str, &'static str),
    /// Why a gate was shut, by the name in `reason`.
    reason: fn(&str) -> &'static str,
    /// Labels of the daily report.
    report: Labels,
    /// What stands below a message that was too long: how many of its lines are missing.
    left_out: &'static str,
}

/// Labels of the daily report.
struct Labels {
    day: &'static str,
    users: &'static str,
    active: &'static str,
    traffic: &'static str,
    nodes: &'static str,
    top: &'static str,
    silent: &'static str,
    limits: &'static str,
    jobs: &'static str,
    cost: &'static str,
    audit: &'static str,
    /// Stands for names that are left out.
    more: &'static str,
}

impl Language {
    const fn words(self) -> &'static Words {
        match self {
            Self::En => &en::WORDS,
            Self::Zh => &zh::WORDS,
            Self::Ru => &ru::WORDS,
            Self::Fa => &fa::WORDS,
        }
    }
}

/// An event in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A few words.
    pub title: String,
    /// All of it.
    pub text: String,
}

/// Puts an event into words.
#[must_use]
pub fn message(event: &Event, audience: Audience, language: Language, zone: Zone) -> Message {
    let words = language.words();
    let title = fill(title_of(words, event.kind), |name| Some(field(&event.data, name, words, zone)));
    if event.kind == Kind::DailyReport
        && let Ok(report) = serde_json::from_value::<Report>(event.data.clone())
    {
        return Message { text: report_text(&report, &words.report), title };
    }
    let is_total = event.kind == Kind::Limited && event.data.get("reason").and_then(Value::as_str) == Some("total");
    let template = match (audience, is_total) {
        (Audience::Operator, true) => words.limited_total.0,
        (Audience::User, true) => words.limited_total.1,
        (Audience::Operator, false) => (words.operator)(event.kind),
        (Audience::User, false) => (words.user)(event.kind).unwrap_or_else(|| (words.operator)(event.kind)),
    };
    Message { text: fill(template, |name| Some(field(&event.data, name, words, zone))), title }
}

/// The last line of a message that leaves out so many.
#[must_use]
pub fn left_out(lines: usize, language: Language) -> String {
    counted(language.words().left_out, lines)
}

fn counted(template: &str, count: usize) -> String {
    fill(template, |name| (name == "count").then(|| count.to_string()))
}

fn title_of(words: &Words, kind: Kind) -> &'static str {
    (words.title)(kind)
}

/// A template whose `{names}` are replaced; one that `value` does not know stays as it is.
#[must_use]
pub fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        if let Some((value, after)) = after.split_once('}').and_then(|(name, after)| Some((value(name)?, after))) {
            text.push_str(&value);
            rest = after;
        } else {
            text.push('{');
            rest = after;
        }
    }
    text.push_str(rest);
    text
}

/// A field of an event's data as people read it. One that is missing is a dash.
fn field(data: &Value, name: &str, words: &Words, zone: Zone) -> String {
    let Some(value) = data.get(name).filter(|value| !value.is_null()) else { return "\u{2013}".to_owned() };
    let number = value.as_i64();
    match (name, number) {
        ("used" | "quota" | "total_used" | "total_quota", Some(bytes)) => {
            size(Bytes::saturating(u64::try_from(bytes).unwrap_or_default()))
        }
        ("expires_at" | "resets_at" | "since" | "until", Some(at)) => zone.written(Second::clamped(at)),
        ("reason", _) => (words.reason)(value.as_str().unwrap_or_default()).to_owned(),
        _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

/// Names of one line of the report.
const MAX_NAMES: usize = 20;

/// The lists come last: a message that is too long ends within them.
fn report_text(report: &Report, labels: &Labels) -> String {
    let mut lines = vec![
        format!("{}: {}", labels.day, report.day),
        format!("{}: {} / {}", labels.users, report.users_open, report.users),
        format!("{}: {}", labels.active, report.users_active),
        format!("{}: {}", labels.traffic, size(report.bytes)),
    ];
    for (label, names) in [(labels.silent, &report.nodes_silent), (labels.jobs, &report.jobs_failed)] {
        if !names.is_empty() {
            lines.push(format!("{label}: {}", listed(names, labels.more)));
        }
    }
    lines.push(format!("{}: {}", labels.limits, report.limits_reached));
    let cost = &report.cost;
    lines.push(format!("{}: {} / {}", labels.cost, cost.rows_written, cost.rows_read));
    if let Some(head) = &report.audit_head {
        lines.push(format!("{}: {head}", labels.audit));
    }
    for (label, shares) in [(labels.top, &report.top_users), (labels.nodes, &report.nodes)] {
        if !shares.is_empty() {
            lines.push(format!("{label}:"));
            lines.extend(shares.iter().map(|share| format!("  {}: {}", share.name, size(share.bytes))));
        }
    }
    lines.join("\n")
}

fn listed(names: &[String], more: &str) -> String {
    let (told, left) = names.split_at(names.len().min(MAX_NAMES));
    let told = told.join(", ");
    if left.is_empty() { told } else { format!("{told} {}", counted(more, left.len())) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LANGUAGES: [Language; 4] = [Language::En, Language::Zh, Language::Ru, Language::Fa];

    fn event(kind: Kind, data: Value) -> Event {
        Event { id: "1".into(), kind, at: 1_794_744_000, data }
    }

    /// Everything that the data of any kind may have.
    fn full() -> Value {
        json!({ "user": "ann", "user_id": 7, "percent": 80, "used": 858_993_459_u64, "quota": 1_073_741_824, "reason": "month",
            "total_used": 1, "total_quota": 2, "resets_at": 1_796_083_200, "expires_at": 1_796_083_200, "days": 3,
            "node": "paris", "node_id": 3, "since": 1_794_743_000, "until": 1_794_744_000, "minutes": 10, "what": "fork",
            "detail": "left epoch", "job": "sweep", "error": "busy", "failures": 3, "email": "a@b.example",
            "sources": 5, "limit": 3, "channel": "hook" })
    }

    #[test]
    fn every_language_has_words_for_every_kind_and_leaves_no_placeholder() {
        for language in LANGUAGES {
            for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::DailyReport) {
                for audience in [Audience::Operator, Audience::User] {
                    let message = message(&event(*kind, full()), audience, language, Zone::UTC);
                    for text in [&message.title, &message.text] {
                        assert!(!text.is_empty() && !text.contains(['{', '}']), "{language:?} {kind:?}: {text}");
                        assert!(
                            !text.contains('\u{2013}'),
                            "{language:?} {kind:?} names a field that nobody sends: {text}"
                        );
                    }
                }
                let is_theirs = (language.words().user)(*kind).is_some();
                assert_eq!(is_theirs, kind.concerns_user(), "{language:?} {kind:?}");
            }
            for reason in ["month", "total", "expired", "person", "sharing", "other"] {
                assert!(!(language.words().reason)(reason).is_empty(), "{language:?} {reason}");
            }
        }
    }

    #[test]
    fn languages_differ() {
        let texts: std::collections::BTreeSet<String> = LANGUAGES
            .iter()
            .map(|language| message(&event(Kind::Limited, full()), Audience::User, *language, Zone::UTC).text)
            .collect();
        assert_eq!(texts.len(), LANGUAGES.len());
    }

    #[test]
    fn sizes_and_times_are_written_for_people_in_the_zone_of_the_channel() {
        let tehran = "Asia/Tehran".parse().unwrap();
        let warning = message(&event(Kind::QuotaWarning, full()), Audience::Operator, Language::En, tehran);
        assert_eq!(warning.title, "ann: 80 % of the monthly quota");
        assert_eq!(
            warning.text,
            "ann has used 80 % of the monthly quota: 819 MB of 1 GB. It begins anew on 2026-12-01 03:30 (Asia/Tehran)."
        );
        let limited = message(
            &event(Kind::Limited, json!({ "user": "ann", "reason": "total" })),
            Audience::User,
            Language::En,
            tehran,
        );
        assert!(limited.text.contains("total quota"), "{}", limited.text);
    }

    #[test]
    fn a_text_that_looks_like_a_placeholder_is_not_replaced_again() {
        assert_eq!(fill("{a} and {b} and {", |name| (name == "a").then(|| "{b}".to_owned())), "{b} and {b} and {");
        assert_eq!(fill("{}{{a}}", |name| (name == "a").then(|| "x".to_owned())), "{}{x}");
    }

    #[test]
    fn the_daily_report_tells_what_happened_and_nothing_that_did_not() {
        let quiet = event(Kind::DailyReport, serde_json::to_value(Report::default()).unwrap());
        let text = message(&quiet, Audience::Operator, Language::En, Zone::UTC).text;
        assert!(!text.contains("Silent") && !text.contains("Audit"), "{text}");
        let share =
            |name: &str, bytes: u64| super::super::report::Share { name: name.into(), bytes: Bytes::saturating(bytes) };
        let busy = Report {
            day: "2026-11-14".into(),
            users: 9,
            users_open: 7,
            users_active: 5,
            bytes: Bytes::saturating(3 << 30),
            nodes: vec![share("paris", 2 << 30), share("oslo", 1 << 30)],
            top_users: vec![share("ann", 1 << 30)],
            nodes_silent: vec!["oslo".into()],
            limits_reached: 2,
            jobs_failed: vec!["sweep".into()],
            cost: super::super::report::Cost { requests: 1, queries: 2, rows_read: 300, rows_written: 40 },
            audit_head: Some("12 ab34".into()),
        };
        let busy = event(Kind::DailyReport, serde_json::to_value(busy).unwrap());
        assert_eq!(
            message(&busy, Audience::Operator, Language::En, Zone::UTC).text,
            "Day: 2026-11-14\nUsers who may pass / all: 7 / 9\nActive users: 5\nTraffic: 3 GB\nSilent nodes: oslo\n\
            Jobs that failed: sweep\nLimits reached: 2\nDatabase rows written / read: 40 / 300\nAudit log: 12 ab34\n\
            Top users:\n  ann: 1 GB\nNodes:\n  paris: 2 GB\n  oslo: 1 GB"
        );
        for language in LANGUAGES {
            assert!(message(&busy, Audience::Operator, language, Zone::UTC).text.lines().count() == 14, "{language:?}");
        }
    }

    #[test]
    fn the_report_of_many_nodes_names_its_limits_cost_and_log_before_them_and_some_of_the_silent() {
        let share = |node: u64| super::super::report::Share {
            name: format!("{node:0>64}"),
            bytes: Bytes::saturating((1_000 - node) << 30),
        };
        let report = Report {
            nodes: (0..200).map(share).collect(),
            nodes_silent: (0..60).map(|node| format!("{node:0>64}")).collect(),
            audit_head: Some("12 ab34".into()),
            ..Report::default()
        };
        let report = event(Kind::DailyReport, serde_json::to_value(report).unwrap());
        for language in LANGUAGES {
            let text = message(&report, Audience::Operator, language, Zone::UTC).text;
            let told = super::super::chat::message(&[text], |lines| left_out(lines, language));
            let labels = &language.words().report;
            for part in [labels.limits, labels.cost, "12 ab34", &counted(labels.more, 40), &share(0).name] {
                assert!(told.contains(part), "{language:?} {part}: {told}");
            }
            let nodes = told.lines().filter(|line| line.starts_with("  ")).count();
            assert!((20..100).contains(&nodes), "{language:?}: {nodes}");
            assert_eq!(told.lines().last().unwrap(), left_out(200 - nodes, language));
        }
    }
}
