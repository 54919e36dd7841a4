//! Signed webhooks.

use weir_wire::Second;

use super::Outcome;
use super::send::post;
use crate::domain::notice::channel::Webhook;
use crate::domain::notice::{Event, signature};

/// Answers by which an endpoint refuses a message and not everybody.
pub(super) const REFUSALS: [u16; 4] = [400, 413, 415, 422];

/// Sends events as a JSON list, signed with the time.
pub(super) async fn send(target: &Webhook, events: &[Event], now: Second) -> Outcome {
    let Ok(body) = serde_json::to_string(events) else {
        return Outcome::refused("it cannot be written as JSON");
    };
    let ids = events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>().join(",");
    let (time, signed) = (now.get().to_string(), signature::sign(&target.secret, now, &body));
    let headers = [("weir-event-id", ids.as_str()), ("weir-timestamp", &time), ("weir-signature", &signed)];
    post(&target.url, &headers, &body).await.map_or_else(Outcome::failed, |answer| answer.outcome(&REFUSALS))
}
