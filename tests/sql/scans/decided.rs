//! The statements that walk through a table that grows, by decision.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use weir::domain::history::{Range, Span};
use weir::domain::user::Status;
use weir::store::bulk::{self, Selection, Wish};
use weir::store::epochs::Guard;
use weir::store::marzban_list::{self, Key, Sort};
use weir::store::parts::{self, Source, Table};
use weir::store::rollup::{self, Old};
use weir::store::user_list::{self, Order};
use weir::store::{
    Statement, addresses, alerts, backup, census, charts, day, deliveries, explain, hosts, marzban_nodes,
    marzban_usage, metrics, node_addresses, node_list, node_log, nodes, overview, restored, summary, usage,
    xpert_stats,
};
use weir_wire::{Epoch, NodeId};

use crate::scene::NOW;
use crate::sqlite::Sqlite;

/// Statements that walk, and why they may.
pub(crate) struct Decided {
    pub(crate) why: &'static str,
    /// What they walk through together, in the order of letters.
    pub(crate) tables: &'static [&'static str],
    /// The statements, as each function of the store makes them: of what one makes, some walk.
    pub(crate) made: fn() -> Vec<Vec<Statement>>,
    /// Up to where a text that depends on what is asked for is like one of them; empty for texts that are always the same.
    alike_until: &'static str,
}

const fn decided(why: &'static str, tables: &'static [&'static str], made: fn() -> Vec<Vec<Statement>>) -> Decided {
    Decided { why, tables, made, alike_until: "" }
}

/// A backup leaves no table out.
pub(crate) const EVERYTHING: &[&str] = &["*"];
const NODE: NodeId = NodeId(3);

pub(crate) const DECIDED: [Decided; 17] = [
    decided(
        "what is told of all nodes reads a row of each: pages, their figures, charts and programs that ask for them",
        &["nodes"],
        all_nodes,
    ),
    decided("jobs that look after each node", &["nodes"], nodes_by_the_clock),
    decided("sums over all ledgers, of which each node has one or two, for the front page", &["epochs"], ledgers),
    decided("the addresses of all nodes, for who sets them all at once", &["node_addresses", "nodes"], all_addresses),
    decided(
        "a node's keys are found among those of all nodes, a row each, when one is made, used first or ended and when what stands beside \
         them is changed: an index would be a written row for each, and a sync finds its own by the hash",
        &["node_keys"],
        keys,
    ),
    decided(
        "a panel that was restored begins a new roster and waits for every node; whether one is still waited for, each sweep looks up among the keys",
        &["epochs", "node_keys", "roster_versions", "slots"],
        restoration,
    ),
    decided(
        "grants of a ledger that has ended stand inside JSON that no index tells apart: when a node is deleted or begins anew",
        &["usage"],
        grants,
    ),
    decided(
        "filters, and orders that no index has: who looks for users by other things than their names pays for it",
        &["users"],
        users,
    ),
    Decided {
        alike_until: "WHERE users.deleted_at IS NULL",
        ..decided(
            "the same in Marzban's API, which counts deleted users over where it lists by creation",
            &["users"],
            users_of_marzban,
        )
    },
    decided("users by how they stand are counted now and then, and the counts are kept", &["users"], counts),
    decided("who used most is found once an hour or once a day, and kept", &["usage"], most),
    decided(
        "what is forgotten by its age is found without an index on it: once a day",
        &["addresses", "suspicious_activity", "xpert_users"],
        old,
    ),
    decided(
        "clients' reports that were not folded yet: the job moves all of them, and a sum over all users adds them",
        &["xpert_fresh"],
        reports,
    ),
    decided("deliveries that wait or are dead: their indexes have no others", &["deliveries"], queues),
    Decided { alike_until: "FROM ", ..decided("a backup reads everything", EVERYTHING, cuts) },
    Decided { alike_until: "'table', ", ..decided("a backup writes everything", EVERYTHING, whole_parts) },
    decided("what a backup has noted is forgotten when it is made", &["backup_changes"], || vec![backup::tidy(&[])]),
];

/// Every text that is decided, with the tables that it may walk through, and how far it must be the same.
static TEXTS: LazyLock<Vec<(String, &Decided)>> = LazyLock::new(|| {
    let each = |decided: &'static Decided| {
        let made: BTreeSet<String> = (decided.made)().into_iter().flatten().map(|one| one.sql.into_owned()).collect();
        made.into_iter().map(move |sql| (sql, decided))
    };
    DECIDED.iter().flat_map(each).collect()
});

/// The tables that this text may walk through.
pub(crate) fn tables(sql: &str) -> &'static [&'static str] {
    let is_alike = |(text, decided): &&(String, &Decided)| {
        let cut = decided.alike_until;
        text == sql || (!cut.is_empty() && text.split(cut).next() == sql.split(cut).next() && text.contains(cut))
    };
    TEXTS.iter().find(is_alike).map_or(&[], |(_, decided)| decided.tables)
}

fn all_nodes() -> Vec<Vec<Statement>> {
    let range = Range { by: Span::Month, from: NOW, to: NOW };
    let span = marzban_usage::Span { from: NOW, to: NOW };
    let [glance, _] = overview::glance();
    vec![
        charts::read(charts::Whose::All, false, range),
        charts::read(charts::Whose::All, true, range),
        explain::read(1).to_vec(),
        vec![marzban_nodes::usage(NOW, NOW)],
        marzban_usage::used(marzban_usage::Of::All, span).to_vec(),
        vec![marzban_nodes::list()],
        vec![marzban_usage::nodes()],
        vec![metrics::read(0)],
        vec![node_list::list(NOW)],
        vec![node_log::look(None, 0)],
        vec![overview::nodes()],
        vec![glance],
    ]
}

