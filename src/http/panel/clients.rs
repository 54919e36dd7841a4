//! Which client gets which format.

use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::domain::format::{CLIENT_RULES, Rules};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::settings::{self, Row};
use crate::views::panel::{ClientRules, ClientRulesLive, RulePage, RulesState, Section};

/// `GET /settings/clients`, also HEAD
///
/// Queries: 2. Rows read: 2 for the session and 1.
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("settings:read")?;
    let (rules, state) = rules(call).await?;
    let changes = visit.may("settings:write");
    let live = ClientRulesLive::new(&rules, state, changes, &visit.say)
        .map_err(|error| Failure::Broken(format!("client rules: {error}")))?;
    if visit.wants_part {
        return page(&live, 200);
    }
    page(&ClientRules { shell: visit.shell(Section::Clients), words: live.words, changes, live }, 200)
}

/// The rules in force, and whose they are. Where stored ones cannot be read the shipped ones serve, as they do for clients.
async fn rules(call: &Call) -> Result<(Rules, RulesState), Failure> {
    let stored: Option<Row> = call.db.first(settings::read(CLIENT_RULES)).await?;
    let state = match stored.map(|row| Rules::read(&row.value)) {
        Some(Ok(own)) => return Ok((own, RulesState::Own)),
        Some(Err(_)) => RulesState::Unreadable,
        None => RulesState::Shipped,
    };
    let shipped = Rules::built_in().map_err(|error| Failure::Broken(format!("the built-in client rules: {error}")))?;
    Ok((shipped.clone(), state))
}

/// `GET /settings/clients/{place}`, also HEAD
///
/// The place counts from 1. Queries: 2. Rows read: 2 for the session and 1.
pub(super) async fn show(request: &Request, call: &Call, place: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("settings:write")?;
    let (rules, _) = rules(call).await?;
    let index = place.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
    let index = index.filter(|index| *index < rules.all().len()).ok_or(Failure::NotFound("rule"))?;
    form(&visit, &rules, Some(index))
}

/// `GET /new/rule`, also HEAD
///
/// Queries: 2. Rows read: 2 for the session and 1.
pub(super) async fn add(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("settings:write")?;
    let (rules, _) = rules(call).await?;
    form(&visit, &rules, None)
}

fn form(visit: &Visit, rules: &Rules, index: Option<usize>) -> Result<Response, Failure> {
    let template = RulePage::new(visit.shell(Section::Clients), rules, index, &visit.say);
    page(&template.map_err(|error| Failure::Broken(format!("client rules: {error}")))?, 200)
}
