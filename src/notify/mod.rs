//! Telling: the outbox, and one file for each type of channel.

mod email;
mod marzban;
pub(crate) mod outbox;
mod send;
mod telegram;
mod webhook;

use weir_wire::Second;

use crate::domain::notice::Event;
use crate::domain::notice::channel::{Audience, Rules, Target, WebhookForm};
use crate::domain::seal;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::random;

/// Letters of an error that are kept.
const MAX_ERROR: usize = 240;
/// The secret under which targets are sealed.
const KEY: &str = "CREDENTIAL_KEY";
const PURPOSE: &str = "channel";

/// Seals a target for the database.
pub(crate) fn seal_target(call: &Call, target: &Target) -> Result<String, Failure> {
    let secret = call.secret(KEY)?;
    let text = serde_json::to_string(target).map_err(|error| Failure::Broken(format!("target: {error}")))?;
    Ok(seal::seal(&secret, PURPOSE, random::bytes()?, &text))
}

/// Opens a target.
pub(crate) fn open_target(call: &Call, sealed: &str) -> Result<Target, Failure> {
    let secret = call.secret(KEY)?;
    let text = seal::open(&secret, PURPOSE, sealed);
    text.and_then(|text| serde_json::from_str(&text).ok()).ok_or_else(|| Failure::Conflict {
        code: "sealed",
        message:
            "this channel was sealed under another CREDENTIAL_KEY: delete it, or enter its address and secrets anew"
                .into(),
    })
}

/// Whether channels may send to private networks and without TLS: `NOTIFY_PRIVATE` is `1`.
pub(crate) fn may_be_private(call: &Call) -> bool {
    call.env.var("NOTIFY_PRIVATE").is_ok_and(|value| value.to_string() == "1")
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The endpoint took it.
    Delivered,
    /// The endpoint works, and takes offence at this message.
    Refused,
    /// The endpoint does not work, or lets nobody in.
    Failed,
}

/// How a message went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// HTTP status, if there was an answer.
    pub(crate) status: Option<u16>,
    /// Why it did not get through, for the operator.
    pub(crate) error: Option<String>,
    /// Seconds that the endpoint asks to be left alone.
    pub(crate) wait: Option<i64>,
}

impl Outcome {
    /// It would not be taken.
    pub(crate) fn refused(error: impl Into<String>) -> Self {
        Self { verdict: Verdict::Refused, status: None, error: Some(error.into()), wait: None }
    }

    /// No answer came.
    pub(crate) fn failed(error: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, status: None, error: Some(error.into()), wait: None }
    }
}

/// Everything that a message needs beside its events.
pub(crate) struct Line<'a> {
    pub(crate) call: &'a Call,
    pub(crate) target: &'a Target,
    pub(crate) audience: Audience,
    pub(crate) rules: &'a Rules,
}

impl Line<'_> {
    /// Events of one message.
    fn most(&self) -> usize {
        match (self.target, self.audience) {
            (_, Audience::User) => 1,
            (Target::Telegram(_), _) => 10,
            _ => 20,
        }
    }

    /// How many of these events, counted from the first, fit into one message: one at least.
    fn fitting(&self, events: impl Iterator<Item = Event>) -> usize {
        match self.target {
            Target::Telegram(_) => telegram::fitting(self, events),
            _ => usize::MAX,
        }
    }

    /// Sends events in one message. `to` is the user's address where users are told. What is told of a failure quotes nothing that lets somebody in:
    /// the runtime names addresses in its errors, and endpoints repeat what they were asked.
    pub(crate) async fn send(&self, events: &[Event], to: Option<&str>, now: Second) -> Outcome {
        let outcome = self.post(events, to, now).await;
        let discreet = |error: String| self.target.discreet(&error).chars().take(MAX_ERROR).collect();
        Outcome { error: outcome.error.map(discreet), ..outcome }
    }

    async fn post(&self, events: &[Event], to: Option<&str>, now: Second) -> Outcome {
        // What was entered when private addresses were allowed must not be sent to when they are not any more.
        if let Err((field, rule)) = self.target.check(self.audience, may_be_private(self.call)) {
            return Outcome::failed(format!("{field}: {rule}"));
        }
        match self.target {
            Target::Webhook(target) => match target.form {
                WebhookForm::Weir => webhook::send(target, events, now).await,
                WebhookForm::Marzban => marzban::send(target, self.call, events, now).await,
            },
            Target::Telegram(target) => telegram::send(target, self, events).await,
            Target::Email(target) => email::send(target, self, events, to).await,
        }
    }
}
