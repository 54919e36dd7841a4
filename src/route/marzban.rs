//! The URLs of Marzban's API below `/api`, beside the sign-in.

use super::NoRoute::{self, Method, Path};

/// What a request to Marzban's API wants. Path parameters are still percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marzban<'a> {
    /// Below `/api/admin` and `/api/admins`
    Admins(Admins<'a>),
    /// Below `/api/core`, and `GET /api/system` and `GET /api/inbounds`
    Core(Core),
    /// Below `/api/node` and `/api/nodes`
    Nodes(MarzbanNodes<'a>),
    /// `GET /api/hosts`
    Hosts,
    /// `PUT /api/hosts`
    ChangeHosts,
    /// Below `/api/user_template`
    Templates(Templates<'a>),
    /// Below `/api/user`
    User(MarzbanUser<'a>),
    /// Below `/api/users`
    Users(MarzbanUsers),
}

/// Admins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admins<'a> {
    /// `GET /api/admin`
    Own,
    /// `POST /api/admin`
    Create,
    /// `PUT /api/admin/{username}`
    Change(&'a str),
    /// `DELETE /api/admin/{username}`
    Delete(&'a str),
    /// `GET /api/admins`
    List,
    /// `POST /api/admin/{username}/users/disable`
    DisableUsers(&'a str),
    /// `POST /api/admin/{username}/users/activate`
    ActivateUsers(&'a str),
    /// `POST /api/admin/usage/reset/{username}`
    ResetUsage(&'a str),
    /// `GET /api/admin/usage/{username}`
    Usage(&'a str),
}

/// The core, and what is said of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// `GET /api/core`
    Get,
    /// `POST /api/core/restart`
    Restart,
    /// `GET /api/core/config`
    Config,
    /// `PUT /api/core/config`
    ChangeConfig,
    /// `GET /api/core/logs`, a WebSocket
    Logs,
    /// `GET /api/system`
    System,
    /// `GET /api/inbounds`
    Inbounds,
}

/// Nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarzbanNodes<'a> {
    /// `GET /api/node/settings`
    Settings,
    /// `POST /api/node`
    Create,
    /// `GET /api/node/{id}`
    Get(&'a str),
    /// `PUT /api/node/{id}`
    Change(&'a str),
    /// `DELETE /api/node/{id}`
    Delete(&'a str),
    /// `POST /api/node/{id}/reconnect`
    Reconnect(&'a str),
    /// `GET /api/node/{id}/logs`, a WebSocket
    Logs(&'a str),
    /// `GET /api/nodes`
    List,
    /// `GET /api/nodes/usage`
    Usage,
}

/// Templates of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Templates<'a> {
    /// `GET /api/user_template`
    List,
    /// `POST /api/user_template`
    Create,
    /// `GET /api/user_template/{id}`
    Get(&'a str),
    /// `PUT /api/user_template/{id}`
    Change(&'a str),
    /// `DELETE /api/user_template/{id}`
    Delete(&'a str),
}

/// One user. The first three share their path with the simple API: the credential decides ([`super::Route::in_dialect`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarzbanUser<'a> {
    /// `GET /api/user/{username}`
    Get(&'a str),
    /// `PUT /api/user/{username}`
    Change(&'a str),
    /// `DELETE /api/user/{username}`
    Delete(&'a str),
    /// `POST /api/user`
    Create,
    /// `POST /api/user/{username}/reset`
    Reset(&'a str),
    /// `POST /api/user/{username}/revoke_sub`
    Revoke(&'a str),
    /// `GET /api/user/{username}/usage`
    Usage(&'a str),
    /// `POST /api/user/{username}/active-next`
    ActiveNext(&'a str),
    /// `PUT /api/user/{username}/set-owner`
    SetOwner(&'a str),
}

/// Many users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarzbanUsers {
    /// `GET /api/users`
    List,
    /// `POST /api/users/reset`
    ResetAll,
    /// `GET /api/users/usage`
    Usage,
    /// `GET /api/users/expired`
    Expired,
    /// `DELETE /api/users/expired`
    DeleteExpired,
}

/// Whether Marzban's API has the paths below this first segment after `/api`.
pub(super) fn has(first: &str) -> bool {
    matches!(
        first,
        "admin" | "admins" | "core" | "node" | "nodes" | "system" | "inbounds" | "hosts" | "user_template" | "users"
    )
}

/// Finds the route of what follows `/api`.
pub(super) fn route<'a>(method: &str, segments: &[&'a str]) -> Result<Marzban<'a>, NoRoute> {
    match segments {
        ["admin" | "admins", ..] => admins(method, segments).map(Marzban::Admins),
        ["core", ..] | ["system" | "inbounds"] => core(method, segments).map(Marzban::Core),
        ["node" | "nodes", ..] => nodes(method, segments).map(Marzban::Nodes),
        ["hosts"] => match method {
            "GET" => Ok(Marzban::Hosts),
            "PUT" => Ok(Marzban::ChangeHosts),
            _ => Err(Method("GET, PUT")),
        },
        ["user_template", rest @ ..] => templates(method, rest).map(Marzban::Templates),
        ["user", rest @ ..] => user(method, rest).map(Marzban::User),
        ["users", rest @ ..] => users(method, rest).map(Marzban::Users),
        _ => Err(Path),
    }
}

fn admins<'a>(method: &str, segments: &[&'a str]) -> Result<Admins<'a>, NoRoute> {
    match (segments, method) {
        (["admin"], "GET") => Ok(Admins::Own),
        (["admin"], "POST") => Ok(Admins::Create),
        (["admin"], _) => Err(Method("GET, POST")),
        (["admin", name], "PUT") => Ok(Admins::Change(name)),
        (["admin", name], "DELETE") => Ok(Admins::Delete(name)),
        (["admin", _], _) => Err(Method("PUT, DELETE")),
        (["admin", "usage", "reset", name], "POST") => Ok(Admins::ResetUsage(name)),
        (["admin", name, "users", "disable"], "POST") => Ok(Admins::DisableUsers(name)),
        (["admin", name, "users", "activate"], "POST") => Ok(Admins::ActivateUsers(name)),
        (["admin", "usage", "reset", _] | ["admin", _, "users", "disable" | "activate"], _) => Err(Method("POST")),
        (["admin", "usage", name], "GET") => Ok(Admins::Usage(name)),
        (["admins"], "GET") => Ok(Admins::List),
        (["admin", "usage", _] | ["admins"], _) => Err(Method("GET")),
        _ => Err(Path),
    }
}

fn core(method: &str, segments: &[&str]) -> Result<Core, NoRoute> {
    match (segments, method) {
        (["core"], "GET") => Ok(Core::Get),
        (["core", "restart"], "POST") => Ok(Core::Restart),
        (["core", "restart"], _) => Err(Method("POST")),
        (["core", "config"], "GET") => Ok(Core::Config),
        (["core", "config"], "PUT") => Ok(Core::ChangeConfig),
        (["core", "config"], _) => Err(Method("GET, PUT")),
        (["core", "logs"], "GET") => Ok(Core::Logs),
        (["system"], "GET") => Ok(Core::System),
        (["inbounds"], "GET") => Ok(Core::Inbounds),
        (["core" | "system" | "inbounds"] | ["core", "logs"], _) => Err(Method("GET")),
        _ => Err(Path),
    }
}

#[expect(clippy::match_same_arms, reason = "one line per URL and method, in the order of the URLs, reads as a table")]
fn nodes<'a>(method: &str, segments: &[&'a str]) -> Result<MarzbanNodes<'a>, NoRoute> {
    match (segments, method) {
        (["node", "settings"], "GET") => Ok(MarzbanNodes::Settings),
        (["node", "settings"], _) => Err(Method("GET")),
        (["node"], "POST") => Ok(MarzbanNodes::Create),
        (["node"], _) => Err(Method("POST")),
        (["node", id], "GET") => Ok(MarzbanNodes::Get(id)),
        (["node", id], "PUT") => Ok(MarzbanNodes::Change(id)),
        (["node", id], "DELETE") => Ok(MarzbanNodes::Delete(id)),
        (["node", _], _) => Err(Method("GET, PUT, DELETE")),
        (["node", id, "reconnect"], "POST") => Ok(MarzbanNodes::Reconnect(id)),
        (["node", _, "reconnect"], _) => Err(Method("POST")),
        (["node", id, "logs"], "GET") => Ok(MarzbanNodes::Logs(id)),
        (["nodes"], "GET") => Ok(MarzbanNodes::List),
        (["nodes", "usage"], "GET") => Ok(MarzbanNodes::Usage),
        (["node", _, "logs"] | ["nodes"] | ["nodes", "usage"], _) => Err(Method("GET")),
        _ => Err(Path),
    }
}

fn templates<'a>(method: &str, segments: &[&'a str]) -> Result<Templates<'a>, NoRoute> {
    match (segments, method) {
        ([], "GET") => Ok(Templates::List),
        ([], "POST") => Ok(Templates::Create),
        ([], _) => Err(Method("GET, POST")),
        ([id], "GET") => Ok(Templates::Get(id)),
        ([id], "PUT") => Ok(Templates::Change(id)),
        ([id], "DELETE") => Ok(Templates::Delete(id)),
        ([_], _) => Err(Method("GET, PUT, DELETE")),
        _ => Err(Path),
    }
}

#[expect(clippy::match_same_arms, reason = "one line per URL and method, in the order of the URLs, reads as a table")]
fn user<'a>(method: &str, segments: &[&'a str]) -> Result<MarzbanUser<'a>, NoRoute> {
    match (segments, method) {
        ([], "POST") => Ok(MarzbanUser::Create),
        ([], _) => Err(Method("POST")),
        ([name], "GET") => Ok(MarzbanUser::Get(name)),
        ([name], "PUT") => Ok(MarzbanUser::Change(name)),
        ([name], "DELETE") => Ok(MarzbanUser::Delete(name)),
        ([_], _) => Err(Method("GET, PUT, DELETE")),
        ([name, "reset"], "POST") => Ok(MarzbanUser::Reset(name)),
        ([name, "revoke_sub"], "POST") => Ok(MarzbanUser::Revoke(name)),
        ([name, "active-next"], "POST") => Ok(MarzbanUser::ActiveNext(name)),
        ([_, "reset" | "revoke_sub" | "active-next"], _) => Err(Method("POST")),
        ([name, "usage"], "GET") => Ok(MarzbanUser::Usage(name)),
        ([_, "usage"], _) => Err(Method("GET")),
        ([name, "set-owner"], "PUT") => Ok(MarzbanUser::SetOwner(name)),
        ([_, "set-owner"], _) => Err(Method("PUT")),
        _ => Err(Path),
    }
}

fn users(method: &str, segments: &[&str]) -> Result<MarzbanUsers, NoRoute> {
    match (segments, method) {
        ([], "GET") => Ok(MarzbanUsers::List),
        (["usage"], "GET") => Ok(MarzbanUsers::Usage),
        ([] | ["usage"], _) => Err(Method("GET")),
        (["reset"], "POST") => Ok(MarzbanUsers::ResetAll),
        (["reset"], _) => Err(Method("POST")),
        (["expired"], "GET") => Ok(MarzbanUsers::Expired),
        (["expired"], "DELETE") => Ok(MarzbanUsers::DeleteExpired),
        (["expired"], _) => Err(Method("GET, DELETE")),
        _ => Err(Path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(method: &str, path: &'a str) -> Result<Marzban<'a>, NoRoute> {
        route(method, &path.split('/').collect::<Vec<_>>())
    }

    #[test]
    fn what_is_declared_before_a_parameter_is_no_parameter() {
        assert_eq!(at("GET", "node/settings"), Ok(Marzban::Nodes(MarzbanNodes::Settings)));
        assert_eq!(at("PUT", "node/settings"), Err(Method("GET")));
        assert_eq!(at("GET", "node/7"), Ok(Marzban::Nodes(MarzbanNodes::Get("7"))));
        assert_eq!(at("GET", "admin/usage/ann"), Ok(Marzban::Admins(Admins::Usage("ann"))));
        assert_eq!(at("POST", "admin/usage/reset/ann"), Ok(Marzban::Admins(Admins::ResetUsage("ann"))));
        assert_eq!(at("GET", "users/usage"), Ok(Marzban::Users(MarzbanUsers::Usage)));
    }

    #[test]
    fn an_unknown_path_is_no_path_and_another_method_names_those_that_are() {
        assert_eq!(at("GET", "user/ann/links"), Err(Path));
        assert_eq!(at("GET", "core/x"), Err(Path));
        assert_eq!(at("PATCH", "hosts"), Err(Method("GET, PUT")));
        assert_eq!(at("GET", "user"), Err(Method("POST")));
        assert_eq!(at("POST", "users/expired"), Err(Method("GET, DELETE")));
    }
}
