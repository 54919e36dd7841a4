//! The faces: routing, authorisation and rendering. A handler parses, authorises, calls and renders.

pub(crate) mod accounts;
pub(crate) mod address;
pub(crate) mod agent;
pub(crate) mod api;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod bulk;
mod by_hand;
pub(crate) mod call;
mod devices;
pub(crate) mod failure;
pub(crate) mod fetch_log;
pub(crate) mod history;
mod install;
pub(crate) mod marzban;
mod metrics;
pub(crate) mod panel;
mod passkeys;
pub(crate) mod settings;
pub(crate) mod simple;
pub(crate) mod slots;
pub(crate) mod sub;
mod turn;
pub(crate) mod two_factor;
mod ways;
pub(crate) mod xpert;

use serde_json::json;
use worker::{Env, Request, Response, console_error};

use crate::domain::notice::texts::Language;
use crate::route::{Face, NoRoute, Route, face, route};
use crate::views::panel::words::rules::translated;
use call::{Call, bearer};
use failure::Failure;

/// The header that names a call whose trace stands in a log.
const REQUEST_ID: &str = "x-request-id";

/// Answers any request: routes it, and turns a failure into its face's form.
pub(crate) async fn answer(request: Request, env: Env) -> worker::Result<Response> {
    let path = request.path();
    let speaks = spoken(&request, &path);
    #[cfg(feature = "faults")]
    crate::faults::arm(&request, &env);
    let show_cost = env.var("WEIR_SHOW_COST").is_ok();
    // Agents and programs written for others' APIs are told in English, so the busiest paths need not look.
    let language = match speaks {
        Face::Agent | Face::Simple { .. } | Face::Marzban => None,
        Face::Api | Face::Panel | Face::Text | Face::Xpert => panel::visit::of_page(&request),
    };
    let origin = (speaks == Face::Xpert).then(|| xpert::Origin::of(&request, &env));
    let mut response = match Call::new(env) {
        Ok(call) => {
            let answer = dispatch(request, &path, speaks, &call).await;
            let mut response =
                answer.or_else(|failure| refuse(speaks, &failure, call.id().unwrap_or_default(), language))?;
            if let Some(id) = call.drawn_id() {
                response.headers_mut().set(REQUEST_ID, id)?;
            }
            crate::spending::add_request(call.db.cost());
            if show_cost {
                let cost = call.db.cost();
                let text = format!("queries={} read={} written={}", cost.queries, cost.read, cost.written);
                // A response whose headers are fixed (a WebSocket upgrade) goes without.
                let _ = response.headers_mut().set("weir-cost", &text);
            }
            response
        }
        Err(failure) => refuse(speaks, &failure, "", language)?,
    };
    if let Some(origin) = origin {
        origin.allow(&mut response)?;
    }
    harden(&mut response);
    Ok(response)
}

/// The face that a request means: on the paths that the simple API shares with Marzban's, a bearer that is none of our keys is meant
/// for Marzban's.
fn spoken(request: &Request, path: &str) -> Face {
    let face = face(path);
    if face != (Face::Simple { shared: true }) {
        return face;
    }
    let of_marzban = bearer(request).ok().flatten().is_some_and(|key| !key.starts_with("weir_"));
    if of_marzban { Face::Marzban } else { face }
}

