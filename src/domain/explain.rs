//! Why a user stands where he stands: what was charged in his period, from where, and what of it cannot be told.
//!
//! Charges are exact, and so is the history of what each node counted. Between the two lie the nodes' coefficients, of which only
//! those of today are known, and the first hour or day of a period that began within it. What does not add up is stated.

use core::fmt;
use std::collections::BTreeMap;

use chrono::DateTime;
use serde::{Deserialize, Serialize, Serializer};
use weir_wire::{Bytes, Second};

use super::history::{Row, Span};
use super::user::{Gate, Standing};

/// Bytes of one stretch of time, as the nodes counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// `hour`, `day` or `month`, of UTC.
    pub by: &'static str,
    /// Its begin.
    pub start: Second,
    /// Bytes from clients.
    pub up: Bytes,
    /// Bytes to clients.
    pub down: Bytes,
}

/// What history tells of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// Up and down by node, of the stretches that lie in the period.
    pub nodes: BTreeMap<u32, (Bytes, Bytes)>,
    /// Those stretches, the oldest first.
    pub timeline: Vec<Stretch>,
    /// The stretches in which the period began: what of them belongs to it is not kept.
    pub shared: Vec<Stretch>,
}

/// Sorts stored rows by whether they lie in the period that began at `start`. Each table's rows come with its span.
#[must_use]
pub fn flows(start: Second, tables: &[(Span, Vec<Row>)]) -> Flows {
    let mut flows = Flows::default();
    let mut sums: BTreeMap<(Second, &'static str), (Bytes, Bytes)> = BTreeMap::new();
    for (span, rows) in tables {
        for Row(at, node, up, down) in rows {
            if *at < start && span.next(*at) <= start {
                continue;
            }
            if let Some(node) = node.filter(|_| *at >= start) {
                let sum = flows.nodes.entry(node).or_default();
                *sum = (sum.0.plus(*up), sum.1.plus(*down));
            }
            let sum = sums.entry((*at, span.name())).or_default();
            *sum = (sum.0.plus(*up), sum.1.plus(*down));
        }
    }
    for ((at, by), (up, down)) in sums {
        let list = if at >= start { &mut flows.timeline } else { &mut flows.shared };
        list.push(Stretch { by, start: at, up, down });
    }
    flows
}

/// Charged bytes of what a node counted, at `coefficient` per mille; fractions are left out.
#[must_use]
pub fn charged(bytes: Bytes, coefficient: u32) -> Bytes {
    let thousandths = u128::from(bytes.get()) * u128::from(coefficient);
    Bytes::saturating(u64::try_from(thousandths / 1_000).unwrap_or(u64::MAX))
}

/// A grant as the usage row keeps it: `[n, count, reported, held, known, spendable, answered at]`.
type Grant = [u64; 7];

/// What a node knows and the panel was not told yet, and what it may still let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Node.
    pub node: u32,
    /// The node's own bytes that it has counted and not reported.
    pub unreported: Bytes,
    /// The same as they will be charged: they count as spent already.
    pub known: Bytes,
    /// Charged bytes that it may let pass without asking.
    pub spendable: Bytes,
}

/// What each node holds, of the usage row's JSON `{"node:epoch:slot": grant}`. Nodes that hold nothing are left out.
///
/// # Errors
/// It is not that JSON.
pub fn held(entries: &str) -> Result<Vec<Held>, serde_json::Error> {
    let entries: BTreeMap<String, Grant> = serde_json::from_str(entries)?;
    let mut nodes: BTreeMap<u32, Held> = BTreeMap::new();
    for (key, [_, count, reported, _, known, spendable, _]) in entries {
        let Some(node) = key.split(':').next().and_then(|node| node.parse().ok()) else { continue };
        let held = nodes.entry(node).or_default();
        held.node = node;
        held.unreported = held.unreported.plus(Bytes::saturating(count.saturating_sub(reported)));
        held.known = held.known.plus(Bytes::saturating(known));
        held.spendable = held.spendable.plus(Bytes::saturating(spendable));
    }
    Ok(nodes.into_values().filter(|held| !(held.unreported.is_zero() && held.spendable.is_zero())).collect())
}

/// What a user may still use, bonus included, when `known` bytes are spent beside those reported; none without a quota.
#[must_use]
pub fn remaining(standing: &Standing, known: Bytes) -> Option<Bytes> {
    let left = |quota: Bytes, used: Bytes| (!quota.is_zero()).then(|| quota.minus(used));
    let month = left(standing.monthly_quota, standing.month);
    let total = left(standing.total_quota, standing.lifetime.minus(standing.bonus_spent));
    let quota = match (month, total) {
        (Some(month), Some(total)) => month.min(total),
        (one, other) => one.or(other)?,
    };
    Some(quota.plus(standing.bonus_left).minus(known))
}

