//! Marzban's API, version 0.8.4, for the bots, shops and dashboards that speak it. How its things are ours: docs/marzban.md.

mod admin_json;
mod admins;
mod bearer;
pub mod bodies;
mod core;
mod core_config;
mod fields;
mod host_body;
mod hosts;
mod logs;
mod node_usage;
mod nodes;
mod offered;
mod query;
mod refusal;
mod secret;
mod templates;
mod token;
mod told;
mod user;
mod user_body;
mod user_change;
mod user_deeds;
pub(crate) mod user_json;
mod user_ways;
mod users;

use worker::{Request, Response};

use super::call::Call;
use super::failure::Failure;
use crate::route::{Core, Marzban, MarzbanNodes};

pub(super) use bearer::authorize;
pub(super) use node_usage::of_user as usage_by_node;
pub(super) use refusal::refusal;
pub(super) use secret::{answer as settings, key as secret_key};
pub(super) use token::enter;
pub(crate) use told::Told;
pub(super) use user_json::{Scene, UserResponse};

/// Answers a request of this face. A bearer is needed everywhere, also where a session's cookie comes along: a browser sends that by
/// itself. What opens a WebSocket says its token in the query as well.
pub(super) async fn answer(request: Request, call: &Call, route: Marzban<'_>) -> Result<Response, Failure> {
    let is_log = matches!(route, Marzban::Core(Core::Logs) | Marzban::Nodes(MarzbanNodes::Logs(_)));
    if let Some(refused) = refusal::without_bearer(&request)?.filter(|_| !is_log) {
        return Ok(refused);
    }
    match route {
        Marzban::Admins(route) => admins::answer(request, call, route).await,
        Marzban::Core(route) => core::answer(request, call, route).await,
        Marzban::Nodes(route) => nodes::answer(request, call, route).await,
        Marzban::Hosts => hosts::show(&request, call).await,
        Marzban::ChangeHosts => hosts::change(request, call).await,
        Marzban::Templates(route) => templates::answer(request, call, route).await,
        Marzban::User(route) => user::answer(request, call, route).await,
        Marzban::Users(route) => users::answer(&request, call, route).await,
    }
}
