//! Messages of a Telegram bot.

use serde::Deserialize;
use serde_json::json;

use super::send::post;
use super::{Line, Outcome};
use crate::domain::notice::channel::Telegram;
use crate::domain::notice::{Event, texts};

/// Letters of a message; the API takes 4,096 UTF-16 units.
const MAX_TEXT: usize = 2_000;

/// What the API says beside the status.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<i64>,
}

/// Sends events as one plain text: nothing in it is taken for markup.
pub(super) async fn send(target: &Telegram, line: &Line<'_>, events: &[Event]) -> Outcome {
    let rules = line.rules;
    let part = |event: &Event| {
        let message = texts::message(event, line.audience, rules.language, rules.time_zone);
        format!("{}\n{}", message.title, message.text)
    };
    let text: String = events.iter().map(part).collect::<Vec<_>>().join("\n\n").chars().take(MAX_TEXT).collect();
    let body = json!({ "chat_id": target.chat_id, "text": text, "link_preview_options": { "is_disabled": true } });
    let url = format!("{}/bot{}/sendMessage", target.api, target.token);
    let mut answer = match post(&url, &[], &body.to_string()).await {
        Ok(answer) => answer,
        Err(error) => return Outcome::failed(error),
    };
    let said: Said = serde_json::from_str(&answer.text).unwrap_or_default();
    answer.wait = said.parameters.retry_after.or(answer.wait);
    answer.text = said.description;
    // Whatever it does not like about these messages, it will not like about the next one: a wrong chat, a bot that was blocked.
    answer.outcome(&[])
}
