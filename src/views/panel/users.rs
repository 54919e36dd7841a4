//! The users: searched, filtered, page by page.

use askama::Template;

use super::super::asset;
use super::super::user::UserView;
use super::say::Say;
use super::shell::Shell;
use super::words::{self, Words};
use crate::domain::percent::encode;
use crate::domain::user::Status;

/// The page.
#[derive(Template)]
#[template(path = "panel/users.html")]
pub(crate) struct Users<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// Where this page is.
    pub(crate) paging: &'a Paging,
    /// Names of the plans.
    pub(crate) plans: &'a [String],
    /// Numbers and names of the first nodes, and of the one that is looked for.
    pub(crate) nodes: &'a [(u32, String)],
    /// The words of saved lists.
    pub(crate) lists: &'static words::lists::Lists,
    /// What a preview calls the fields that change, as JSON.
    pub(crate) labels: String,
    /// The part that refreshes itself.
    pub(crate) live: UsersLive<'a>,
}

/// What a preview calls the fields of a user's change: JSON, field by field.
pub(crate) fn labels(words: &Words) -> String {
    let labels = [
        ("plan", words.plan),
        ("monthly_quota", words.monthly_gb),
        ("total_quota", words.total_gb),
        ("expires_at", words.expires_on),
        ("speed_limit", words.speed_kb),
        ("device_limit", words.devices_most),
        ("monthly_used", words.period),
        ("status", words.status),
    ];
    labels.into_iter().collect::<serde_json::Value>().to_string()
}

/// What changes from moment to moment; scripts fetch it alone.
#[derive(Template)]
#[template(path = "panel/users_live.html")]
pub(crate) struct UsersLive<'a> {
    words: &'static Words,
    pub(crate) bulk: &'static words::bulk::Bulk,
    /// Whether users can be selected, to do something to many at once.
    pub(crate) picks: bool,
    users: Vec<UserView<'a>>,
    paging: &'a Paging,
    statuses: Vec<(&'static str, &'static str)>,
    sorts: [(&'static str, &'static str); 3],
}

impl<'a> UsersLive<'a> {
    /// This page of the list; `picks` tells whether its users can be selected.
    pub(crate) fn new(users: Vec<UserView<'a>>, paging: &'a Paging, say: &Say, picks: bool) -> Self {
        let words = say.words;
        let each = Status::ALL.map(|status| (status.name(), (words.status_of)(status)));
        let statuses = [("", words.all)].into_iter().chain(each).collect();
        let sorts = [("", words.newest), ("name", words.name), ("used", words.most_used)];
        Self { words, bulk: words::bulk::of(say.language), picks, users, paging, statuses, sorts }
    }
}

/// Where a page of the users' list is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paging {
    /// What is searched for.
    pub(crate) search: String,
    /// The status that is looked for; empty for all.
    pub(crate) status: &'static str,
    /// The plan that is looked for; empty for all.
    pub(crate) plan: String,
    /// The number of the node that is looked for; none for all.
    pub(crate) node: Option<u32>,
    /// `name` or `used`; empty for the newest first.
    pub(crate) sort: &'static str,
    /// Parameters of the page before; empty for the first.
    pub(crate) before: Option<String>,
    /// Parameters of the page after.
    pub(crate) after: Option<String>,
}

impl Paging {
    /// Whether users are left out.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.search.is_empty() || !self.status.is_empty() || !self.plan.is_empty() || self.node.is_some()
    }

    /// Everybody whom the list shows, on this page and on others, as the API's selection: JSON.
    pub(crate) fn selection(&self) -> String {
        if !self.is_filtered() {
            return r#"{"all":true}"#.to_owned();
        }
        let pairs = [("search", self.search.as_str()), ("status", self.status), ("plan", self.plan.as_str())];
        let texts = pairs.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key, value.into()));
        let node = self.node.map(|node| ("node", serde_json::Value::from(node)));
        texts.chain(node).collect::<serde_json::Value>().to_string()
    }

    /// Whether only users of this status are shown.
    pub(crate) fn has_status(&self, status: &str) -> bool {
        self.status == status
    }

    /// Whether only users of this node are shown.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "a template has references only")]
    pub(crate) fn has_node(&self, node: &u32) -> bool {
        self.node == Some(*node)
    }

    /// Whether users are in this order.
    pub(crate) fn has_sort(&self, sort: &str) -> bool {
        self.sort == sort
    }

    /// The address of the list with these filters, on the page that `place` names.
    fn link(&self, status: &str, sort: &str, place: &str) -> String {
        let node = self.node.map(|node| node.to_string()).unwrap_or_default();
        let pairs = [
            ("q", self.search.as_str()),
            ("status", status),
            ("plan", self.plan.as_str()),
            ("node", node.as_str()),
            ("sort", sort),
        ];
        let mut query: Vec<String> = pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key}={}", encode(value)))
            .collect();
        if !place.is_empty() {
            query.push(place.to_owned());
        }
        if query.is_empty() { "/users".to_owned() } else { format!("/users?{}", query.join("&")) }
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
        assert_eq!(paging.page("offset=50"), "/users?q=a%26b%20c&status=limited&sort=used&offset=50");
        assert_eq!(paging.with_status(""), "/users?q=a%26b%20c&sort=used");
        assert_eq!(
            Paging { plan: "basic".into(), ..paging }.with_sort(""),
            "/users?q=a%26b%20c&status=limited&plan=basic"
        );
        assert_eq!(Paging::default().page(""), "/users");
    }

    #[test]
    fn a_selection_is_what_the_list_shows_and_everybody_only_without_a_filter() {
        let paging = Paging { search: "a\"b".into(), status: "limited", sort: "used", ..Paging::default() };
        assert_eq!(paging.selection(), r#"{"search":"a\"b","status":"limited"}"#);
        assert_eq!(Paging { sort: "used", ..Paging::default() }.selection(), r#"{"all":true}"#);
    }
}