/// A user's sums when his period began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Charged over the lifetime.
    pub lifetime: Bytes,
    /// Bonus spent.
    pub bonus_spent: Bytes,
}

/// What was charged since a period began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Charged {
    /// To the monthly quota.
    pub month: Bytes,
    /// To the bonus; `null` when the period began before this was noted.
    pub bonus: Option<Bytes>,
    /// To periods before, by reports that came late.
    pub late: Option<Bytes>,
    /// Since the account was made, bonus included.
    pub lifetime: Bytes,
}

/// See [`Charged`].
#[must_use]
pub fn since(standing: &Standing, mark: Option<Mark>) -> Charged {
    let bonus = mark.map(|mark| standing.bonus_spent.minus(mark.bonus_spent));
    let late =
        mark.zip(bonus).map(|(mark, bonus)| standing.lifetime.minus(mark.lifetime).minus(bonus).minus(standing.month));
    Charged { month: standing.month, bonus, late, lifetime: standing.lifetime }
}

/// What may have made a remainder. Displayed and told by the API in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// The period began within this hour, day or month.
    Shared {
        /// `hour`, `day` or `month`.
        by: &'static str,
        /// Its begin.
        start: Second,
        /// All that was counted in it.
        bytes: Bytes,
    },
    /// Clients reported these on the day on which the period began.
    Clients(Bytes),
    /// At most so many of the bonus may have been taken by late reports.
    Bonus(Bytes),
    /// Coefficients that are not whole.
    Fractions,
    /// Another coefficient then, or bytes that nobody reported.
    Otherwise,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared { by, start, bytes } => write!(
                f,
                "the {by} of {} holds {bytes} bytes; the period began within it, and how many of them it has is not kept",
                when(*start)
            ),
            Self::Clients(bytes) => write!(
                f,
                "of {bytes} bytes that clients reported on the day on which the period began, some belong to it"
            ),
            Self::Bonus(most) => write!(
                f,
                "up to {most} bytes of the bonus may have been taken by reports of bytes that flowed before the period"
            ),
            Self::Fractions => f.write_str("coefficients that are not whole leave fractions of bytes"),
            Self::Otherwise => f.write_str(
                "a node's coefficient was another one when its bytes were charged, or bytes were charged that no node and no client \
                 reported, such as usage that was imported",
            ),
        }
    }
}

impl Serialize for Because {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether the parts add up to what was charged, and why they may not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Charged in the period: to the monthly quota and to the bonus.
    pub total: Bytes,
    /// The sum of the nodes' and the clients' parts.
    pub explained: Bytes,
    /// `total - explained`.
    pub remainder: i64,
    /// What may have made the remainder; empty when there is none.
    pub because: Vec<Because>,
}

/// Bytes of clients' reports that were charged: on days that lie in the period, and on the day on which it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct External {
    /// Within the period.
    pub charged: Bytes,
    /// On the day in which it began after midnight of UTC; some of them may belong to the period before.
    pub shared: Bytes,
}

/// Compares what was charged with its parts. `nodes` is what the nodes' bytes make at today's coefficients, with what was brought along from
/// another panel; `coefficients` are those.
#[must_use]
pub fn check(charges: &Charged, nodes: Bytes, coefficients: &[u32], external: External, shared: &[Stretch]) -> Check {
    let total = charges.month.plus(charges.bonus.unwrap_or_default());
    let explained = nodes.plus(external.charged);
    let remainder = total.signed() - explained.signed();
    let mut because = Vec::new();
    let mut open = remainder;
    let mut may = |bytes: Bytes, reason: Because| {
        because.push(reason);
        open -= bytes.signed();
    };
    if remainder > 0 {
        let largest = coefficients.iter().copied().max().unwrap_or(1_000);
        for Stretch { by, start, up, down } in shared {
            let bytes = up.plus(*down);
            may(charged(bytes, largest), Because::Shared { by, start: *start, bytes });
        }
        if !external.shared.is_zero() {
            may(external.shared, Because::Clients(external.shared));
        }
        if let Some(bonus) = charges.bonus.filter(|bonus| !bonus.is_zero()) {
            let most = bonus.min(Bytes::saturating(remainder.unsigned_abs()));
            may(most, Because::Bonus(most));
        }
    }
    let fractions = coefficients.iter().any(|coefficient| coefficient % 1_000 != 0);
    let few = i64::try_from(coefficients.len()).unwrap_or(i64::MAX);
    if remainder != 0 && fractions && (-1..=few).contains(&remainder) {
        because.push(Because::Fractions);
    } else if remainder < 0 || open > 0 {
        because.push(Because::Otherwise);
    }
    Check { total, explained, remainder, because }
}

