//! Channels and what became of that which they were to tell.

use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::domain::notice::channel::{Rules, Target};
use crate::http::address::parameter;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::notify;
use crate::store::channels::{self, Channel};
use crate::store::deliveries::{self, Shown, parts};
use crate::views::panel::{
    AddChannel, Alerts, AlertsLive, ChannelFacts, ChannelPage, DeliveryFilter, Section, TARGET_KINDS,
};

/// Deliveries on a page.
const PAGE: u32 = 50;
/// The same, for lengths.
const PAGE_LENGTH: usize = 50;
/// Beyond every delivery.
const NEWEST: (i64, i64) = (1 << 52, 0);

/// `GET /alerts`, also HEAD
///
/// Query: `state`, `channel`, `before` (a delivery's id). Queries: 3. Rows read: 2 for the session, the channels, and 2 per delivery shown; with a filter
/// by channel or `delivered` those passed over too, so such a page does not refresh itself.
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("channels:read")?;
    let text = |name| parameter(request, name).unwrap_or_default();
    let wanted = text("state");
    let filter = DeliveryFilter {
        state: DeliveryFilter::STATES.into_iter().find(|state| *state == wanted).unwrap_or_default(),
        channel: text("channel").parse().ok(),
    };
    let before = parts(&text("before"));
    let shown = deliveries::list(filter.channel, filter.state, before.unwrap_or(NEWEST), PAGE + 1);
    let outcomes = call.db.batch(&[channels::all(), shown]).await?;
    let [channels, deliveries] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of two gave other".into()));
    };
    let channels: Vec<Channel> = channels.rows()?;
    let facts = channels.iter().map(|channel| facts(call, channel)).collect::<Result<Vec<_>, _>>()?;
    let mut rows: Vec<Shown> = deliveries.rows()?;
    let more = rows.len() > PAGE_LENGTH;
    rows.truncate(PAGE_LENGTH);
    let changes = visit.may("channels:write");
    let live = AlertsLive::new(&facts, &rows, filter, (before.is_some(), more), changes, &visit.say);
    if visit.wants_part {
        return page(&live, 200);
    }
    page(&Alerts { shell: visit.shell(Section::Alerts), words: live.words, changes, live }, 200)
}

/// What is known of a channel. One that was sealed under another key has no target and can still be seen.
fn facts<'a>(call: &Call, channel: &'a Channel) -> Result<ChannelFacts<'a>, Failure> {
    let rules: Rules = serde_json::from_str(&channel.rules)
        .map_err(|error| Failure::Broken(format!("rules of channel {}: {error}", channel.id)))?;
    let target: Option<Target> = match notify::open_target(call, &channel.target) {
        Ok(target) => Some(target),
        Err(Failure::Conflict { .. }) => None,
        Err(failure) => return Err(failure),
    };
    Ok(ChannelFacts { channel, rules, target })
}

/// `GET /alerts/{id}`, also HEAD
///
/// Queries: 2. Rows read: 2 for the session and 1.
pub(super) async fn show(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("channels:read")?;
    let missing = || Failure::NotFound("channel");
    let id: i64 = id.parse().map_err(|_| missing())?;
    let channel: Channel = call.db.first(channels::one(id)).await?.ok_or_else(missing)?;
    let facts = facts(call, &channel)?;
    let shell = visit.shell(Section::Alerts);
    page(&ChannelPage::new(shell, &facts, visit.may("channels:write"), &visit.say), 200)
}

/// `GET /new/channel`, also HEAD
///
/// Query: `type` (`webhook`, `telegram`, `email`). Rows read: 2 for the session.
pub(super) async fn add(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("channels:write")?;
    let wanted = parameter(request, "type").unwrap_or_default();
    let kind = TARGET_KINDS.into_iter().find(|kind| *kind == wanted).unwrap_or("webhook");
    page(&AddChannel::new(visit.shell(Section::Alerts), kind, &visit.say), 200)
}
