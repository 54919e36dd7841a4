//! Why a user stands where he stands.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_wire::{Bytes, Second};
use worker::{Request, Response};

use super::packages::{PackageJson, as_of_now};
use super::usage::PeriodJson;
use super::users::find;
use crate::domain::explain::{self, Charged, Check, External, Held, Mark, Stand, Stretch};
use crate::domain::history::Span;
use crate::domain::period::Period;
use crate::domain::user::{Standing, Status, gate, status};
use crate::http::auth::authorize_for_users;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::history::rows;
use crate::store::charts::Ended;
use crate::store::d1::Outcome;
use crate::store::explain::{self as store, Grants, NodeRow};
use crate::store::users::User;

/// See the field names. Bytes are integers and charged ones unless told otherwise, instants unix seconds.
#[derive(Serialize)]
pub(crate) struct ExplanationJson {
    pub(crate) name: String,
    pub(crate) as_of: Second,
    pub(crate) status: Status,
    pub(crate) reason: Option<&'static str>,
    /// The same in words.
    pub(crate) sentence: Stand,
    pub(crate) period: PeriodNow,
    pub(crate) charged: Charged,
    /// What was used in the period at the panel that the user came from.
    pub(crate) brought: Bytes,
    /// What clients reported about other servers, as far as it was charged.
    pub(crate) external: External,
    pub(crate) nodes: Vec<NodeJson>,
    /// Bytes as the nodes counted them, in the hours, days and months that lie in the period.
    pub(crate) timeline: Vec<Stretch>,
    /// The same of those in which the period began.
    pub(crate) shared: Vec<Stretch>,
    pub(crate) bonus: Bonus,
    /// The last periods that ended, the newest first.
    periods: Vec<PeriodJson>,
    /// What nodes have counted and not reported, and what they may let pass without asking.
    pub(crate) held: HeldJson,
    /// Without a quota there is none.
    pub(crate) remaining: Option<Bytes>,
    /// What of it no node holds.
    pub(crate) free: Option<Bytes>,
    pub(crate) check: Check,
}

#[derive(Serialize)]
pub(crate) struct PeriodNow {
    pub(crate) start: Second,
    pub(crate) end: Option<Second>,
    pub(crate) monthly_quota: Bytes,
    pub(crate) total_quota: Bytes,
    /// `schedule`, `reset` by a person, or `first`; `null` when it was not noted.
    pub(crate) began: Option<&'static str>,
}

/// What one node counted in the period.
#[derive(Serialize)]
pub(crate) struct NodeJson {
    pub(crate) node: u32,
    pub(crate) name: Option<String>,
    /// Per mille, today.
    pub(crate) coefficient: u32,
    /// The node's own bytes.
    pub(crate) up: Bytes,
    pub(crate) down: Bytes,
    /// What they make at today's coefficient.
    pub(crate) charged: Bytes,
}

#[derive(Serialize)]
pub(crate) struct Bonus {
    pub(crate) left: Bytes,
    /// Since the account was made.
    pub(crate) spent: Bytes,
    /// What is left and came with no package; it is used first.
    pub(crate) without_package: Bytes,
    packages: Vec<PackageJson>,
}

#[derive(Serialize)]
pub(crate) struct HeldJson {
    pub(crate) known: Bytes,
    pub(crate) out: Bytes,
    pub(crate) nodes: Vec<Held>,
}

/// `GET /api/v1/users/{name}/explain`
///
/// Rows read: 15, 1 per (node, hour), (node, day) and (node, month) of the period, 1 per day and server of charged clients' reports in
/// it, 2 per package, 1 per node. 10 queries in one batch: everything is of one instant.
pub(crate) async fn explain(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let id = find(call, &actor, name).await?.id;
    Ok(Response::from_json(&explanation(call, id).await?)?)
}

/// Why the user of this number stands where he stands.
pub(crate) async fn explanation(call: &Call, id: i64) -> Result<ExplanationJson, Failure> {
    ExplanationJson::new(&call.db.batch(&store::read(id)).await?, call.now)
}