async fn dispatch(request: Request, path: &str, speaks: Face, call: &Call) -> Result<Response, Failure> {
    xpert::sources::refuse(&request, call)?;
    // As it was sent: the type of the request takes every method that it does not know for GET.
    let method = request.inner().method();
    let found = route(&method, path);
    let found = if speaks == Face::Marzban { found.map(Route::in_dialect) } else { found };
    match found {
        Err(NoRoute::Path) => Err(Failure::NotFound("page")),
        Err(NoRoute::Method(allow)) => Err(Failure::Method(allow)),
        Ok(Route::AgentSync) => agent::sync::sync(request, call).await,
        Ok(Route::AgentEnroll) => agent::enroll::enroll(request, call).await,
        Ok(Route::AgentBell) => agent::bell::listen(request, call).await,
        Ok(Route::Install) => install::show(&request, call).await,
        Ok(Route::Metrics) => metrics::metrics(&request, call).await,
        Ok(Route::Health) => api::health::health(call).await,
        Ok(Route::Users) => api::users::list(&request, call).await,
        Ok(Route::CreateUser) => api::users::create(request, call).await,
        Ok(Route::User(name)) => api::users::get(&request, call, name).await,
        Ok(Route::ChangeUser(name)) => api::users::change(request, call, name).await,
        Ok(Route::DeleteUser(name)) => api::users::delete(&request, call, name).await,
        Ok(Route::ActOnUser(name, action)) => api::users::do_to(&request, call, name, action).await,
        Ok(Route::Resets(name)) => api::resets::preview(&request, call, name).await,
        Ok(Route::Packages(name)) => api::packages::list(&request, call, name).await,
        Ok(Route::BuyPackage(name)) => api::packages::buy(request, call, name).await,
        Ok(Route::RefundPackage(name, order)) => api::packages::refund(&request, call, name, order).await,
        Ok(Route::UserUsage(name)) => api::usage::of_user(&request, call, name).await,
        Ok(Route::Periods(name)) => api::usage::periods(&request, call, name).await,
        Ok(Route::Explain(name)) => api::explain::explain(&request, call, name).await,
        Ok(Route::Usage) => api::usage::of_all(&request, call).await,
        Ok(Route::UserAddresses(name)) => api::sharing::addresses(&request, call, name).await,
        Ok(Route::UserSubscription(name)) => api::user_subscription::show(&request, call, name).await,
        Ok(Route::Credentials(name)) => api::credentials::show(&request, call, name).await,
        Ok(Route::SetCredentials(name)) => api::credentials::set(request, call, name).await,
        Ok(Route::ForgetCredentials(name)) => api::credentials::forget(&request, call, name).await,
        Ok(Route::Aliases(route)) => api::aliases::answer(request, call, route).await,
        Ok(Route::Devices(name)) => api::devices::list(&request, call, name).await,
        Ok(Route::ForgetDevices(name)) => api::devices::forget(&request, call, name, None).await,
        Ok(Route::RenameDevice(name, id)) => api::devices::rename(request, call, name, id).await,
        Ok(Route::ForgetDevice(name, id)) => api::devices::forget(&request, call, name, Some(id)).await,
        Ok(Route::Suspicious) => api::sharing::suspicious(&request, call).await,
        Ok(Route::Nodes(route)) => api::nodes::answer(request, call, route).await,
        Ok(Route::Operators(route)) => api::operators::answer(request, call, route).await,
        Ok(Route::Keys) => api::keys::list(&request, call).await,
        Ok(Route::CreateKey) => api::keys::create(request, call).await,
        Ok(Route::DeleteKey(id)) => api::keys::delete(&request, call, id).await,
        Ok(Route::Me(route)) => api::me::answer(request, call, route).await,
        Ok(Route::OwnUser(name)) => api::owner::set(request, call, name).await,
        Ok(Route::Backups) => api::backups::list(&request, call).await,
        Ok(Route::MakeBackup) => api::backups::make(&request, call).await,
        Ok(Route::Backup(instant)) => api::backups::show(&request, call, instant).await,
        Ok(Route::BackupPart(instant, part)) => api::backups::part(&request, call, instant, part).await,
        Ok(Route::BulkActions) => api::bulk::list(&request, call).await,
        Ok(Route::PreviewBulk) => api::bulk::preview(request, call).await,
        Ok(Route::StartBulk) => api::bulk::create(request, call).await,
        Ok(Route::BulkAction(id)) => api::bulk::get(&request, call, id).await,
        Ok(Route::UndoBulk(id)) => api::bulk::undo(&request, call, id).await,
        Ok(Route::StopBulk(id)) => api::bulk::stop(&request, call, id).await,
        Ok(Route::Plans) => api::plans::list(&request, call).await,
        Ok(Route::CreatePlan) => api::plans::create(request, call).await,
        Ok(Route::Plan(name)) => api::plans::get(&request, call, name).await,
        Ok(Route::ChangePlan(name)) => api::plans::change(request, call, name).await,
        Ok(Route::DeletePlan(name)) => api::plans::delete(&request, call, name).await,
        Ok(Route::PlanChanges(name)) => api::plan_changes::preview(&request, call, name).await,
        Ok(Route::ApplyPlan(name)) => api::plan_changes::apply(request, call, name).await,
        Ok(Route::Jobs) => api::jobs::list(&request, call).await,
        Ok(Route::RunJob(name)) => api::jobs::run(&request, call, name).await,
        Ok(Route::Settings(area)) => api::settings::answer(request, call, area).await,
        Ok(Route::ClientRules) => api::client_rules::show(&request, call).await,
        Ok(Route::ChangeClientRules) => api::client_rules::replace(request, call).await,
        Ok(Route::ResetClientRules) => api::client_rules::reset(&request, call).await,
        Ok(Route::TryClientRules) => api::client_rules::attempt(request, call).await,
        Ok(Route::Audit) => api::audit::list(&request, call).await,
        Ok(Route::VerifyAudit) => api::audit::check(&request, call).await,
        Ok(Route::Channels) => api::channels::list(&request, call).await,
        Ok(Route::CreateChannel) => api::channels::create(request, call).await,
        Ok(Route::Channel(id)) => api::channels::get(&request, call, id).await,
        Ok(Route::ChangeChannel(id)) => api::channels::change(request, call, id).await,
        Ok(Route::DeleteChannel(id)) => api::channels::delete(&request, call, id).await,
        Ok(Route::TestChannel(id)) => api::channels::test(request, call, id).await,
        Ok(Route::ReplayChannel(id)) => api::channels::replay(&request, call, id).await,
        Ok(Route::Deliveries) => api::deliveries::list(&request, call).await,
        Ok(Route::ReplayDelivery(id)) => api::deliveries::replay(&request, call, id).await,
        Ok(Route::Events) => api::deliveries::events(&request, call).await,
        Ok(Route::SimpleUser(name)) => simple::users::get(&request, call, name).await,
        Ok(Route::ChangeSimpleUser(name)) => simple::users::change(request, call, name).await,
        Ok(Route::DeleteSimpleUser(name)) => simple::users::delete(&request, call, name).await,
        Ok(Route::AddUser) => simple::users::add(request, call).await,
        Ok(Route::ResetTraffic(name)) => simple::users::reset(&request, call, name).await,
        Ok(Route::Stats) => simple::stats(&request, call).await,
        Ok(Route::Subscription { token, format }) => sub::fetch(&request, call, token, format).await,
        Ok(Route::Xpert(route)) => xpert::answer(request, call, route).await,
        Ok(Route::Page(of)) => panel::answer(&request, call, of).await,
        Ok(Route::Language) => panel::visit::choose(request).await,
        Ok(Route::LoginPage) => panel::sign_in::ask(&request, call).await,
        Ok(Route::LoginChallenge) => panel::sign_in::challenge(&request, call),
        Ok(Route::Login) => panel::sign_in::enter(request, call).await,
        Ok(Route::MarzbanToken) => marzban::enter(request, call).await,
        Ok(Route::Marzban(route)) => marzban::answer(request, call, route).await,
        Ok(Route::Logout) => panel::sign_in::leave(&request, call).await,
    }
}

