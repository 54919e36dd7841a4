//! What an operator enters of a channel.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::name::{ChannelName, Email};
use crate::domain::notice::channel::{Audience, Mail, Rules, Target, Telegram, Webhook, WebhookForm};
use crate::domain::notice::quiet::Quiet;
use crate::domain::notice::texts::Language;
use crate::domain::notice::{Kind, Severity, marzban};
use crate::domain::zone::Zone;
use crate::http::body::given;
use crate::http::failure::Failure;
use crate::store::channels::Channel;

/// A channel as it is to be stored.
pub(super) struct Entered {
    pub(super) name: ChannelName,
    pub(super) enabled: bool,
    pub(super) audience: Audience,
    pub(super) rules: Rules,
    pub(super) target: Target,
}

impl Entered {
    /// The kinds that it is to be sent.
    pub(super) fn wants(&self) -> Vec<Kind> {
        let wants = self.rules.wants(self.audience);
        match &self.target {
            // Such receivers know nothing else, and expect all of it.
            Target::Webhook(webhook) if webhook.form == WebhookForm::Marzban => match self.rules.kinds {
                Some(_) => wants.into_iter().filter(|kind| marzban::KINDS.contains(kind)).collect(),
                None => marzban::KINDS.into_iter().filter(|kind| kind.severity() >= self.rules.severity).collect(),
            },
            _ => wants,
        }
    }
}

/// The body of a creation. Exactly one of `webhook`, `telegram` and `email`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewChannel {
    name: ChannelName,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    audience: Audience,
    #[serde(default)]
    kinds: Option<Vec<Kind>>,
    #[serde(default)]
    severity: Severity,
    #[serde(default)]
    language: Language,
    /// Without one the deployment's.
    #[serde(default)]
    time_zone: Option<Zone>,
    #[serde(default)]
    quiet: Option<Quiet>,
    #[serde(default)]
    webhook: Option<WebhookFields>,
    #[serde(default)]
    telegram: Option<TelegramFields>,
    #[serde(default)]
    email: Option<MailFields>,
}

const fn yes() -> bool {
    true
}

impl NewChannel {
    /// `secret` is that of a webhook that comes without one.
    pub(super) fn enter(self, secret: &str, zone: Zone, panel: &str) -> Result<Entered, Failure> {
        let fields = TargetFields { webhook: self.webhook, telegram: self.telegram, email: self.email };
        Ok(Entered {
            target: fields.over(None, Some(secret), panel)?,
            name: self.name,
            enabled: self.enabled,
            audience: self.audience,
            rules: Rules {
                kinds: self.kinds,
                severity: self.severity,
                language: self.language,
                time_zone: self.time_zone.unwrap_or(zone),
                quiet: self.quiet,
            },
        })
    }
}

/// The body of a change: what is missing stays, `null` takes `kinds` and `quiet` back.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelChange {
    #[serde(default)]
    name: Option<ChannelName>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    audience: Option<Audience>,
    #[serde(default, deserialize_with = "given")]
    #[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
    kinds: Option<Option<Vec<Kind>>>,
    #[serde(default)]
    severity: Option<Severity>,
    #[serde(default)]
    language: Option<Language>,
    #[serde(default)]
    time_zone: Option<Zone>,
    #[serde(default, deserialize_with = "given")]
    #[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
    quiet: Option<Option<Quiet>>,
    #[serde(default)]
    webhook: Option<WebhookFields>,
    #[serde(default)]
    telegram: Option<TelegramFields>,
    #[serde(default)]
    email: Option<MailFields>,
}

