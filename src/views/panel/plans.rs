//! The plans, and the form that adds one.

use askama::Template;
use weir_wire::Bytes;

use super::super::asset;
use super::form::gigabytes;
use super::say::Say;
use super::shell::Shell;
use super::words::plans::{self as words, PlanWords};
use crate::domain::limits::Count;
use crate::domain::period::Strategy;
use crate::domain::plan::Terms;
use crate::store::plans::Plan;

/// Every strategy, the usual one first, with the name that the API has for it.
pub(super) const STRATEGIES: [(&str, Strategy); 6] = [
    ("calendar_month", Strategy::CalendarMonth),
    ("no_reset", Strategy::NoReset),
    ("day", Strategy::Day),
    ("week", Strategy::Week),
    ("month", Strategy::Month),
    ("year", Strategy::Year),
];

/// The same as options of a field.
pub(super) fn strategies(words: &PlanWords) -> impl Iterator<Item = (&'static str, &'static str)> {
    STRATEGIES.iter().map(|(name, strategy)| (*name, (words.strategy)(*strategy)))
}

/// Values in words.
pub(super) struct Tell<'a> {
    pub(super) say: &'a Say,
    pub(super) plan: &'static PlanWords,
}

impl Tell<'_> {
    fn quota(&self, bytes: Bytes) -> String {
        if bytes == Bytes::ZERO { self.plan.unlimited.to_owned() } else { self.say.size(bytes) }
    }

    fn speed(&self, bytes: Bytes) -> String {
        if bytes == Bytes::ZERO { self.plan.unlimited.to_owned() } else { self.say.rate(bytes.get()) }
    }

    fn limit(&self, count: Count) -> String {
        if count.get() == 0 { self.plan.unlimited.to_owned() } else { self.say.count(count.get().into()) }
    }

    fn addresses(&self, limit: Option<Count>) -> String {
        limit.map_or_else(|| self.plan.as_settings.to_owned(), |limit| self.limit(limit))
    }

    pub(super) fn lasts(&self, days: u32) -> String {
        let count = || self.say.count(days.into());
        if days == 0 { self.say.words.no_end.to_owned() } else { self.plan.days.replace("{count}", &count()) }
    }

    fn day(&self, day: u32) -> String {
        self.say.count(day.into())
    }

    /// What the fields of [`Terms`] are called, in their order.
    pub(super) const fn fields(&self) -> [&'static str; 8] {
        let (plan, words) = (self.plan, self.say.words);
        [
            plan.quota,
            plan.total,
            plan.resets,
            plan.reset_day,
            words.speed_limit,
            words.devices,
            plan.streams,
            plan.addresses,
        ]
    }

    pub(super) fn values(&self, terms: &Terms) -> [String; 8] {
        [
            self.quota(terms.monthly_quota),
            self.quota(terms.total_quota),
            (self.plan.strategy)(terms.reset_strategy).to_owned(),
            self.day(terms.reset_day.get()),
            self.speed(terms.speed_limit),
            self.limit(terms.device_limit),
            self.limit(terms.stream_limit),
            self.addresses(terms.address_limit),
        ]
    }
}

/// A plan of the list.
pub(crate) struct PlanLine {
    name: String,
    version: String,
    quota: String,
    total: String,
    lasts: String,
    speed: String,
    devices: String,
    users: String,
    /// "12 with an older version"; none when all are up to date.
    outdated: Option<String>,
}

impl PlanLine {
    /// With how many have it, and how many of those an older version.
    pub(crate) fn new(plan: Plan, (users, outdated): (u32, u32), say: &Say) -> Self {
        let tell = Tell { say, plan: words::of(say.language) };
        let count = |number: u32| say.count(number.into());
        Self {
            version: tell.plan.version.replace("{number}", &count(plan.version)),
            quota: tell.quota(plan.monthly_quota),
            total: tell.quota(plan.total_quota),
            lasts: tell.lasts(plan.duration_days.get()),
            speed: tell.speed(plan.speed_limit),
            devices: tell.limit(plan.device_limit),
            users: count(users),
            outdated: (outdated > 0).then(|| tell.plan.outdated.replace("{count}", &count(outdated))),
            name: plan.name,
        }
    }
}

/// `GET /plans`
#[derive(Template)]
#[template(path = "panel/plans.html")]
pub(crate) struct Plans<'a> {
    shell: Shell<'a>,
    plan: &'static PlanWords,
    lines: Vec<PlanLine>,
    /// Whether it is told how many have which plan.
    counts: bool,
    changes: bool,
}

impl<'a> Plans<'a> {
    /// See the fields.
    pub(crate) fn new(shell: Shell<'a>, lines: Vec<PlanLine>, say: &Say, counts: bool, changes: bool) -> Self {
        Self { shell, plan: words::of(say.language), lines, counts, changes }
    }
}

/// A plan as a form writes it.
pub(super) struct Form {
    pub(super) monthly: String,
    pub(super) total: String,
    pub(super) strategy: &'static str,
    pub(super) strategies: Vec<(&'static str, &'static str)>,
    pub(super) reset_day: String,
    pub(super) days: String,
    pub(super) speed: String,
    pub(super) devices: String,
    pub(super) streams: String,
    pub(super) addresses: String,
}

impl Form {
    pub(super) fn new(plan: &Plan, words: &PlanWords) -> Self {
        let named = STRATEGIES.iter().find(|(_, strategy)| *strategy == plan.reset_strategy);
        Self {
            monthly: gigabytes(plan.monthly_quota),
            total: gigabytes(plan.total_quota),
            strategy: named.map_or("", |(name, _)| name),
            strategies: strategies(words).collect(),
            reset_day: plan.reset_day.map(|day| day.get().to_string()).unwrap_or_default(),
            days: plan.duration_days.get().to_string(),
            speed: (plan.speed_limit.get() >> 10).to_string(),
            devices: plan.device_limit.get().to_string(),
            streams: plan.stream_limit.get().to_string(),
            addresses: plan.address_limit.map(|limit| limit.get().to_string()).unwrap_or_default(),
        }
    }
}

/// `GET /new/plan`
#[derive(Template)]
#[template(path = "panel/add_plan.html")]
pub(crate) struct AddPlan<'a> {
    shell: Shell<'a>,
    plan: &'static PlanWords,
    form: Form,
}

impl<'a> AddPlan<'a> {
    /// Without limits.
    pub(crate) fn new(shell: Shell<'a>, say: &Say) -> Self {
        let plan = words::of(say.language);
        Self { shell, plan, form: Form::new(&Plan::default(), plan) }
    }
}
