//! What an operator enters of a channel.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::name::{ChannelName, Email};
use crate::domain::notice::channel::{Audience, Mail, Rules, Target, Telegram, Webhook, WebhookForm};
use crate::domain::notice::endpoint::same_host;
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

/// A mail's fields are replaced as one; headers that are missing stay while the host does, because they hold the secrets.
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
            (Some(fields), None, None) => fields.over(old, secret, panel).map(Target::Webhook),
            (None, Some(fields), None) => fields.over(old).map(Target::Telegram),
            (None, None, Some(fields)) => fields.over(old).map(Target::Email),
            _ => Err(Failure::invalid("webhook", "only one of webhook, telegram and email")),
        }
    }
}

impl WebhookFields {
    fn over(self, old: Option<Target>, secret: Option<&str>, panel: &str) -> Result<Webhook, Failure> {
        let old = if let Some(Target::Webhook(old)) = old { Some(old) } else { None };
        let url = needed(self.url.or_else(|| old.as_ref().map(|old| old.url.clone())), "webhook.url")?;
        let form = self.form.or_else(|| old.as_ref().map(|old| old.form)).unwrap_or_default();
        let anew = old.as_ref().and_then(|old| match (old.form, form) {
            _ if !same_host(&old.url, &url) => Some(ANOTHER_HOST),
            (WebhookForm::Weir, WebhookForm::Marzban) => Some(SENT_PLAIN),
            _ => None,
        });
        let stored = kept(self.secret, old.map(|old| old.secret), anew, "webhook.secret")?;
        let secret = needed(stored.or_else(|| secret.map(str::to_owned)), "webhook.secret")?;
        Ok(Webhook { url, secret, form, panel: panel.to_owned() })
    }
}

impl TelegramFields {
    fn over(self, old: Option<Target>) -> Result<Telegram, Failure> {
        let old = if let Some(Target::Telegram(old)) = old { Some(old) } else { None };
        let api = self.api.or_else(|| old.as_ref().map(|old| old.api.clone())).unwrap_or_else(Telegram::usual_api);
        let anew = old.as_ref().filter(|old| !same_host(&old.api, &api)).map(|_| ANOTHER_HOST);
        let (token, chat_id) = old.map(|old| (old.token, old.chat_id)).unzip();
        Ok(Telegram {
            token: needed(kept(self.token, token, anew, "telegram.token")?, "telegram.token")?,
            chat_id: needed(self.chat_id.or(chat_id), "telegram.chat_id")?,
            api,
        })
    }
}

impl MailFields {
    fn over(self, old: Option<Target>) -> Result<Mail, Failure> {
        let Self { from, to, url, headers, body } = self;
        let old = if let Some(Target::Email(old)) = old { Some(old) } else { None };
        // Without an HTTP API there is nobody to send them to.
        let old = old.filter(|old| url.is_some() && !old.headers.is_empty());
        let stays = |old: &Mail| old.url.as_ref().zip(url.as_ref()).is_some_and(|(old, url)| same_host(old, url));
        let anew = old.as_ref().filter(|old| !stays(old)).map(|_| ANOTHER_HOST);
        let headers = kept(headers, old.map(|old| old.headers), anew, "email.headers")?.unwrap_or_default();
        Ok(Mail { from, to, url, headers, body })
    }
}

/// Why a secret that is stored must be entered again.
const ANOTHER_HOST: &str = "enter it anew for another host";
const SENT_PLAIN: &str = "enter it anew: this form sends it as it is";

/// A secret as it was entered, or the stored one unless it must come `anew`: nobody sees those that are stored, and whoever may write channels would if
/// he could have one sent to a host of his own.
fn kept<T>(
    entered: Option<T>,
    stored: Option<T>,
    anew: Option<&'static str>,
    field: &'static str,
) -> Result<Option<T>, Failure> {
    match (entered, stored, anew) {
        (None, Some(_), Some(rule)) => Err(Failure::invalid(field, rule)),
        (entered, stored, _) => Ok(entered.or(stored)),
    }
}