fn nodes_by_the_clock() -> Vec<Vec<Statement>> {
    let old = Old { hours: NOW, days: NOW };
    vec![
        alerts::nodes(NOW, NOW).to_vec(),
        rollup::node_hours(old, 1).to_vec(),
        rollup::node_days(old, 1).to_vec(),
        vec![day::nodes()],
        vec![node_list::gone(NOW)],
    ]
}

fn ledgers() -> Vec<Vec<Statement>> {
    let [_, ledgers] = overview::glance();
    [overview::all_time(), overview::directions(), summary::bytes(), ledgers].map(|one| vec![one]).to_vec()
}

fn all_addresses() -> Vec<Vec<Statement>> {
    let [clear, ..] = hosts::replace(&[], &[], &[]);
    vec![hosts::read().to_vec(), vec![clear]]
}

fn keys() -> Vec<Vec<Statement>> {
    let [_, _, _, tell] = hosts::replace(&[], &[], &[]);
    let [deleted, key_deleted, _] = node_list::delete(NODE, NOW);
    vec![
        nodes::settle_key("key", NODE).to_vec(),
        nodes::enroll(NODE, "key", NOW).to_vec(),
        vec![deleted, key_deleted],
        marzban_nodes::set_coefficient(NODE, 1_000).to_vec(),
        node_addresses::remove(NODE, 1, &[]).to_vec(),
        vec![tell],
    ]
}

fn restoration() -> Vec<Vec<Statement>> {
    vec![
        restored::begin(NODE, Epoch::from_random(5), 1, 1, 1, NOW).to_vec(),
        restored::replayed(NODE, NOW).to_vec(),
        restored::end(NOW).to_vec(),
    ]
}

fn grants() -> Vec<Vec<Statement>> {
    let epoch = Epoch::from_random(5);
    let left = usage::leave_epoch(epoch, &Guard { node: NODE, epoch, last_seq: 0 });
    let [_, _, freed] = node_list::delete(NODE, NOW);
    [left, usage::leave_node(NODE), freed].map(|one| vec![one]).to_vec()
}

fn users() -> Vec<Vec<Statement>> {
    let filtered = |order| user_list::Query { search: "a".into(), order, ..user_list::Query::default() };
    let orders = [Order::Name, Order::NameDown, Order::Used, Order::UsedDown, Order::Created, Order::CreatedDown];
    let mut made: Vec<Vec<Statement>> =
        orders.into_iter().map(|order| vec![user_list::list(&filtered(order), NOW)]).collect();
    let selection = Selection::Filter(filtered(Order::Name));
    let wish = Wish { selection: &selection, total: 0, asked: "{}", action: "{}", by: "shop" };
    made.extend([
        vec![user_list::count(&filtered(Order::Name), NOW)],
        vec![bulk::page(&selection, 1, 0, NOW)],
        vec![bulk::count(&selection, NOW)],
        bulk::create(&wish, NOW).to_vec(),
    ]);
    made
}

fn users_of_marzban() -> Vec<Vec<Statement>> {
    let found = marzban_list::Query { search: "a".into(), ..marzban_list::Query::default() };
    let of_status = marzban_list::Query { status: Some(Status::Active), ..marzban_list::Query::default() };
    let sort = vec![Sort { key: Key::UsedTraffic, down: true }];
    let sorted = marzban_list::Query { sort, ..marzban_list::Query::default() };
    vec![
        vec![marzban_list::list(&marzban_list::Query::default(), NOW)],
        vec![marzban_list::list(&found, NOW)],
        vec![marzban_list::list(&of_status, NOW)],
        vec![marzban_list::list(&sorted, NOW)],
        vec![marzban_list::count(&found, NOW)],
    ]
}

fn counts() -> Vec<Vec<Statement>> {
    [census::count(None, NOW), metrics::count(NOW), day::limited()].map(|one| vec![one]).to_vec()
}

fn most() -> Vec<Vec<Statement>> {
    [day::top_users(NOW, NOW), summary::most(NOW)].map(|one| vec![one]).to_vec()
}

fn old() -> Vec<Vec<Statement>> {
    vec![addresses::forget(NOW, NOW), vec![xpert_stats::forget_rows(1)], xpert_stats::forget_sums(1).to_vec()]
}

fn reports() -> Vec<Vec<Statement>> {
    vec![xpert_stats::fold().to_vec(), vec![xpert_stats::of_all(1)]]
}

fn queues() -> Vec<Vec<Statement>> {
    ["waiting", "dead"].map(|state| vec![deliveries::list(None, state, (0, 0), 1)]).to_vec()
}

fn every_table() -> Vec<Table> {
    Sqlite::new().query(&parts::tables())
}

fn cuts() -> Vec<Vec<Statement>> {
    let tables = every_table();
    let sources: Vec<Source<'_>> = tables.iter().map(Source::Whole).collect();
    vec![parts::cuts(&sources)]
}

fn whole_parts() -> Vec<Vec<Statement>> {
    let tables = every_table();
    let pieces: Vec<_> = tables.iter().map(|table| Source::Whole(table).whole(0)).collect();
    vec![parts::make(&pieces)]
}
