//! The dashboard: what an operator wants to know at a glance.

use askama::Template;
use weir_wire::figure::CLOCK_TOLERANCE;
use weir_wire::{Bytes, Second};

use super::super::asset;
use super::super::node::{NodeFacts, NodeView};
use super::super::subscription::chart::{Chart, chart};
use super::say::Say;
use super::shell::Shell;
use super::words::{State, Words};
use crate::domain::history::Bucket;

/// What the free plan allows in a day: requests, rows read, rows written.
const FREE: [u64; 3] = [100_000, 5_000_000, 100_000];

/// The page.
#[derive(Template)]
#[template(path = "panel/dashboard.html")]
pub(crate) struct Dashboard<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// The part that refreshes itself.
    pub(crate) live: DashboardLive<'a>,
}

/// What is counted of users.
pub(crate) struct Totals {
    /// All of them.
    pub(crate) users: u64,
    /// Those who may pass.
    pub(crate) active: u64,
}

/// A user of the list of those with the most traffic.
pub(crate) struct TopUser {
    /// Name.
    pub(crate) name: String,
    /// Bytes of the period.
    pub(crate) bytes: Bytes,
}

/// A job that fails again and again.
pub(crate) struct FailedJob {
    /// Name.
    pub(crate) name: String,
    /// Runs in a row.
    pub(crate) failures: u32,
}

/// What a day has cost.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Requests.
    pub(crate) requests: u64,
    /// Rows read.
    pub(crate) read: u64,
    /// Rows written.
    pub(crate) written: u64,
}

/// What the page is made from.
pub(crate) struct DashboardFacts<'a> {
    /// Users.
    pub(crate) totals: Totals,
    /// Bytes of all time, of deleted nodes too.
    pub(crate) traffic: Bytes,
    /// Bytes of UTC days that had any.
    pub(crate) days: &'a [Bucket],
    /// The first of them has the most.
    pub(crate) top: Vec<TopUser>,
    /// Nodes that are not deleted.
    pub(crate) nodes: &'a [NodeFacts<'a>],
    /// Jobs that need a look.
    pub(crate) failed: Vec<FailedJob>,
    /// What today has cost; none when nothing was told yet.
    pub(crate) cost: Option<Cost>,
}

/// A number with its bar.
pub(crate) struct Meter {
    label: &'static str,
    value: String,
    of: String,
    /// Per mille, cut to 1,000.
    filled: u64,
    level: &'static str,
}

/// A line of the list of top users.
pub(crate) struct Top {
    name: String,
    size: String,
    /// Per mille of the first one's.
    share: u64,
}

/// What needs a look: whose it is, where to look, and what.
pub(crate) struct Alert {
    /// A node's name; empty for the panel itself.
    name: String,
    path: String,
    text: String,
    is_urgent: bool,
}

