//! Messages of a Telegram bot.

use serde::Deserialize;
use serde_json::json;

use super::send::post;
use super::{Line, Outcome};
use crate::domain::notice::channel::Telegram;
use crate::domain::notice::{Event, chat, texts};

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

/// How many of these events, counted from the first, go into one message.
pub(super) fn fitting(line: &Line<'_>, events: impl Iterator<Item = Event>) -> usize {
    chat::fitting(events.map(|event| words(line, &event)))
}

fn words(line: &Line<'_>, event: &Event) -> String {
    let rules = line.rules;
    let message = texts::message(event, line.audience, rules.language, rules.time_zone);
    format!("{}\n{}", message.title, message.text)
}

/// Sends events as one plain text: nothing in it is taken for markup.
pub(super) async fn send(target: &Telegram, line: &Line<'_>, events: &[Event]) -> Outcome {
    let told: Vec<String> = events.iter().map(|event| words(line, event)).collect();
    let text = chat::message(&told, |lines| texts::left_out(lines, line.rules.language));
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
