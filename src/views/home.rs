//! The overview: cards, users, nodes.

use askama::Template;
use weir_wire::Bytes;

use super::asset;
use super::format::{count, size};
use super::node::NodeView;
use super::user::UserView;
use crate::domain::percent::encode;

/// The page.
#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct Home<'a> {
    /// Who is signed in.
    pub(crate) operator: &'a str,
    /// The part that refreshes itself.
    pub(crate) live: Live<'a>,
}

/// What changes from moment to moment; scripts fetch it alone.
#[derive(Template)]
#[template(path = "live.html")]
pub(crate) struct Live<'a> {
    /// Numbers on top.
    pub(crate) cards: Cards,
    /// Users of this page of the list.
    pub(crate) users: Vec<UserView<'a>>,
    /// Where this page is.
    pub(crate) paging: Paging,
    /// All nodes.
    pub(crate) nodes: Vec<NodeView<'a>>,
}

/// Numbers on top.
pub(crate) struct Cards {
    /// Users.
    pub(crate) users: String,
    /// Users who may pass.
    pub(crate) active: String,
    /// Users with a live connection, summed over the nodes.
    pub(crate) online: String,
    /// Bytes of all users and all time, up and down.
    pub(crate) traffic: String,
}

impl Cards {
    /// The cards of these numbers.
    pub(crate) fn new(users: u64, active: u64, online: u64, traffic: Bytes) -> Self {
        Self { users: count(users), active: count(active), online: count(online), traffic: size(traffic) }
    }
}

/// Where a page of the users' list is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paging {
    /// What is searched for.
    pub(crate) search: String,
    /// The status that is looked for; empty for all.
    pub(crate) status: &'static str,
    /// `name` or `used`; empty for the newest first.
    pub(crate) sort: &'static str,
    /// Parameters of the page before; empty for the first.
    pub(crate) before: Option<String>,
    /// Parameters of the page after.
    pub(crate) after: Option<String>,
}

impl Paging {
    /// The filters of the list, each with what it is called.
    const STATUSES: [(&'static str, &'static str); 6] = [
        ("", "All"),
        ("active", "Active"),
        ("on_hold", "On hold"),
        ("limited", "Limited"),
        ("expired", "Expired"),
        ("disabled", "Disabled"),
    ];
    /// The orders of the list.
    const SORTS: [(&'static str, &'static str); 3] = [("", "Newest"), ("name", "Name"), ("used", "Most used")];

    /// Whether users are left out.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.search.is_empty() || !self.status.is_empty()
    }

    /// Whether only users of this status are shown.
    pub(crate) fn has_status(&self, status: &str) -> bool {
        self.status == status
    }

    /// Whether users are in this order.
    pub(crate) fn has_sort(&self, sort: &str) -> bool {
        self.sort == sort
    }

    /// The address of the list with these filters, on the page that `place` names.
    fn link(&self, status: &str, sort: &str, place: &str) -> String {
        let pairs = [("q", self.search.as_str()), ("status", status), ("sort", sort)];
        let mut query: Vec<String> = pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key}={}", encode(value)))
            .collect();
        if !place.is_empty() {
            query.push(place.to_owned());
        }
        if query.is_empty() { "/".to_owned() } else { format!("/?{}", query.join("&")) }
    }

    /// The same list on another page.
    pub(crate) fn page(&self, place: &str) -> String {
        self.link(self.status, self.sort, place)
    }

    /// The same search with another status.
    pub(crate) fn with_status(&self, status: &str) -> String {
        self.link(status, self.sort, "")
    }

    /// The same list in another order.
    pub(crate) fn with_sort(&self, sort: &str) -> String {
        self.link(self.status, sort, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_what_was_chosen_and_leave_out_what_was_not() {
        let paging = Paging { search: "a&b c".into(), status: "limited", sort: "used", ..Paging::default() };
        assert_eq!(paging.page("offset=50"), "/?q=a%26b%20c&status=limited&sort=used&offset=50");
        assert_eq!(paging.with_status(""), "/?q=a%26b%20c&sort=used");
        assert_eq!(Paging::default().page(""), "/");
    }

    #[test]
    fn names_are_escaped_wherever_they_stand() {
        let html = super::super::Login { name: "\"><script>".into(), problem: Some("<b>".into()), ticket: None }
            .render()
            .unwrap();
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
    }
}