/// Where a user stands and why. Displayed and told by the API in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// What keeps him out, if anything does.
    pub gate: Gate,
    /// What he may still use; none without a quota.
    pub left: Option<Bytes>,
    /// When usage begins anew; none = never.
    pub anew: Option<Second>,
    /// The quota that is used up, if one is.
    pub quota: Bytes,
    /// When the account ended, until when it is shut for sharing, or when a person disabled it.
    pub at: Option<Second>,
}

impl Stand {
    /// Of a standing; `disabled_at`: when a person shut him out.
    #[must_use]
    pub fn new(
        gate: Gate,
        standing: &Standing,
        left: Option<Bytes>,
        anew: Option<Second>,
        disabled_at: Option<Second>,
    ) -> Self {
        let quota = if gate == Gate::Total { standing.total_quota } else { standing.monthly_quota };
        let at = match gate {
            Gate::Expired => standing.ends_at(),
            Gate::Sharing => standing.suspended_until,
            Gate::Disabled => disabled_at,
            Gate::Open | Gate::Month | Gate::Total => None,
        };
        Self { gate, left, anew, quota, at }
    }
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anew = self
            .anew
            .map_or_else(|| "usage never begins anew".to_owned(), |end| format!("usage begins anew at {}", when(end)));
        let at = |word: &str| self.at.map_or_else(String::new, |at| format!(" {word} {}", when(at)));
        let quota = gb(self.quota);
        match (self.gate, self.left) {
            (Gate::Open, None) => f.write_str("may pass: no quota limits the account"),
            (Gate::Open, Some(left)) => write!(f, "may pass: {} are left; {anew}", gb(left)),
            (Gate::Month, _) => {
                write!(f, "may not pass: the monthly quota of {quota} is used up and no bonus is left; {anew}")
            }
            (Gate::Total, _) => write!(f, "may not pass: the total quota of {quota} is used up and no bonus is left"),
            (Gate::Expired, _) => write!(f, "may not pass: the account has expired{}", at("at")),
            (Gate::Sharing, _) => {
                write!(f, "may not pass: the account was shared with too many addresses; it is shut{}", at("until"))
            }
            (Gate::Disabled, _) => write!(f, "may not pass: a person disabled the account{}", at("at")),
        }
    }
}

impl Serialize for Stand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Gigabytes of 1,024^3 bytes with two places, cut.
fn gb(bytes: Bytes) -> String {
    let hundredths = (u128::from(bytes.get()) * 100) >> 30;
    format!("{}.{:02} GB", hundredths / 100, hundredths % 100)
}

