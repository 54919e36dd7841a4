//! The users, page by page.

use weir_wire::Second;
use worker::{Request, Response};

use super::figures::{online_within, user_facts};
use super::visit::Visit;
use super::{go_to, page};
use crate::domain::percent::form_field;
use crate::domain::user::Status;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::node_list::{self, NodeName};
use crate::store::plans::{self, Plan};
use crate::store::user_list::{self, Order, Query};
use crate::store::users::User;
use crate::store::{Statement, overview};
use crate::views::UserView;
use crate::views::panel::words::lists;
use crate::views::panel::{Paging, Section, Users, UsersLive, labels};

/// Users on a page.
const PAGE: u32 = 50;
/// The same, for lengths.
const PAGE_LENGTH: usize = 50;
/// Nodes that the list can be filtered by at once; others are reached from their own pages.
const FEW_NODES: u32 = 30;

/// `GET /users`, also HEAD
///
/// Queries: 4. Rows read in order of creation: 2 per user shown, 2 for the session, the plans, and 30 nodes at most. A search, a filter, and the other
/// orders scan the users once.
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    let owner = visit.actor(request, "users:read")?.only;
    let url = request.inner().url();
    let wish = Wish::read(url.split_once('?').map_or("", |(_, query)| query), owner);
    let choices = [plans::all(), node_list::names(FEW_NODES, wish.paging.node.unwrap_or_default())];
    let asks = [wish.users(call.now)].into_iter().chain(choices.into_iter().filter(|_| !visit.wants_part));
    let outcomes = call.db.batch(&asks.collect::<Vec<_>>()).await?;
    let users = outcomes.first().ok_or_else(|| Failure::Broken("a batch gave nothing".into()))?;
    let (users, paging) = wish.turn(users.rows()?);
    let within = online_within(&call.env);
    let views = users.iter().map(|user| UserView::new(&user_facts(user, within), &visit.say)).collect();
    let live = UsersLive::new(views, &paging, &visit.say, visit.may("users:write"));
    if visit.wants_part {
        return page(&live, 200);
    }
    let [_, plans, nodes] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of three gave other".into()));
    };
    let plans: Vec<String> = plans.rows::<Plan>()?.into_iter().map(|plan| plan.name).collect();
    let nodes: Vec<NodeName> = if owner.is_some() { Vec::new() } else { nodes.rows()? };
    let nodes: Vec<(u32, String)> = nodes.into_iter().map(|node| (node.id, node.name)).collect();
    let labels = labels(visit.say.words);
    let lists = lists::of(visit.say.language);
    page(
        &Users {
            shell: visit.shell(Section::Users),
            paging: &paging,
            plans: &plans,
            nodes: &nodes,
            lists,
            labels,
            live,
        },
        200,
    )
}

/// Which part of the users' list is wanted. What makes no sense is taken as not said: an address that was typed by hand or
/// kept for a year still shows a page.
struct Wish {
    paging: Paging,
    place: Place,
    /// The operator whose users these are; none for everybody's.
    owner: Option<i64>,
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
    fn read(query: &str, owner: Option<i64>) -> Self {
        let text = |name: &str| form_field(query, name).unwrap_or_default();
        let one_of = |name: &str, known: &[&'static str]| {
            let wanted = text(name);
            known.iter().copied().find(|known| *known == wanted).unwrap_or_default()
        };
        let paging = Paging {
            search: text("q").trim().chars().take(100).collect(),
            status: one_of("status", &Status::ALL.map(Status::name)),
            plan: text("plan").trim().chars().take(32).collect(),
            node: text("node").parse().ok().filter(|node| *node > 0),
            sort: one_of("sort", &["name", "used"]),
            ..Paging::default()
        };
        let number = |name| text(name).parse::<u32>().ok();
        let place = if paging.is_filtered() || !paging.sort.is_empty() || owner.is_some() {
            Place::Offset(number("offset").unwrap_or_default())
        } else if let Some(id) = number("newer") {
            Place::Newer(i64::from(id))
        } else {
            Place::Older(number("older").map_or(Second::LAST.get(), i64::from))
        };
        Self { paging, place, owner }
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
                let plan = Some(self.paging.plan.clone()).filter(|plan| !plan.is_empty());
                let query = Query {
                    search,
                    status,
                    plan,
                    node: self.paging.node,
                    order,
                    limit: PAGE + 1,
                    offset,
                    owner: self.owner,
                };
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
        let wish = Wish::read(query, None);
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
        for query in
            ["q=ann&offset=50", "sort=used&offset=50", "status=limited&offset=50&older=3", "plan=basic&offset=50"]
        {
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