/// What changes from moment to moment.
#[derive(Template)]
#[template(path = "panel/dashboard_live.html")]
pub(crate) struct DashboardLive<'a> {
    words: &'static Words,
    cards: [(&'static str, String); 4],
    alerts: Vec<Alert>,
    chart: Option<Chart>,
    in_all: String,
    top: Vec<Top>,
    nodes: Vec<NodeView<'a>>,
    cost: Vec<Meter>,
}

impl<'a> DashboardLive<'a> {
    /// Puts the facts into words.
    pub(crate) fn new(facts: DashboardFacts<'a>, say: &Say) -> Self {
        let words = say.words;
        let live = facts.nodes.iter().filter(|node| node.is_online(say.now));
        let online = live.map(|node| u64::from(node.status.online)).sum();
        let sum: Bytes = facts.days.iter().map(|day| day.up.plus(day.down)).sum();
        Self {
            words,
            cards: [
                (words.users, say.count(facts.totals.users)),
                (words.active_users, say.count(facts.totals.active)),
                (words.online_now, say.count(online)),
                (words.traffic_all, say.size(facts.traffic)),
            ],
            alerts: alerts(facts.nodes, &facts.failed, say),
            chart: chart(facts.days, say.now, say.language),
            in_all: words.in_all.replace("{size}", &say.size(sum)),
            top: top(facts.top, say),
            nodes: facts.nodes.iter().map(|node| NodeView::new(node, say)).collect(),
            cost: facts.cost.map_or_else(Vec::new, |cost| meters(cost, say)),
        }
    }
}

fn top(users: Vec<TopUser>, say: &Say) -> Vec<Top> {
    let most = users.first().map_or(1, |user| user.bytes.get().max(1));
    let line =
        |user: TopUser| Top { size: say.size(user.bytes), share: per_mille(user.bytes.get(), most), name: user.name };
    users.into_iter().map(line).collect()
}

fn per_mille(part: u64, whole: u64) -> u64 {
    let share = u128::from(part) * 1_000 / u128::from(whole.max(1));
    u64::try_from(share.min(1_000)).unwrap_or(1_000)
}

fn meters(cost: Cost, say: &Say) -> Vec<Meter> {
    let words = say.words;
    let lines = [(words.requests, cost.requests), (words.rows_read, cost.read), (words.rows_written, cost.written)];
    let meter = |((label, value), limit)| {
        let filled = per_mille(value, limit);
        let level = match filled {
            1_000 => "full",
            800.. => "high",
            _ => "low",
        };
        Meter { label, value: say.count(value), of: words.of.replace("{quota}", &say.count(limit)), filled, level }
    };
    lines.into_iter().zip(FREE).map(meter).collect()
}

/// What presses comes first: silent nodes, what a core says, then jobs.
fn alerts(nodes: &[NodeFacts<'_>], failed: &[FailedJob], say: &Say) -> Vec<Alert> {
    let words = say.words;
    let mut alerts = Vec::new();
    for node in nodes {
        let mut tell = |text: String, is_urgent| {
            alerts.push(Alert { name: node.name.to_owned(), path: format!("/nodes/{}", node.id), text, is_urgent });
        };
        if node.state(say.now) == State::Silent {
            tell(say.timed(words.is_silent, node.seen_at.unwrap_or(Second::EPOCH)), true);
        }
        if node.two_hosts {
            tell(words.two_hosts.to_owned(), true);
        }
        if !node.status.last_error.is_empty() {
            tell(node.status.last_error.clone(), true);
        }
        if node.clock_off.unsigned_abs() > CLOCK_TOLERANCE {
            tell(words.clock_wrong.replace("{time}", &say.span(node.clock_off.saturating_abs())), false);
        }
    }
    let job = |job: &FailedJob| Alert {
        name: String::new(),
        path: String::new(),
        text: words.job_failed.replace("{job}", &job.name).replace("{count}", &say.count(job.failures.into())),
        is_urgent: false,
    };
    alerts.extend(failed.iter().map(job));
    alerts.sort_by_key(|alert| !alert.is_urgent);
    alerts
}

#[cfg(test)]
mod tests {
    use weir_wire::status::NodeStatus;

    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    const NOW: Second = Second::clamped(1_796_083_200);

    fn live<'a>(nodes: &'a [NodeFacts<'a>]) -> DashboardLive<'a> {
        let facts = DashboardFacts {
            totals: Totals { users: 3, active: 2 },
            traffic: Bytes::gib(1),
            days: &[],
            top: vec![
                TopUser { name: "ann".into(), bytes: Bytes::gib(4) },
                TopUser { name: "ben".into(), bytes: Bytes::gib(1) },
            ],
            nodes,
            failed: vec![FailedJob { name: "backup".into(), failures: 3 }],
            cost: Some(Cost { requests: 50_000, read: 4_500_000, written: 200_000 }),
        };
        DashboardLive::new(facts, &Say::new(Language::En, Zone::UTC, NOW))
    }

    #[test]
    fn what_presses_comes_first() {
        let status = NodeStatus { last_error: "<b>".into(), ..NodeStatus::default() };
        let late = NodeFacts { seen_at: Some(NOW.plus(-7_200)), clock_off: 3_600, ..NodeFacts::of_a_well_node(status) };
        let nodes = [NodeFacts { seen_at: Some(NOW), ..NodeFacts::of_a_well_node(NodeStatus::default()) }, late];
        let live = live(&nodes);
        let told: Vec<&str> = live.alerts.iter().map(|alert| alert.text.as_str()).collect();
        assert_eq!(
            told,
            [
                "Not heard of since 2 h ago",
                "<b>",
                "Its clock is off by 1 h",
                "The job “backup” has failed 3 times in a row"
            ]
        );
        let html = live.render().unwrap();
        assert!(!html.contains("<b>"), "{html}");
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        let live = live(&[]);
        assert_eq!(live.top.iter().map(|top| top.share).collect::<Vec<_>>(), [1_000, 250]);
        assert_eq!(
            live.cost.iter().map(|meter| (meter.filled, meter.level)).collect::<Vec<_>>(),
            [(500, "low"), (900, "high"), (1_000, "full")]
        );
    }
}