/// A failure in the form that callers of this face expect, and in the `language` of the page that called. Internal text is logged here,
/// once, and never leaves.
fn refuse(face: Face, failure: &Failure, id: &str, language: Option<Language>) -> worker::Result<Response> {
    let (status, code, english) = failure.describe();
    let message = language.and_then(|language| told(failure, &english, language)).unwrap_or(english);
    if let Some(internal) = failure.internal() {
        console_error!("request failed id={id} status={status} error={internal}");
    }
    let answered = |response: Response| (status, response);
    let (status, response) = match face {
        Face::Agent => answered(agent::refusal(failure)?),
        Face::Api => {
            let field = if let Failure::Invalid { field, .. } = failure { Some(field) } else { None };
            let mut error = json!({ "code": code, "message": message });
            if let (Some(field), Some(error)) = (field, error.as_object_mut()) {
                error.insert("field".into(), json!(field));
            }
            answered(Response::from_json(&json!({ "error": error }))?)
        }
        Face::Simple { shared } => answered(simple::refusal(failure, shared)?),
        Face::Panel => answered(panel::refusal(failure).or_else(|_| Response::ok(format!("{message}\n")))?),
        Face::Text => answered(Response::ok(format!("{message}\n"))?),
        // It has statuses of its own.
        Face::Marzban => marzban::refusal(failure)?,
        Face::Xpert => answered(xpert::refusal(&message)?),
    };
    let mut response = response.with_status(status);
    let headers = response.headers_mut();
    match failure {
        Failure::Method(allow) => headers.set("allow", allow)?,
        Failure::TooOften(wait) => headers.set("retry-after", &wait.to_string())?,
        Failure::Unauthorized => headers.set("www-authenticate", "Bearer")?,
        _ => {}
    }
    Ok(response)
}

/// What a page's own call is told, as far as somebody has put it into the page's language.
fn told(failure: &Failure, english: &str, language: Language) -> Option<String> {
    match failure {
        Failure::Invalid { field, rule } => Some(format!("{field}: {}", translated(rule, language)?)),
        _ => translated(english, language),
    }
}

/// Headers of every answer. The static assets carry the same ones through `public/_headers`.
fn harden(response: &mut Response) {
    const HEADERS: [(&str, &str); 6] = [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        // For browsers that do not know `frame-ancestors`.
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=31536000"),
        ("cache-control", "no-store"),
    ];
    for (name, value) in HEADERS {
        // A response whose headers are fixed (a WebSocket upgrade) goes without.
        if matches!(response.headers().has(name), Ok(false)) {
            let _ = response.headers_mut().set(name, value);
        }
    }
}
