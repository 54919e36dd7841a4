//! The Xpert API, `/api/xpert/...`: traffic through other people's servers and the links to them. Errors are
//! `{"detail": "..."}`, as callers of this family expect.

mod cors;
mod direct;
mod fetches;
mod limits;
pub(in crate::http) mod settings;
mod signature;
pub(crate) mod sources;
mod stats;
mod sub;
pub(crate) mod upkeep;
mod variables;
mod webhook;
mod who;

use serde_json::json;
use worker::{Request, Response};

use super::address::parameter;
use super::call::Call;
use super::failure::Failure;
use crate::domain::xpert::figures::MOST_DAYS;
use crate::domain::xpert::report::Broken;
use crate::route::Xpert;

pub(crate) use cors::Origin;

/// Scopes of API keys: reading sums, reading and changing what is handed out and kept.
const STATS: &str = "stats:read";
const READ: &str = "nodes:read";
/// What lets in whoever sees it: shown to whoever may use it.
const LINKS: &str = "nodes:links";
const WRITE: &str = "nodes:write";

/// Answers a request of this face.
pub(super) async fn answer(request: Request, call: &Call, route: Xpert<'_>) -> Result<Response, Failure> {
    match route {
        Xpert::Preflight => Ok(Response::empty()?.with_status(204)),
        Xpert::Report => webhook::record(request, call).await,
        Xpert::UserStats(token) => stats::of_user(&request, call, token).await,
        Xpert::GlobalStats => stats::global(&request, call).await,
        Xpert::MarzbanStats => stats::marzban(&request, call).await,
        Xpert::Cleanup => upkeep::cleanup(&request, call).await,
        Xpert::DatabaseInfo => upkeep::info(&request, call).await,
        Xpert::Settings => settings::show(&request, call).await,
        Xpert::ReplaceSettings => settings::replace(request, call).await,
        Xpert::ChangeSettings => settings::change(request, call).await,
        Xpert::Sub => sub::fetch(&request, call, sub::Of::All).await,
        Xpert::DirectSub => sub::fetch(&request, call, sub::Of::Direct).await,
        Xpert::Fetches => fetches::list(&request, call).await,
        Xpert::DirectConfigs => direct::list(&request, call).await,
        Xpert::AddDirect => direct::add(request, call).await,
        Xpert::AddDirectBatch => direct::add_batch(request, call).await,
        Xpert::ValidateDirect => direct::validate(request, call).await,
        Xpert::ReorderDirect => direct::reorder(request, call).await,
        Xpert::ChangeDirect(id) => direct::change(request, call, id).await,
        Xpert::DeleteDirect(id) => direct::delete(&request, call, id).await,
        Xpert::ToggleDirect(id) => direct::toggle(&request, call, id).await,
        Xpert::Sources => sources::list(&request, call).await,
        Xpert::AddSource => sources::add(request, call).await,
        Xpert::ChangeSource(id) => sources::change(request, call, id).await,
        Xpert::DeleteSource(id) => sources::delete(&request, call, id).await,
        Xpert::ToggleSource(id) => sources::toggle(&request, call, id).await,
        Xpert::UpdateSources => sources::update(request, call).await,
        Xpert::TestUrl => sources::test(request, call).await,
        Xpert::MakeDirectPermanent(id) => direct::permanent(&request, call, id).await,
    }
}

/// A failure as callers of this face read it.
pub(super) fn refusal(message: &str) -> worker::Result<Response> {
    Response::from_json(&json!({ "detail": message }))
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::invalid(broken.field, broken.rule)
    }
}

/// A number in the path; a text that is none names nothing.
fn number(text: &str, none: Failure) -> Result<i64, Failure> {
    text.parse::<u32>().map(i64::from).map_err(|_| none)
}

/// The query parameter `days`.
fn days(request: &Request) -> Result<Option<u32>, Failure> {
    let Some(text) = parameter(request, "days") else { return Ok(None) };
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let days = text.parse().ok().filter(|days| plain && (1..=MOST_DAYS).contains(days));
    days.map(Some).ok_or_else(|| Failure::invalid("days", format!("an integer from 1 to {MOST_DAYS}")))
}
