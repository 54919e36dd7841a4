//! Webhooks in Marzban's form.

use weir_wire::Second;

use super::Outcome;
use super::send::post;
use super::webhook::REFUSALS;
use crate::domain::notice::channel::Webhook;
use crate::domain::notice::{Event, marzban};
use crate::http::call::Call;
use crate::http::marzban::Told;

/// Sends events as such receivers read them. The test of a channel, which Marzban does not know, is an empty list.
pub(super) async fn send(target: &Webhook, call: &Call, events: &[Event], now: Second) -> Outcome {
    let ids: Vec<i64> = events.iter().filter_map(marzban::user_of).collect();
    let told = match Told::read(call, &ids, &target.panel).await {
        Ok(told) => told,
        Err(failure) => return Outcome::failed(failure.describe().2),
    };
    let item = |event| {
        let (user, owner) = told.user(marzban::user_of(event));
        marzban::item(event, user, owner, now)
    };
    let items: Vec<serde_json::Value> = events.iter().filter_map(item).collect();
    let body = serde_json::Value::from(items).to_string();
    let names = events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>().join(",");
    let signed = marzban::sign(&target.secret, &body);
    let headers = [
        ("weir-event-id", names.as_str()),
        ("x-webhook-secret", target.secret.as_str()),
        ("x-webhook-signature", signed.as_str()),
    ];
    post(&target.url, &headers, &body).await.map_or_else(Outcome::failed, |answer| answer.outcome(&REFUSALS))
}
