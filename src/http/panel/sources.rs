//! Subscriptions of others, and links that are handed out as they are.

use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::domain::source::rules::Rules;
use crate::http::address::parameter;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::sources::{self, Source, State};
use crate::store::xpert_direct::{self, Config};
use crate::views::panel::{AddSource, Section, SourcePage, Sources, SourcesLive, Turn};

/// Direct configs on a page.
const PAGE: u32 = 50;

/// `GET /sources`, also HEAD
///
/// Query: `offset` of the direct configs. Queries: 4. Rows read: 2 for the session, the sources and 1, and 2 per direct config. What lets in
/// whoever has it, an address or a link, is left out for who may not change it.
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("nodes:read")?;
    let offset = parameter(request, "offset").and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
    // With the one before and the one after, whose places those at the ends can take.
    let (before, more) = (offset.min(1), 1);
    let configs = xpert_direct::page(offset - before, before + PAGE + more);
    let outcomes = call.db.batch(&[sources::all(), sources::state(), configs]).await?;
    let [sources, state, configs] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of three gave other".into()));
    };
    let sources: Vec<Source> = sources.rows()?;
    let configs: Vec<Config> = configs.rows()?;
    let state = state.rows::<State>()?.pop();
    let changes = visit.may("nodes:write");
    let turn = Turn { offset, size: PAGE };
    let note = state.and_then(|state| state.note);
    let live = SourcesLive::new(&sources, note, &configs, turn, (visit.may("nodes:links"), changes), &visit.say);
    if visit.wants_part {
        return page(&live, 200);
    }
    page(&Sources { shell: visit.shell(Section::Sources), words: live.words, changes, live }, 200)
}

/// `GET /sources/{id}`, also HEAD
///
/// Queries: 2. Rows read: 2 for the session and 1.
pub(super) async fn show(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    // The form has the address in it.
    visit.ask("nodes:links")?;
    visit.ask("nodes:write")?;
    let missing = || Failure::NotFound("source");
    let id: i64 = id.parse().map_err(|_| missing())?;
    let source: Source = call.db.first(sources::one(id)).await?.ok_or_else(missing)?;
    let rules: Rules = serde_json::from_str(&source.rules)
        .map_err(|error| Failure::Broken(format!("rules of source {}: {error}", source.id)))?;
    page(&SourcePage::new(visit.shell(Section::Sources), &source, rules, &visit.say), 200)
}

/// `GET /new/source`, also HEAD
///
/// Rows read: 2 for the session.
pub(super) async fn add(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("nodes:write")?;
    page(&AddSource::new(visit.shell(Section::Sources), &visit.say), 200)
}
