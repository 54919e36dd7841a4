//! The panel's pages, `/` and below.

use super::NoRoute;

/// A page for a browser that is signed in: `GET`, also HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page<'a> {
    /// `/`
    Home,
    /// `/users`
    Users,
    /// `/users/{name}`
    User(&'a str),
    /// `/users/{name}/edit`
    EditUser(&'a str),
    /// `/new/user`
    AddUser,
    /// `/nodes`
    Nodes,
    /// `/nodes/{id}`
    Node(&'a str),
    /// `/new/node`
    AddNode,
    /// `/audit`
    Audit,
    /// `/alerts`
    Alerts,
    /// `/alerts/{id}`
    Channel(&'a str),
    /// `/new/channel`
    AddChannel,
    /// `/sources`
    Sources,
    /// `/sources/{id}`
    Source(&'a str),
    /// `/new/source`
    AddSource,
    /// `/settings/clients`
    Clients,
    /// `/settings/clients/{place}`
    ClientRule(&'a str),
    /// `/new/rule`
    AddClientRule,
}

/// Finds the page of a path.
pub(super) fn page<'a>(segments: &[&'a str], method: &str) -> Result<Page<'a>, NoRoute> {
    let page = match segments {
        [""] => Page::Home,
        ["users"] => Page::Users,
        ["users", name] => Page::User(name),
        ["users", name, "edit"] => Page::EditUser(name),
        ["new", "user"] => Page::AddUser,
        ["nodes"] => Page::Nodes,
        ["nodes", id] => Page::Node(id),
        ["new", "node"] => Page::AddNode,
        ["audit"] => Page::Audit,
        ["alerts"] => Page::Alerts,
        ["alerts", id] => Page::Channel(id),
        ["new", "channel"] => Page::AddChannel,
        ["sources"] => Page::Sources,
        ["sources", id] => Page::Source(id),
        ["new", "source"] => Page::AddSource,
        ["settings", "clients"] => Page::Clients,
        ["settings", "clients", place] => Page::ClientRule(place),
        ["new", "rule"] => Page::AddClientRule,
        _ => return Err(NoRoute::Path),
    };
    if matches!(method, "GET" | "HEAD") { Ok(page) } else { Err(NoRoute::Method("GET, HEAD")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_and_never_written() {
        assert_eq!(page(&["users", "ann", "edit"], "GET"), Ok(Page::EditUser("ann")));
        assert_eq!(page(&["nodes", "7"], "HEAD"), Ok(Page::Node("7")));
        assert_eq!(page(&["users"], "POST"), Err(NoRoute::Method("GET, HEAD")));
        assert_eq!(page(&["users", "ann", "fly"], "POST"), Err(NoRoute::Path));
    }
}
