//! The page that a browser gets at a subscription's address.

pub(super) mod chart;
mod words;

use askama::Template;
use weir_wire::{Bytes, Second};

use self::chart::{Chart, chart};
use self::words::{Unit, Words};
use super::asset;
use crate::domain::history::Bucket;
use crate::domain::notice::texts::Language;
use crate::domain::page::apps::{Import, Platform, imports};
use crate::domain::page::calendar;
use crate::domain::page::language::{LANGUAGES, code, digits, written};
use crate::domain::page::qr::Qr;
use crate::domain::user::{Allowance, Gate, Standing, Status, allowance, gate, status};
use crate::domain::zone::Zone;

const DAY: i64 = 86_400;

/// What the page is made from.
pub(crate) struct Facts<'a> {
    /// What the deployment calls the subscription.
    pub(crate) title: &'a str,
    /// The user's name.
    pub(crate) user: &'a str,
    pub(crate) plan: Option<&'a str>,
    pub(crate) standing: &'a Standing,
    /// When his usage begins anew; [`Second::LAST`] if it does not.
    pub(crate) period_end: Second,
    pub(crate) zone: Zone,
    pub(crate) now: Second,
    pub(crate) language: Language,
    /// The subscription's address, without format and query.
    pub(crate) url: &'a str,
    pub(crate) support_url: Option<&'a str>,
    /// What the reader's device runs.
    pub(crate) platform: Option<Platform>,
    /// Bytes of UTC days that had any.
    pub(crate) days: &'a [Bucket],
    /// Name and link of each way in; none for a user who may not pass.
    pub(crate) links: Vec<(String, String)>,
}

/// The page.
#[derive(Template)]
#[template(path = "subscription/page.html")]
pub(crate) struct Page<'a> {
    words: &'static Words,
    code: &'static str,
    direction: &'static str,
    title: &'a str,
    user: &'a str,
    url: &'a str,
    support_url: Option<&'a str>,
    status: &'static str,
    status_class: &'static str,
    notice: Option<Notice>,
    ring: Ring,
    rows: Vec<Line>,
    chart: Option<Chart>,
    platforms: Vec<Group>,
    qr: Option<Qr>,
    links: Vec<(String, String)>,
    languages: Vec<Choice>,
}

/// The page of a link that belongs to nobody.
#[derive(Template)]
#[template(path = "subscription/gone.html")]
pub(crate) struct Gone<'a> {
    words: &'static Words,
    code: &'static str,
    direction: &'static str,
    title: &'a str,
    support_url: Option<&'a str>,
}

impl<'a> Gone<'a> {
    /// In this language.
    pub(crate) fn new(title: &'a str, support_url: Option<&'a str>, language: Language) -> Self {
        Self { words: words::of(language), code: code(language), direction: direction(language), title, support_url }
    }
}

const fn direction(language: Language) -> &'static str {
    if matches!(language, Language::Fa) { "rtl" } else { "ltr" }
}

/// Why he may not pass, or not yet, and what happens next.
struct Notice {
    class: &'static str,
    title: &'static str,
    text: String,
}

/// Used and quota as a picture.
struct Ring {
    used: String,
    /// "of 50 GB", or that there is no quota.
    of: String,
    /// "12 GB left"; empty when nothing is, and without a quota.
    left: String,
    /// Of the ring, 0..=100.
    percent: u64,
    /// In the reader's digits; empty without a quota.
    percent_text: String,
    class: &'static str,
}

/// A fact with its name.
struct Line {
    label: &'static str,
    value: String,
    aside: String,
}

/// Apps of a platform.
struct Group {
    name: &'static str,
    is_open: bool,
    apps: Vec<Import>,
}

/// A language to choose.
struct Choice {
    code: &'static str,
    name: &'static str,
    is_chosen: bool,
}

impl<'a> Page<'a> {
    /// Puts the facts into words.
    pub(crate) fn new(facts: Facts<'a>) -> Self {
        let say = Say { words: words::of(facts.language), language: facts.language, zone: facts.zone, now: facts.now };
        let standing = facts.standing;
        let state = status(standing, facts.now);
        let is_paused = gate(standing, facts.now) == Gate::Sharing;
        // It opens by itself, so it looks like a quota that is used up and not like an account that a person has switched off.
        let class = if is_paused { Status::Limited.name() } else { state.name() };
        let platforms = Platform::ALL.into_iter().map(|platform| Group {
            name: platform.name(),
            is_open: facts.platform == Some(platform),
            apps: imports(platform, facts.url, facts.title),
        });
        let mut platforms: Vec<Group> = platforms.collect();
        platforms.sort_by_key(|group| !group.is_open);
        Self {
            words: say.words,
            code: code(facts.language),
            direction: direction(facts.language),
            status: if is_paused { say.words.paused } else { (say.words.status)(state) },
            status_class: class,
            notice: say.notice(standing, state, class, facts.period_end),
            ring: say.ring(allowance(standing), state),
            rows: say.lines(&facts),
            chart: chart(facts.days, facts.now, facts.language),
            platforms,
            qr: Qr::of(facts.url),
            links: facts.links,
            languages: LANGUAGES
                .map(|(language, code, name)| Choice { code, name, is_chosen: language == facts.language })
                .into(),
            title: facts.title,
            user: facts.user,
            url: facts.url,
            support_url: facts.support_url,
        }
    }
}

