//! Rows of the database as pages take them.

use weir_wire::Second;
use weir_wire::status::NodeStatus;
use worker::Env;

use crate::http::settings;
use crate::store::overview::Node;
use crate::store::users::User;
use crate::views::{NodeFacts, UserFacts};

/// Until so many seconds after his last byte a user's bytes may be on their way.
pub(super) fn online_within(env: &Env) -> i64 {
    let policy = settings::policy(env);
    i64::from(policy.report_seconds) + 2 * i64::from(policy.interval) + 60
}

/// A user.
pub(super) fn user_facts(user: &User, online_within: i64) -> UserFacts<'_> {
    UserFacts {
        name: &user.name,
        note: &user.note,
        standing: user.standing(),
        disabled_at: user.disabled_at.map(Second::clamped),
        period_end: Second::clamped(user.period_end),
        last_at: Second::clamped(user.last_at),
        online_within,
    }
}

/// A node.
pub(super) fn node_facts(node: &Node, now: Second) -> NodeFacts<'_> {
    NodeFacts {
        id: node.id,
        name: &node.name,
        address: &node.address,
        seen_at: node.seen_at.filter(|at| *at > 0).map(Second::clamped),
        agent: &node.agent,
        // What an agent of another version says may not be understood; the card then shows less.
        status: serde_json::from_str::<NodeStatus>(&node.status).unwrap_or_default(),
        bytes: node.bytes,
        unattributed: node.unattributed,
        unknown: node.unknown,
        foreign: node.foreign_bytes,
        two_hosts: node.two_hosts(now),
        clock_off: node.clock_off,
        events: serde_json::from_str(&node.events).unwrap_or_default(),
    }
}
