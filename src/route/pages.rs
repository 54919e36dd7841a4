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
    /// `/users/{name}/details`
    UserDetails(&'a str),
    /// `/users/{name}/edit`
    EditUser(&'a str),
    /// `/bulk`
    Bulk,
    /// `/new/user`
    AddUser,
    /// `/nodes`
    Nodes,
    /// `/nodes/{id}`
    Node(&'a str),
    /// `/nodes/{id}/edit`
    EditNode(&'a str),
    /// `/nodes/{id}/addresses/{address}`, `new` instead of a number for one more
    NodeAddress(&'a str, &'a str),
    /// `/new/node`
    AddNode,
    /// `/plans`
    Plans,
    /// `/plans/{name}`
    Plan(&'a str),
    /// `/new/plan`
    AddPlan,
    /// `/settings`
    Settings,
    /// `/settings/jobs`
    Jobs,
    /// `/settings/backups`
    Backups,
    /// `/settings/backups/{instant}`
    Backup(&'a str),
    /// `/account`
    Account,
    /// `/settings/operators`
    Operators,
    /// `/settings/operators/{name}`
    Operator(&'a str),
    /// `/new/operator`
    AddOperator,
    /// `/new/key`
    AddKey,
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
        ["users", name, "details"] => Page::UserDetails(name),
        ["users", name, "edit"] => Page::EditUser(name),
        ["bulk"] => Page::Bulk,
        ["new", "user"] => Page::AddUser,
        ["nodes"] => Page::Nodes,
        ["nodes", id] => Page::Node(id),
        ["nodes", id, "edit"] => Page::EditNode(id),
        ["nodes", id, "addresses", address] => Page::NodeAddress(id, address),
        ["new", "node"] => Page::AddNode,
        ["plans"] => Page::Plans,
        ["plans", name] => Page::Plan(name),
        ["new", "plan"] => Page::AddPlan,
        ["settings"] => Page::Settings,
        ["settings", "jobs"] => Page::Jobs,
        ["settings", "backups"] => Page::Backups,
        ["settings", "backups", instant] => Page::Backup(instant),
        ["account"] => Page::Account,
        ["settings", "operators"] => Page::Operators,
        ["settings", "operators", name] => Page::Operator(name),
        ["new", "operator"] => Page::AddOperator,
        ["new", "key"] => Page::AddKey,
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
