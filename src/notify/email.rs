//! Mails: by an HTTP API of the operator's choice, or by the platform's own binding.

use serde_json::json;
use worker::SendEmailBuilder;

use super::send::post;
use super::{Line, Outcome, Verdict};
use crate::domain::name::Email;
use crate::domain::notice::Event;
use crate::domain::notice::channel::{Audience, Mail, fill};
use crate::domain::notice::texts::{self, Message};

/// The `send_email` binding of `wrangler.toml`.
const BINDING: &str = "EMAIL";
/// Why a mail to a user has nowhere to go.
pub(super) const NO_ADDRESS: &str = "the user has no address any more";

/// Sends events in one mail.
pub(super) async fn send(target: &Mail, line: &Line<'_>, events: &[Event], to: Option<&str>) -> Outcome {
    let Some(to) = to.or(target.to.as_ref().map(Email::as_str)) else {
        return Outcome::refused(NO_ADDRESS);
    };
    let Message { title, text } = mail(line, events);
    let Some(url) = &target.url else { return bind(line, target, to, &title, &text).await };
    let template = target.body.clone().unwrap_or_else(|| json!({}));
    let parts = [("from", target.from.as_str()), ("to", to), ("subject", title.as_str()), ("text", text.as_str())];
    let body = fill(&template, &parts).to_string();
    let headers: Vec<(&str, &str)> =
        target.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    // Of many users' addresses some are wrong; the operator's own one is not.
    let refusals: &[u16] = if line.audience == Audience::User { &[400, 413, 422] } else { &[413] };
    post(url, &headers, &body).await.map_or_else(Outcome::failed, |answer| answer.outcome(refusals))
}

/// One event gives the subject; of several each is a paragraph under its title.
fn mail(line: &Line<'_>, events: &[Event]) -> Message {
    let rules = line.rules;
    let words = |event: &Event| texts::message(event, line.audience, rules.language, rules.time_zone);
    let mut messages: Vec<Message> = events.iter().map(words).collect();
    if messages.len() == 1
        && let Some(one) = messages.pop()
    {
        return one;
    }
    let first = messages.first().map(|message| message.title.clone()).unwrap_or_default();
    let text = messages.iter().map(|message| format!("{}\n{}", message.title, message.text)).collect::<Vec<_>>();
    Message { title: format!("{first} (+{})", messages.len().saturating_sub(1)), text: text.join("\n\n") }
}

async fn bind(line: &Line<'_>, target: &Mail, to: &str, subject: &str, text: &str) -> Outcome {
    let Ok(binding) = line.call.env.send_email(BINDING) else {
        return Outcome::failed("the binding EMAIL is not there: add it to wrangler.toml, or enter an HTTP API");
    };
    let message = SendEmailBuilder::builder(target.from.as_str(), to, subject).text(text).build();
    match binding.send_with_builder(&message).await {
        Ok(_) => Outcome { verdict: Verdict::Delivered, status: None, error: None, wait: None },
        Err(error) => Outcome::failed(String::from(error.message())),
    }
}