impl ExplanationJson {
    /// From what [`store::read`] gave.
    fn new(outcomes: &[Outcome], at: Second) -> Result<Self, Failure> {
        let [user, grants, hours, days, months, external, ended, packages, open, nodes] = outcomes else {
            return Err(Failure::Broken("a batch of ten gave other".into()));
        };
        let user: User = user.rows()?.pop().ok_or(Failure::NotFound("user"))?;
        let grants: Grants = only(grants)?;
        let held = explain::held(&grants.entries)
            .map_err(|error| Failure::Broken(format!("grants of user {}: {error}", user.id)))?;
        let ended: Vec<Ended> = ended.rows()?;
        let now = Now::of(&user, &ended, &grants, at);
        let Now { standing, mark, began, brought, .. } = now;
        let tables = [(Span::Hour, hours), (Span::Day, days), (Span::Month, months)];
        let tables = tables.map(|(span, table)| Ok((span, rows(std::slice::from_ref(table))?)));
        let flows = explain::flows(now.period.start, &tables.into_iter().collect::<Result<Vec<_>, Failure>>()?);
        let external = if now.is_stored { only(external)? } else { External::default() };
        let nodes = by_node(&flows.nodes, nodes.rows()?);
        let coefficients: Vec<u32> = nodes.iter().map(|node| node.coefficient).collect();
        let counted: Bytes = nodes.iter().map(|node| node.charged).sum();
        let charged = explain::since(&standing, mark);
        let gate = gate(&standing, at);
        let remaining = explain::remaining(&standing, grants.known);
        let Period { start, end } = now.period;
        let end = now.period.ends().then_some(end);
        let disabled_at = user.disabled_at.map(Second::clamped);
        Ok(Self {
            as_of: at,
            status: status(&standing, at),
            reason: gate.reason(),
            sentence: Stand::new(gate, &standing, remaining, end, disabled_at),
            period: PeriodNow { start, end, monthly_quota: user.monthly_quota, total_quota: user.total_quota, began },
            check: explain::check(&charged, counted.plus(brought), &coefficients, external, &flows.shared),
            charged,
            brought,
            external,
            nodes,
            timeline: flows.timeline,
            shared: flows.shared,
            bonus: bonus(&user, packages, open)?,
            periods: ended.into_iter().map(PeriodJson::from).collect(),
            held: HeldJson { known: grants.known, out: grants.out, nodes: held },
            remaining,
            free: remaining.map(|remaining| remaining.minus(grants.out)),
            name: user.name,
        })
    }
}

fn only<T: DeserializeOwned>(outcome: &Outcome) -> Result<T, Failure> {
    outcome.rows()?.pop().ok_or_else(|| Failure::Broken("a row of a user is not there".into()))
}

/// The period that a user is in, which may have begun without anybody having written it down yet.
struct Now {
    period: Period,
    is_stored: bool,
    standing: Standing,
    mark: Option<Mark>,
    began: Option<&'static str>,
    brought: Bytes,
}

impl Now {
    fn of(user: &User, ended: &[Ended], came: &Grants, now: Second) -> Self {
        let mut standing = user.standing();
        let [start, end] = [user.period_start, user.period_end].map(Second::clamped);
        if end <= now {
            standing.month = Bytes::ZERO;
            let mark = Mark { lifetime: standing.lifetime, bonus_spent: standing.bonus_spent };
            let period = user.cycle.containing(now, start);
            return Self {
                period,
                is_stored: false,
                standing,
                mark: Some(mark),
                began: Some("schedule"),
                brought: Bytes::ZERO,
            };
        }
        let (mark, began) = match ended.first() {
            None => {
                let before = came.brought_total.minus(came.brought_month);
                (Some(Mark { lifetime: before, ..Mark::default() }), Some("first"))
            }
            Some(last) => (
                last.lifetime.zip(last.bonus_spent).map(|(lifetime, bonus_spent)| Mark { lifetime, bonus_spent }),
                last.planned_end.map(|planned| if last.end < planned { "reset" } else { "schedule" }),
            ),
        };
        let brought = if ended.is_empty() { came.brought_month } else { Bytes::ZERO };
        Self { period: Period { start, end }, is_stored: true, standing, mark, began, brought }
    }
}

fn by_node(flows: &BTreeMap<u32, (Bytes, Bytes)>, known: Vec<NodeRow>) -> Vec<NodeJson> {
    let known: BTreeMap<u32, NodeRow> = known.into_iter().map(|node| (node.id, node)).collect();
    let with = |(&node, &(up, down)): (&u32, &(Bytes, Bytes))| {
        let row = known.get(&node);
        let coefficient = row.map_or(weir_wire::grant::COEFFICIENT_ONE, |row| row.coefficient);
        let charged = explain::charged(up.plus(down), coefficient);
        NodeJson { node, name: row.map(|row| row.name.clone()), coefficient, up, down, charged }
    };
    flows.iter().map(with).collect()
}

fn bonus(user: &User, packages: &Outcome, open: &Outcome) -> Result<Bonus, Failure> {
    let (packages, in_packages) = as_of_now(packages, open)?;
    Ok(Bonus {
        left: user.bonus_left,
        spent: user.bonus_spent,
        without_package: user.bonus_left.minus(in_packages),
        packages: packages.into_iter().map(PackageJson::from).collect(),
    })
}