fn needed(field: Option<String>, name: &'static str) -> Result<String, Failure> {
    field.ok_or_else(|| Failure::invalid(name, "it is missing"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "https://a.example/hook";

    fn stored(target: Value) -> Target {
        serde_json::from_value(target).unwrap()
    }

    /// A change put over what is stored: the target as it is stored then, or the field that is refused and its rule.
    fn changed(old: &Target, change: Value) -> Result<Value, (String, String)> {
        let ChannelChange { webhook, telegram, email, .. } = serde_json::from_value(change).unwrap();
        let fields = TargetFields { webhook, telegram, email };
        match fields.over(Some(old.clone()), None, "") {
            Ok(target) => Ok(serde_json::to_value(target).unwrap()),
            Err(Failure::Invalid { field, rule }) => Err((field, rule)),
            Err(failure) => panic!("{:?}", failure.describe()),
        }
    }

    fn refused(field: &str, rule: &str) -> Result<Value, (String, String)> {
        Err((field.to_owned(), rule.to_owned()))
    }

    #[test]
    fn a_secret_stays_while_scheme_host_and_port_do() {
        let hook = stored(json!({ "webhook": { "url": URL, "secret": "TOP" } }));
        for url in ["https://a.example/other?x=1", "https://A.example:443/hook"] {
            assert_eq!(changed(&hook, json!({ "webhook": { "url": url } })).unwrap()["webhook"]["secret"], "TOP");
        }
        assert_eq!(changed(&hook, json!({})).unwrap()["webhook"]["secret"], "TOP");
        for url in ["https://b.example/hook", "https://a.example:8443/hook", "http://a.example:443/hook", "a.example"] {
            let change = json!({ "webhook": { "url": url } });
            assert_eq!(changed(&hook, change), refused("webhook.secret", ANOTHER_HOST), "{url}");
        }
        let with_secret = json!({ "webhook": { "url": "https://b.example/hook", "secret": "NEW" } });
        assert_eq!(changed(&hook, with_secret).unwrap()["webhook"]["secret"], "NEW");
    }

    #[test]
    fn a_secret_that_signed_is_not_sent_as_it_is_by_another_form() {
        let hook = stored(json!({ "webhook": { "url": URL, "secret": "TOP" } }));
        let marzban = |secret: Option<&str>| json!({ "webhook": { "form": "marzban", "secret": secret } });
        assert_eq!(changed(&hook, marzban(None)), refused("webhook.secret", SENT_PLAIN));
        assert_eq!(changed(&hook, marzban(Some("NEW"))).unwrap()["webhook"]["secret"], "NEW");
        let plain = stored(json!({ "webhook": { "url": URL, "secret": "TOP", "form": "marzban" } }));
        for change in [marzban(None), json!({ "webhook": { "form": "weir" } })] {
            assert_eq!(changed(&plain, change).unwrap()["webhook"]["secret"], "TOP");
        }
    }

    #[test]
    fn a_token_stays_with_its_server_of_the_bot_api() {
        let bot = stored(json!({ "telegram": { "token": "1:TOP", "chat_id": "1" } }));
        let other = |token: Option<&str>| json!({ "telegram": { "api": "https://b.example", "token": token } });
        assert_eq!(changed(&bot, json!({ "telegram": { "chat_id": "2" } })).unwrap()["telegram"]["token"], "1:TOP");
        assert_eq!(changed(&bot, other(None)), refused("telegram.token", ANOTHER_HOST));
        assert_eq!(changed(&bot, other(Some("1:NEW"))).unwrap()["telegram"]["token"], "1:NEW");
    }

    #[test]
    fn headers_stay_with_the_host_of_the_mail_api() {
        let mail = |url: &str, headers: Value| {
            let mut email = json!({ "from": "a@b.example", "to": "c@d.example", "url": url });
            if !headers.is_null() {
                email["headers"] = headers;
            }
            json!({ "email": email })
        };
        let old = stored(mail(URL, json!({ "x-key": "TOP" })));
        let same = changed(&old, mail("https://a.example/v2", Value::Null)).unwrap();
        assert_eq!(same["email"]["headers"], json!({ "x-key": "TOP" }));
        assert_eq!(changed(&old, mail("https://b.example", Value::Null)), refused("email.headers", ANOTHER_HOST));
        let other = changed(&old, mail("https://b.example", json!({ "x-key": "NEW" }))).unwrap();
        assert_eq!(other["email"]["headers"], json!({ "x-key": "NEW" }));
        let bare = stored(mail(URL, Value::Null));
        assert!(changed(&bare, mail("https://b.example", Value::Null)).is_ok(), "there is nothing to enter anew");
        let bound = json!({ "email": { "from": "a@b.example", "to": "c@d.example" } });
        assert_eq!(changed(&old, bound).unwrap()["email"].get("headers"), None);
    }
}