impl ChannelChange {
    /// Puts the change over what is stored; `target` is none when it cannot be opened any more.
    pub(super) fn over(
        self,
        channel: &Channel,
        old: Rules,
        target: Option<Target>,
        panel: &str,
    ) -> Result<Entered, Failure> {
        let fields = TargetFields { webhook: self.webhook, telegram: self.telegram, email: self.email };
        let stored_name = || ChannelName::try_from(channel.name.clone());
        let name = self.name.map_or_else(stored_name, Ok);
        Ok(Entered {
            name: name.map_err(|error| Failure::Broken(format!("name of channel {}: {error}", channel.id)))?,
            enabled: self.enabled.unwrap_or(channel.enabled == 1),
            audience: self.audience.unwrap_or_else(|| audience(channel)),
            target: fields.over(target, None, panel)?,
            rules: Rules {
                kinds: self.kinds.unwrap_or(old.kinds),
                severity: self.severity.unwrap_or(old.severity),
                language: self.language.unwrap_or(old.language),
                time_zone: self.time_zone.unwrap_or(old.time_zone),
                quiet: self.quiet.unwrap_or(old.quiet),
            },
        })
    }
}

/// Who is told by a stored channel.
pub(super) fn audience(channel: &Channel) -> Audience {
    if channel.audience == Audience::User.name() { Audience::User } else { Audience::Operator }
}

/// The body of a test; it may be empty.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// Who gets it where users are told.
    #[serde(default)]
    pub(super) to: Option<Email>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookFields {
    url: Option<String>,
    secret: Option<String>,
    form: Option<WebhookForm>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TelegramFields {
    token: Option<String>,
    chat_id: Option<String>,
    api: Option<String>,
}

/// A mail's fields are replaced as one; headers that are missing stay, because they hold the secrets.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct MailFields {
    from: Email,
    to: Option<Email>,
    url: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<Value>,
}

struct TargetFields {
    webhook: Option<WebhookFields>,
    telegram: Option<TelegramFields>,
    email: Option<MailFields>,
}

impl TargetFields {
    /// `panel` is where the operator reached us.
    fn over(self, old: Option<Target>, secret: Option<&str>, panel: &str) -> Result<Target, Failure> {
        match (self.webhook, self.telegram, self.email) {
            (None, None, None) => {
                old.ok_or_else(|| Failure::invalid("webhook", "one of webhook, telegram and email is needed"))
            }
            (Some(fields), None, None) => {
                let old = if let Some(Target::Webhook(old)) = old { Some(old) } else { None };
                let url = fields.url.or_else(|| old.as_ref().map(|old| old.url.clone()));
                let form = fields.form.or_else(|| old.as_ref().map(|old| old.form)).unwrap_or_default();
                let secret = fields.secret.or_else(|| old.map(|old| old.secret)).or_else(|| secret.map(str::to_owned));
                Ok(Target::Webhook(Webhook {
                    url: needed(url, "webhook.url")?,
                    secret: needed(secret, "webhook.secret")?,
                    form,
                    panel: panel.to_owned(),
                }))
            }
            (None, Some(fields), None) => {
                let old = if let Some(Target::Telegram(old)) = old { Some(old) } else { None };
                let token = fields.token.or_else(|| old.as_ref().map(|old| old.token.clone()));
                let chat_id = fields.chat_id.or_else(|| old.as_ref().map(|old| old.chat_id.clone()));
                let api = fields.api.or_else(|| old.map(|old| old.api));
                Ok(Target::Telegram(Telegram {
                    token: needed(token, "telegram.token")?,
                    chat_id: needed(chat_id, "telegram.chat_id")?,
                    api: api.unwrap_or_else(Telegram::usual_api),
                }))
            }
            (None, None, Some(MailFields { from, to, url, headers, body })) => {
                let old = if let Some(Target::Email(old)) = old { Some(old.headers) } else { None };
                // Without an HTTP API there is nobody to send them to.
                let kept = if url.is_some() { old.unwrap_or_default() } else { BTreeMap::new() };
                Ok(Target::Email(Mail { from, to, url, headers: headers.unwrap_or(kept), body }))
            }
            _ => Err(Failure::invalid("webhook", "only one of webhook, telegram and email")),
        }
    }
}

fn needed(field: Option<String>, name: &'static str) -> Result<String, Failure> {
    field.ok_or_else(|| Failure::invalid(name, "it is missing"))
}