/// What every sentence needs.
struct Say {
    words: &'static Words,
    language: Language,
    zone: Zone,
    now: Second,
}

impl Say {
    fn date(&self, at: Second) -> String {
        calendar::written(self.zone.date(at), self.language)
    }

    /// A length of time in its largest whole unit.
    fn span(&self, seconds: i64) -> String {
        let (count, unit) = match seconds {
            ..3_600 => ((seconds / 60).max(1), Unit::Minute),
            3_600..172_800 => (seconds / 3_600, Unit::Hour),
            _ => (seconds / DAY, Unit::Day),
        };
        digits(&(self.words.span)(count, unit), self.language)
    }

    /// How long it is until then; nothing when it has come.
    fn until(&self, at: Second) -> String {
        let seconds = at.since(self.now);
        if seconds > 0 { self.words.after.replace("{span}", &self.span(seconds)) } else { String::new() }
    }

    fn notice(&self, standing: &Standing, state: Status, class: &'static str, period_end: Second) -> Option<Notice> {
        let gate = gate(standing, self.now);
        let next = &self.words.next;
        let text = match gate {
            Gate::Open => {
                let hold = standing.hold.filter(|_| state == Status::OnHold)?;
                next.waits.replace("{span}", &self.span(hold.seconds))
            }
            Gate::Month if period_end < Second::LAST => next.month.replace("{date}", &self.date(period_end)),
            Gate::Month | Gate::Total => next.total.to_owned(),
            Gate::Expired => next.expired.replace("{date}", &self.date(standing.ends_at().unwrap_or(self.now))),
            Gate::Disabled => next.disabled.to_owned(),
            Gate::Sharing => next.sharing.replace("{time}", &self.until(standing.suspended_until.unwrap_or(self.now))),
        };
        Some(Notice { class, title: (self.words.reason)(gate), text })
    }

    fn ring(&self, allowance: Allowance, state: Status) -> Ring {
        let Allowance { used, quota } = allowance;
        let size = |bytes| written(bytes, self.language);
        if quota.is_zero() {
            let of = self.words.unlimited.to_owned();
            return Ring {
                used: size(used),
                of,
                left: String::new(),
                percent: 0,
                percent_text: String::new(),
                class: "",
            };
        }
        let percent = u64::try_from(u128::from(used.get()) * 100 / u128::from(quota.get())).unwrap_or(100).min(100);
        let class = match percent {
            _ if state == Status::Limited => "full",
            80.. => "high",
            _ => "",
        };
        Ring {
            used: size(used),
            of: self.words.of.replace("{quota}", &size(quota)),
            left: if used < quota {
                self.words.left.replace("{left}", &size(quota.minus(used)))
            } else {
                String::new()
            },
            percent,
            percent_text: digits(&format!("{percent}%"), self.language)
                .replace('%', if self.language == Language::Fa { "٪" } else { "%" }),
            class,
        }
    }

    fn lines(&self, facts: &Facts<'_>) -> Vec<Line> {
        let Words { plan, next_reset, valid_until, no_end, bonus, last_days, .. } = *self.words;
        let line = |label, value, aside| Line { label, value, aside };
        let mut lines = Vec::with_capacity(5);
        if let Some(name) = facts.plan {
            lines.push(line(plan, name.to_owned(), String::new()));
        }
        if !facts.standing.monthly_quota.is_zero() && facts.period_end < Second::LAST {
            lines.push(line(next_reset, self.date(facts.period_end), self.until(facts.period_end)));
        }
        lines.push(match facts.standing.ends_at() {
            Some(end) => line(valid_until, self.date(end), self.until(end)),
            None => line(valid_until, no_end.to_owned(), String::new()),
        });
        if !facts.standing.bonus_left.is_zero() {
            lines.push(line(bonus, written(facts.standing.bonus_left, self.language), String::new()));
        }
        let sum: Bytes = facts.days.iter().map(|day| day.up.plus(day.down)).sum();
        lines.push(line(last_days, written(sum, self.language), String::new()));
        lines
    }
}

#[cfg(test)]
mod tests;