fn when(at: Second) -> String {
    DateTime::from_timestamp(at.get(), 0)
        .map_or_else(|| at.to_string(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Second = Second::clamped(1_793_491_200 + 5_400);

    fn bytes(count: u64) -> Bytes {
        Bytes::saturating(count)
    }

    fn row(at: i64, node: u32, count: u64) -> Row {
        Row(Second::clamped(at), Some(node), bytes(count), bytes(10 * count))
    }

    #[test]
    fn what_began_before_the_period_is_not_taken_for_its_own() {
        let hour = START.hour().get();
        let hours = vec![row(hour - 3_600, 1, 1), row(hour, 1, 2), row(hour + 3_600, 1, 4), row(hour + 3_600, 2, 8)];
        let days = vec![row(hour - 3_600, 1, 16), row(hour - 3_600 + 86_400, 1, 32)];
        let flows = flows(START, &[(Span::Hour, hours), (Span::Day, days)]);
        assert_eq!(flows.nodes, BTreeMap::from([(1, (bytes(36), bytes(360))), (2, (bytes(8), bytes(80)))]));
        let stretches =
            |list: &[Stretch]| list.iter().map(|s| (s.by, s.start.get() - hour, s.up.get())).collect::<Vec<_>>();
        assert_eq!(stretches(&flows.timeline), [("hour", 3_600, 12), ("day", 82_800, 32)]);
        assert_eq!(stretches(&flows.shared), [("day", -3_600, 16), ("hour", 0, 2)]);
    }

    #[test]
    fn grants_are_told_by_node() {
        let entries = r#"{"3:00000000000000aa:slota":[9,700,500,900,200,200,1],"3:00000000000000aa:slotb":[1,5,5,5,0,0,1],
            "4:00000000000000bb:slota":[2,0,0,10,0,10,1],"5:00000000000000cc:slota":[2,7,7,7,0,0,1]}"#;
        let held = held(entries).unwrap();
        let node = |node, unreported, known, spendable| Held {
            node,
            unreported: bytes(unreported),
            known: bytes(known),
            spendable: bytes(spendable),
        };
        assert_eq!(held, [node(3, 200, 200, 200), node(4, 0, 0, 10)]);
    }

    #[test]
    fn what_remains_is_the_nearer_quota_with_the_bonus_and_without_what_is_known() {
        let standing = Standing {
            monthly_quota: bytes(100),
            month: bytes(30),
            total_quota: bytes(1_000),
            lifetime: bytes(960),
            bonus_spent: bytes(10),
            bonus_left: bytes(7),
            ..Standing::default()
        };
        assert_eq!(remaining(&standing, bytes(5)), Some(bytes(52)));
        assert_eq!(remaining(&Standing { total_quota: Bytes::ZERO, ..standing }, bytes(5)), Some(bytes(72)));
        assert_eq!(remaining(&standing, bytes(500)), Some(Bytes::ZERO));
        assert_eq!(remaining(&Standing { bonus_left: bytes(7), ..Standing::default() }, Bytes::ZERO), None);
    }

    #[test]
    fn charges_since_the_period_began_are_told_from_late_ones() {
        let standing =
            Standing { month: bytes(40), lifetime: bytes(175), bonus_spent: bytes(25), ..Standing::default() };
        let mark = Mark { lifetime: bytes(100), bonus_spent: bytes(5) };
        let charges = since(&standing, Some(mark));
        assert_eq!((charges.bonus, charges.late), (Some(bytes(20)), Some(bytes(15))));
        assert_eq!(since(&standing, None).late, None);
    }

    #[test]
    fn a_difference_is_stated_with_what_may_have_made_it() {
        let charges =
            Charged { month: bytes(90), bonus: Some(bytes(10)), late: Some(Bytes::ZERO), lifetime: bytes(100) };
        let checked = |nodes, coefficients: &[u32], external: u64, shared: &[Stretch]| {
            let external = External { charged: bytes(external), shared: Bytes::ZERO };
            check(&charges, bytes(nodes), coefficients, external, shared)
        };
        let exact = checked(70, &[1_000], 30, &[]);
        assert_eq!(
            (exact.total, exact.explained, exact.remainder, exact.because.len()),
            (bytes(100), bytes(100), 0, 0)
        );
        let first = Stretch { by: "hour", start: START.hour(), up: bytes(3), down: bytes(4) };
        let shared = checked(93, &[1_000], 0, &[first]);
        assert_eq!(shared.remainder, 7);
        assert!(
            shared.because[0].to_string().starts_with("the hour of 2026-11-01 01:00:00 UTC holds 7 bytes"),
            "{:?}",
            shared.because
        );
        assert_eq!(
            checked(99, &[1_500], 0, &[]).because.last().unwrap().to_string(),
            "coefficients that are not whole leave fractions of bytes"
        );
        for (nodes, shared) in [(200, vec![]), (50, vec![first])] {
            let check = checked(nodes, &[1_000], 0, &shared);
            assert!(check.because.last().unwrap().to_string().starts_with("a node's coefficient"), "{check:?}");
        }
    }

    #[test]
    fn every_gate_has_its_sentence() {
        let standing = Standing {
            monthly_quota: Bytes::gib(10),
            total_quota: Bytes::mib(1_536),
            expires_at: Some(START),
            ..Standing::default()
        };
        let say = |gate, left| Stand::new(gate, &standing, left, Some(START), Some(START)).to_string();
        let cases = [
            (say(Gate::Open, None), "may pass: no quota limits the account"),
            (
                say(Gate::Open, Some(Bytes::mib(1_530))),
                "may pass: 1.49 GB are left; usage begins anew at 2026-11-01 01:30:00 UTC",
            ),
            (
                say(Gate::Month, Some(Bytes::ZERO)),
                "may not pass: the monthly quota of 10.00 GB is used up and no bonus is left; usage begins anew at 2026-11-01 01:30:00 UTC",
            ),
            (say(Gate::Total, None), "may not pass: the total quota of 1.50 GB is used up and no bonus is left"),
            (say(Gate::Expired, None), "may not pass: the account has expired at 2026-11-01 01:30:00 UTC"),
            (say(Gate::Disabled, None), "may not pass: a person disabled the account at 2026-11-01 01:30:00 UTC"),
        ];
        for (said, expected) in cases {
            assert_eq!(said, expected);
        }
    }
}
