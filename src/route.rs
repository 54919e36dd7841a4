//! Every URL of the product in one table: (method, path) -> [`Route`].

mod accounts;
mod aliases;
mod marzban;
mod nodes;
mod operators;
mod pages;
mod xpert;

pub use aliases::Aliases;
pub use marzban::{Admins, Core, Marzban, MarzbanNodes, MarzbanUser, MarzbanUsers, Templates};
pub use nodes::Nodes;
pub use operators::{Me, Operators};
pub use pages::Page;
pub use xpert::Xpert;

/// What a request wants. Path parameters are borrowed as they stand in the path, still percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `POST /agent/v1/sync`
    AgentSync,
    /// `POST /agent/v1/enroll`
    AgentEnroll,
    /// `GET /agent/v1/bell`
    AgentBell,
    /// `GET /sub/{token}` and `GET /sub/{token}/{format}`, also HEAD
    Subscription {
        /// The bearer's token.
        token: &'a str,
        /// The format that he wants, if he says.
        format: Option<&'a str>,
    },
    /// `GET /install.sh`, also HEAD
    Install,
    /// `GET /health`, also HEAD
    Health,
    /// `GET /metrics`, also HEAD
    Metrics,
    /// `GET /` and the pages below
    Page(Page<'a>),
    /// `POST /language`
    Language,
    /// `GET /login`, also HEAD
    LoginPage,
    /// `POST /login`
    Login,
    /// `GET /login/challenge`
    LoginChallenge,
    /// `POST /logout`
    Logout,
    /// `POST /api/admin/token`
    MarzbanToken,
    /// The rest of Marzban's API, below `/api`
    Marzban(Marzban<'a>),
    /// `GET /api/v1/users`
    Users,
    /// `POST /api/v1/users`
    CreateUser,
    /// `GET /api/v1/users/{name}`
    User(&'a str),
    /// `PATCH /api/v1/users/{name}`
    ChangeUser(&'a str),
    /// `DELETE /api/v1/users/{name}`
    DeleteUser(&'a str),
    /// `GET /api/v1/users/{name}/resets`
    Resets(&'a str),
    /// `POST /api/v1/users/{name}/{reset,enable,disable,revoke}`
    ActOnUser(&'a str, UserAction),
    /// `GET /api/v1/users/{name}/packages`
    Packages(&'a str),
    /// `POST /api/v1/users/{name}/packages`
    BuyPackage(&'a str),
    /// `POST /api/v1/users/{name}/packages/{order}/refund`
    RefundPackage(&'a str, &'a str),
    /// `GET /api/v1/users/{name}/usage`
    UserUsage(&'a str),
    /// `GET /api/v1/users/{name}/periods`
    Periods(&'a str),
    /// `GET /api/v1/users/{name}/explain`
    Explain(&'a str),
    /// `GET /api/v1/usage`
    Usage,
    /// `GET /api/v1/users/{name}/addresses`
    UserAddresses(&'a str),
    /// `GET /api/v1/users/{name}/subscription`
    UserSubscription(&'a str),
    /// `GET /api/v1/users/{name}/credentials`
    Credentials(&'a str),
    /// `PUT /api/v1/users/{name}/credentials`
    SetCredentials(&'a str),
    /// `DELETE /api/v1/users/{name}/credentials`
    ForgetCredentials(&'a str),
    /// `/api/v1/users/{name}/aliases...`
    Aliases(Aliases<'a>),
    /// `GET /api/v1/users/{name}/devices`
    Devices(&'a str),
    /// `DELETE /api/v1/users/{name}/devices`
    ForgetDevices(&'a str),
    /// `PATCH /api/v1/users/{name}/devices/{id}`
    RenameDevice(&'a str, &'a str),
    /// `DELETE /api/v1/users/{name}/devices/{id}`
    ForgetDevice(&'a str, &'a str),
    /// `GET /api/v1/suspicious`
    Suspicious,
    /// `GET /api/user/{name}`
    SimpleUser(&'a str),
    /// `PUT /api/user/{name}`
    ChangeSimpleUser(&'a str),
    /// `DELETE /api/user/{name}`
    DeleteSimpleUser(&'a str),
    /// `POST /api/add_user`
    AddUser,
    /// `POST /api/reset_traffic/{name}`
    ResetTraffic(&'a str),
    /// `GET /api/stats`
    Stats,
    /// `/api/v1/nodes...`
    Nodes(Nodes<'a>),
    /// `/api/v1/operators...`
    Operators(Operators<'a>),
    /// `GET /api/v1/keys`
    Keys,
    /// `POST /api/v1/keys`
    CreateKey,
    /// `DELETE /api/v1/keys/{id}`
    DeleteKey(&'a str),
    /// `/api/v1/me...`
    Me(Me<'a>),
    /// `PUT /api/v1/users/{name}/owner`
    OwnUser(&'a str),
    /// `GET /api/v1/backups`
    Backups,
    /// `POST /api/v1/backups`
    MakeBackup,
    /// `GET /api/v1/backups/{instant}`
    Backup(&'a str),
    /// `GET /api/v1/backups/{instant}/{part}`
    BackupPart(&'a str, &'a str),
    /// `GET /api/v1/bulk`
    BulkActions,
    /// `POST /api/v1/bulk`
    StartBulk,
    /// `POST /api/v1/bulk/preview`
    PreviewBulk,
    /// `GET /api/v1/bulk/{id}`
    BulkAction(&'a str),
    /// `POST /api/v1/bulk/{id}/undo`
    UndoBulk(&'a str),
    /// `POST /api/v1/bulk/{id}/stop`
    StopBulk(&'a str),
    /// `GET /api/v1/plans`
    Plans,
    /// `POST /api/v1/plans`
    CreatePlan,
    /// `GET /api/v1/plans/{name}`
    Plan(&'a str),
    /// `PATCH /api/v1/plans/{name}`
    ChangePlan(&'a str),
    /// `DELETE /api/v1/plans/{name}`
    DeletePlan(&'a str),
    /// `GET /api/v1/plans/{name}/changes`
    PlanChanges(&'a str),
    /// `POST /api/v1/plans/{name}/apply`
    ApplyPlan(&'a str),
    /// `GET /api/v1/jobs`
    Jobs,
    /// `POST /api/v1/jobs/{name}/run`
    RunJob(&'a str),
    /// `GET`, `PUT` and `PATCH /api/v1/settings/{area}`
    Settings(&'a str),
    /// `GET /api/v1/client-rules`
    ClientRules,
    /// `PUT /api/v1/client-rules`
    ChangeClientRules,
    /// `DELETE /api/v1/client-rules`
    ResetClientRules,
    /// `POST /api/v1/client-rules/try`
    TryClientRules,
    /// `GET /api/v1/audit`
    Audit,
    /// `GET /api/v1/audit/verify`
    VerifyAudit,
    /// `GET /api/v1/channels`
    Channels,
    /// `POST /api/v1/channels`
    CreateChannel,
    /// `GET /api/v1/channels/{id}`
    Channel(&'a str),
    /// `PATCH /api/v1/channels/{id}`
    ChangeChannel(&'a str),
    /// `DELETE /api/v1/channels/{id}`
    DeleteChannel(&'a str),
    /// `POST /api/v1/channels/{id}/test`
    TestChannel(&'a str),
    /// `POST /api/v1/channels/{id}/replay`
    ReplayChannel(&'a str),
    /// `GET /api/v1/deliveries`
    Deliveries,
    /// `POST /api/v1/deliveries/{id}/replay`
    ReplayDelivery(&'a str),
    /// `GET /api/v1/events`
    Events,
    /// `/api/xpert/...`
    Xpert(Xpert<'a>),
}

impl Route<'_> {
    /// The same request as Marzban's API has it, where the two faces share the path.
    #[must_use]
    pub const fn in_dialect(self) -> Self {
        match self {
            Self::SimpleUser(name) => Self::Marzban(Marzban::User(MarzbanUser::Get(name))),
            Self::ChangeSimpleUser(name) => Self::Marzban(Marzban::User(MarzbanUser::Change(name))),
            Self::DeleteSimpleUser(name) => Self::Marzban(Marzban::User(MarzbanUser::Delete(name))),
            other => other,
        }
    }
}

/// What can be done to a user beside changing his fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAction {
    /// A new period begins now.
    Reset,
    /// Undo a person's "disabled".
    Enable,
    /// Shut out until a person enables again.
    Disable,
    /// New credentials and a new subscription link; the old ones end.
    Revoke,
}

/// The face whose error format a path speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// `{"code","message"}`
    Agent,
    /// `{"error":{"code","message","field"}}`
    Api,
    /// `{"detail"}`
    Marzban,
    /// `{"error":"...","field"}`; on paths that Marzban's API shares, `detail` as well.
    Simple {
        /// Marzban's API has this path too.
        shared: bool,
    },
    /// A page.
    Panel,
    /// Plain text.
    Text,
    /// `{"detail"}`
    Xpert,
}

/// Why a request has no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// 404
    Path,
    /// 405, with the methods that the path knows.
    Method(&'static str),
}

/// The face that a path belongs to.
#[must_use]
pub fn face(path: &str) -> Face {
    let path = path.trim_start_matches('/');
    match path.split('/').next() {
        Some("agent") => Face::Agent,
        Some("api") => match path.split('/').nth(1) {
            Some("user") if matches!(path.split('/').collect::<Vec<_>>().as_slice(), [_, _, name] | [_, _, name, ""] if !name.is_empty()) => {
                Face::Simple { shared: true }
            }
            Some("user") => Face::Marzban,
            Some(first) if marzban::has(first) => Face::Marzban,
            Some("xpert") => Face::Xpert,
            Some("add_user" | "reset_traffic" | "stats") => Face::Simple { shared: false },
            _ => Face::Api,
        },
        Some("health") => Face::Api,
        // What Marzban's apps ask beside the list.
        Some("sub") if matches!(path.split('/').nth(2), Some("info" | "usage")) => Face::Marzban,
        Some("sub" | "install.sh" | "metrics") => Face::Text,
        _ => Face::Panel,
    }
}

/// Finds the route of a request. A trailing slash is tolerated.
///
/// # Errors
/// The path is unknown, or knows other methods only.
#[expect(clippy::match_same_arms, reason = "one line per URL and method, in the order of the URLs, reads as a table")]
pub fn route<'a>(method: &str, path: &'a str) -> Result<Route<'a>, NoRoute> {
    use NoRoute::{Method, Path};
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<&str> = path.split('/').collect();
    match (segments.as_slice(), method) {
        (["agent", "v1", "sync"], "POST") => Ok(Route::AgentSync),
        (["agent", "v1", "enroll"], "POST") => Ok(Route::AgentEnroll),
        (["agent", "v1", "sync" | "enroll"], _) => Err(Method("POST")),
        (["agent", "v1", "bell"], "GET") => Ok(Route::AgentBell),
        (["agent", "v1", "bell"], _) => Err(Method("GET")),

        (["sub", token], "GET" | "HEAD") => Ok(Route::Subscription { token, format: None }),
        (["sub", token, format], "GET" | "HEAD") => Ok(Route::Subscription { token, format: Some(format) }),
        (["sub", _] | ["sub", _, _], _) => Err(Method("GET, HEAD")),

        (["install.sh"], "GET" | "HEAD") => Ok(Route::Install),
        (
            [""]
            | [
                "users" | "bulk" | "nodes" | "new" | "plans" | "settings" | "account" | "audit" | "alerts" | "sources",
                ..,
            ],
            method,
        ) => pages::page(&segments, method).map(Route::Page),
        (["language"], "POST") => Ok(Route::Language),
        (["language"], _) => Err(Method("POST")),
        (["health"], "GET" | "HEAD") => Ok(Route::Health),
        (["metrics"], "GET" | "HEAD") => Ok(Route::Metrics),
        (["install.sh" | "health" | "metrics"], _) => Err(Method("GET, HEAD")),
        (["login"], "GET" | "HEAD") => Ok(Route::LoginPage),
        (["login"], "POST") => Ok(Route::Login),
        (["login"], _) => Err(Method("GET, HEAD, POST")),
        (["login", "challenge"], "GET") => Ok(Route::LoginChallenge),
        (["login", "challenge"], _) => Err(Method("GET")),
        (["logout"], "POST") => Ok(Route::Logout),
        (["logout"], _) => Err(Method("POST")),

        (["api", "v1", "users", rest @ ..], method) => accounts::users(method, rest),
        (["api", "v1", "bulk", rest @ ..], method) => accounts::bulk(method, rest),
        (["api", "v1", "plans", rest @ ..], method) => accounts::plans(method, rest),

        (["api", "user", name], "GET") => Ok(Route::SimpleUser(name)),
        (["api", "admin", "token"], "POST") => Ok(Route::MarzbanToken),
        (["api", "admin", "token"], _) => Err(Method("POST")),
        (["api", "user", name], "PUT") => Ok(Route::ChangeSimpleUser(name)),
        (["api", "user", name], "DELETE") => Ok(Route::DeleteSimpleUser(name)),
        (["api", "user", _], _) => Err(Method("GET, PUT, DELETE")),
        (["api", "add_user"], "POST") => Ok(Route::AddUser),
        (["api", "add_user"], _) => Err(Method("POST")),
        (["api", "reset_traffic", name], "POST") => Ok(Route::ResetTraffic(name)),
        (["api", "reset_traffic", _], _) => Err(Method("POST")),
        (["api", "stats"], "GET") => Ok(Route::Stats),
        (["api", "stats"], _) => Err(Method("GET")),
        (["api", first, ..], method) if *first == "user" || marzban::has(first) => {
            marzban::route(method, segments.get(1..).unwrap_or_default()).map(Route::Marzban)
        }

        (["api", "v1", "nodes", rest @ ..], method) => nodes::route(method, rest).map(Route::Nodes),

        (["api", "v1", "operators", rest @ ..], method) => operators::route(method, rest).map(Route::Operators),
        (["api", "v1", "keys"], "GET") => Ok(Route::Keys),
        (["api", "v1", "keys"], "POST") => Ok(Route::CreateKey),
        (["api", "v1", "keys"], _) => Err(Method("GET, POST")),
        (["api", "v1", "keys", id], "DELETE") => Ok(Route::DeleteKey(id)),
        (["api", "v1", "keys", _], _) => Err(Method("DELETE")),
        (["api", "v1", "me", rest @ ..], method) => operators::me(method, rest).map(Route::Me),

        (["api", "v1", "backups"], "GET") => Ok(Route::Backups),
        (["api", "v1", "backups"], "POST") => Ok(Route::MakeBackup),
        (["api", "v1", "backups"], _) => Err(Method("GET, POST")),
        (["api", "v1", "backups", instant], "GET") => Ok(Route::Backup(instant)),
        (["api", "v1", "backups", instant, part], "GET") => Ok(Route::BackupPart(instant, part)),
        (["api", "v1", "backups", _] | ["api", "v1", "backups", _, _], _) => Err(Method("GET")),

        (["api", "v1", "usage"], "GET") => Ok(Route::Usage),
        (["api", "v1", "usage"], _) => Err(Method("GET")),
        (["api", "v1", "suspicious"], "GET") => Ok(Route::Suspicious),
        (["api", "v1", "suspicious"], _) => Err(Method("GET")),

        (["api", "v1", "jobs"], "GET") => Ok(Route::Jobs),
        (["api", "v1", "jobs"], _) => Err(Method("GET")),
        (["api", "v1", "jobs", name, "run"], "POST") => Ok(Route::RunJob(name)),
        (["api", "v1", "jobs", _, "run"], _) => Err(Method("POST")),
        (["api", "v1", "settings", area], "GET" | "PUT") => Ok(Route::Settings(area)),
        (["api", "v1", "settings", area], "PATCH") => Ok(Route::Settings(area)),
        (["api", "v1", "settings", _], _) => Err(Method("GET, PUT, PATCH")),
        (["api", "v1", "client-rules", rest @ ..], method) => client_rules(method, rest),
        (["api", "v1", "audit"], "GET") => Ok(Route::Audit),
        (["api", "v1", "audit", "verify"], "GET") => Ok(Route::VerifyAudit),
        (["api", "v1", "audit"] | ["api", "v1", "audit", "verify"], _) => Err(Method("GET")),

        (["api", "v1", "channels"], "GET") => Ok(Route::Channels),
        (["api", "v1", "channels"], "POST") => Ok(Route::CreateChannel),
        (["api", "v1", "channels"], _) => Err(Method("GET, POST")),
        (["api", "v1", "channels", id], "GET") => Ok(Route::Channel(id)),
        (["api", "v1", "channels", id], "PATCH") => Ok(Route::ChangeChannel(id)),
        (["api", "v1", "channels", id], "DELETE") => Ok(Route::DeleteChannel(id)),
        (["api", "v1", "channels", _], _) => Err(Method("GET, PATCH, DELETE")),
        (["api", "v1", "channels", id, "test"], "POST") => Ok(Route::TestChannel(id)),
        (["api", "v1", "channels", id, "replay"], "POST") => Ok(Route::ReplayChannel(id)),
        (["api", "v1", "channels", _, "test" | "replay"], _) => Err(Method("POST")),
        (["api", "v1", "deliveries"], "GET") => Ok(Route::Deliveries),
        (["api", "v1", "deliveries"], _) => Err(Method("GET")),
        (["api", "v1", "deliveries", id, "replay"], "POST") => Ok(Route::ReplayDelivery(id)),
        (["api", "v1", "deliveries", _, "replay"], _) => Err(Method("POST")),
        (["api", "v1", "events"], "GET") => Ok(Route::Events),
        (["api", "v1", "events"], _) => Err(Method("GET")),

        (["api", "xpert", rest @ ..], method) => xpert::route(method, rest).map(Route::Xpert),
        _ => Err(Path),
    }
}

/// `/api/v1/client-rules...`
fn client_rules(method: &str, rest: &[&str]) -> Result<Route<'static>, NoRoute> {
    match (rest, method) {
        ([], "GET") => Ok(Route::ClientRules),
        ([], "PUT") => Ok(Route::ChangeClientRules),
        ([], "DELETE") => Ok(Route::ResetClientRules),
        ([], _) => Err(NoRoute::Method("GET, PUT, DELETE")),
        (["try"], "POST") => Ok(Route::TryClientRules),
        (["try"], _) => Err(NoRoute::Method("POST")),
        _ => Err(NoRoute::Path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_path_with_another_method_names_its_methods() {
        assert_eq!(route("GET", "/agent/v1/sync"), Err(NoRoute::Method("POST")));
        assert_eq!(route("PUT", "/api/v1/users/ann"), Err(NoRoute::Method("GET, PATCH, DELETE")));
        assert_eq!(route("POST", "/api/v1/users/ann/fly"), Err(NoRoute::Path));
        assert_eq!(route("GET", "/nowhere"), Err(NoRoute::Path));
    }

    #[test]
    fn one_path_of_two_faces_is_shared_and_those_below_are_not() {
        assert_eq!(face("/api/user/ann"), Face::Simple { shared: true });
        assert_eq!(face("/api/user/ann/"), Face::Simple { shared: true });
        for path in ["/api/user", "/api/user/", "/api/user/ann/reset", "/api/users", "/api/admin/token", "/api/hosts"] {
            assert_eq!(face(path), Face::Marzban, "{path}");
        }
        let shared = route("PUT", "/api/user/ann").map(Route::in_dialect);
        assert_eq!(shared, Ok(Route::Marzban(Marzban::User(MarzbanUser::Change("ann")))));
    }

    #[test]
    fn a_page_is_asked_for_and_a_language_chosen() {
        assert_eq!(route("GET", "/"), Ok(Route::Page(Page::Home)));
        assert_eq!(route("GET", "/users/ann/edit"), Ok(Route::Page(Page::EditUser("ann"))));
        assert_eq!(route("GET", "/language"), Err(NoRoute::Method("POST")));
    }

    #[test]
    fn a_subscription_may_name_its_format_and_end_with_a_slash() {
        assert_eq!(route("HEAD", "/sub/abc"), Ok(Route::Subscription { token: "abc", format: None }));
        for (path, speaks) in [("/sub/abc", Face::Text), ("/sub/info", Face::Text), ("/sub/abc/info", Face::Marzban)] {
            assert_eq!(face(path), speaks, "{path}");
        }
        assert_eq!(route("GET", "/sub/abc/base64/"), Ok(Route::Subscription { token: "abc", format: Some("base64") }));
    }
}
