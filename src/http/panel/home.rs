//! The overview.

use weir_wire::Second;
use weir_wire::status::NodeStatus;
use worker::{Request, Response};

use super::{go_to, page};
use crate::domain::percent::form_field;
use crate::domain::user::Status;
use crate::http::auth;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::store::overview::{self, Node, Totals};
use crate::store::user_list::{self, Order, Query};
use crate::store::users::User;
use crate::store::{Statement, d1::Outcome};
use crate::views::{Cards, Home, Live, NodeFacts, NodeView, Paging, UserFacts, UserView};

/// Users on a page.
const PAGE: u32 = 50;
/// The same, for lengths.
const PAGE_LENGTH: usize = 50;

/// `GET /`, also HEAD
///
/// Queries: 4. Rows read in order of creation: 2 per user shown, 2 for the session, 2 totals, and the nodes with their
/// ledgers and at most 10 events each. A search, a filter, and the other orders scan the users once.
pub(crate) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(session) = auth::session(request, call).await? else { return go_to("/login") };
    session.ask("stats:read")?;
    let url = request.inner().url();
    let wish = Wish::read(url.split_once('?').map_or("", |(_, query)| query));
    let outcomes = call.db.batch(&[wish.users(call.now), overview::totals(), overview::nodes()]).await?;
    let [users, totals, nodes] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of three gave other".into()));
    };
    let (users, paging) = wish.turn(users.rows()?);
    let (nodes, totals) = (nodes.rows()?, total(totals)?);
    let live = live(call, &users, paging, &nodes, totals);
    if request.headers().get("weir-part")?.as_deref() == Some("live") {
        return page(&live, 200);
    }
    page(&Home { operator: &session.name, live }, 200)
}

fn total(outcome: &Outcome) -> Result<Totals, Failure> {
    Ok(outcome.rows()?.pop().unwrap_or_default())
}

fn live<'a>(call: &Call, users: &'a [User], paging: Paging, nodes: &'a [Node], totals: Totals) -> Live<'a> {
    let policy = settings::policy(&call.env);
    // Until so long after his last byte a user's bytes may be on their way.
    let online_within = i64::from(policy.report_seconds) + 2 * i64::from(policy.interval) + 60;
    let standing = nodes.iter().filter(|node| node.deleted_at.is_none());
    let facts: Vec<NodeFacts<'a>> = standing.map(|node| node_facts(node, call.now)).collect();
    let online = facts.iter().filter(|node| node.is_online(call.now)).map(|node| u64::from(node.status.online)).sum();
    let traffic = nodes.iter().map(|node| node.bytes).sum();
    Live {
        cards: Cards::new(totals.users, totals.users_open, online, traffic),
        users: users.iter().map(|user| UserView::new(&user_facts(user, online_within), call.now)).collect(),
        paging,
        nodes: facts.iter().map(|facts| NodeView::new(facts, call.now)).collect(),
    }
}

fn user_facts(user: &User, online_within: i64) -> UserFacts<'_> {
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

fn node_facts(node: &Node, now: Second) -> NodeFacts<'_> {
    NodeFacts {
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

/// Which part of the users' list is wanted. What makes no sense is taken as not said: an address that was typed by hand or
/// kept for a year still shows a page.
struct Wish {
    paging: Paging,
    place: Place,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Users created before this one, newest first.
    Older(i64),
    /// Users created after this one, up to him.
    Newer(i64),
    /// So many users are left out before.
    Offset(u32),
}

impl Wish {
    fn read(query: &str) -> Self {
        let text = |name: &str| form_field(query, name).unwrap_or_default();
        let one_of = |name: &str, known: &[&'static str]| {
            let wanted = text(name);
            known.iter().copied().find(|known| *known == wanted).unwrap_or_default()
        };
        let paging = Paging {
            search: text("q").trim().chars().take(100).collect(),
            status: one_of("status", &Status::ALL.map(Status::name)),
            sort: one_of("sort", &["name", "used"]),
            ..Paging::default()
        };
        let number = |name| text(name).parse::<u32>().ok();
        let place = if paging.is_filtered() || !paging.sort.is_empty() {
            Place::Offset(number("offset").unwrap_or_default())
        } else if let Some(id) = number("newer") {
            Place::Newer(i64::from(id))
        } else {
            Place::Older(number("older").map_or(Second::LAST.get(), i64::from))
        };
        Self { paging, place }
    }

    /// One user more than a page has, which tells whether another page follows.
    fn users(&self, now: Second) -> Statement {
        match self.place {
            Place::Older(id) => overview::older(id, PAGE + 1),
            Place::Newer(id) => overview::newer(id, PAGE + 1),
            Place::Offset(offset) => {
                let order = match self.paging.sort {
                    "name" => Order::Name,
                    "used" => Order::UsedDown,
                    _ => Order::CreatedDown,
                };
                let search = self.paging.search.clone();
                let status = Status::named(self.paging.status);
                let query = Query { search, status, plan: None, order, limit: PAGE + 1, offset, owner: None };
                user_list::list(&query, now)
            }
        }
    }

    /// The users of the page, and the way to its neighbours.
    fn turn(self, mut users: Vec<User>) -> (Vec<User>, Paging) {
        let more = users.len() > PAGE_LENGTH;
        users.truncate(PAGE_LENGTH);
        if matches!(self.place, Place::Newer(_)) {
            users.reverse();
        }
        let newer = users.first().map_or_else(String::new, |user| format!("newer={}", user.id));
        let older = users.last().map_or_else(String::new, |user| format!("older={}", user.id));
        let (before, after) = match self.place {
            Place::Older(id) => ((id < Second::LAST.get()).then_some(newer), more.then_some(older)),
            Place::Newer(_) => (more.then_some(newer), Some(older)),
            Place::Offset(offset) => {
                let back = offset.saturating_sub(PAGE);
                let before = if back == 0 { String::new() } else { format!("offset={back}") };
                ((offset > 0).then_some(before), more.then(|| format!("offset={}", offset.saturating_add(PAGE))))
            }
        };
        (users, Paging { before, after, ..self.paging })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(query: &str) -> (Place, Paging) {
        let wish = Wish::read(query);
        (wish.place, wish.paging)
    }

    #[test]
    fn the_list_begins_with_the_newest_and_goes_on_by_number() {
        assert_eq!(places("").0, Place::Older(Second::LAST.get()));
        assert_eq!(places("older=70").0, Place::Older(70));
        assert_eq!(places("newer=70").0, Place::Newer(70));
    }

    #[test]
    fn a_search_an_order_and_a_filter_go_on_by_offset() {
        for query in ["q=ann&offset=50", "sort=used&offset=50", "status=limited&offset=50&older=3"] {
            assert_eq!(places(query).0, Place::Offset(50), "{query}");
        }
        assert_eq!(places("q=a%26b+c").1.search, "a&b c");
    }

    #[test]
    fn what_makes_no_sense_is_taken_as_not_said() {
        let (place, paging) = places("older=-1&status=%ff&sort=drop&newer=x&offset=9");
        assert_eq!((place, paging), (Place::Older(Second::LAST.get()), Paging::default()));
    }
}
