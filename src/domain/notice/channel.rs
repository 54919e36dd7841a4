//! A channel: who wants to know what, when, in which language, and where it is sent to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::discreet::{Hidden, shortened};
use super::quiet::Quiet;
use super::texts::Language;
use super::{Kind, Severity, endpoint};
use crate::domain::name::Email;
use crate::domain::zone::Zone;

/// Who is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// The operator, of everything that he wants.
    #[default]
    Operator,
    /// The user whom the event is about, if his address is known, of what concerns him.
    User,
}

impl Audience {
    /// Its name, as in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::User => "user",
        }
    }
}

/// What a channel tells, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Kinds; none named: all that are told without being named.
    pub kinds: Option<Vec<Kind>>,
    /// Only what matters as much or more.
    pub severity: Severity,
    /// Of the texts. A webhook carries none.
    pub language: Language,
    /// Of the quiet hours, and of times in texts.
    pub time_zone: Zone,
    /// When nothing is sent.
    pub quiet: Option<Quiet>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { kinds: None, severity: Severity::Info, language: Language::default(), time_zone: Zone::UTC, quiet: None }
    }
}

impl Rules {
    /// The kinds that get through.
    #[must_use]
    pub fn wants(&self, audience: Audience) -> Vec<Kind> {
        let named = |kind: &Kind| match &self.kinds {
            Some(kinds) => kinds.contains(kind),
            None => kind.is_default(),
        };
        let concerns = |kind: &Kind| audience == Audience::Operator || kind.concerns_user();
        let all = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Test);
        all.filter(|kind| named(kind) && concerns(kind) && kind.severity() >= self.severity).collect()
    }
}

/// Where a channel sends to. It holds secrets, so it is stored sealed and shown without them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A signed request.
    Webhook(Webhook),
    /// A message of a Telegram bot.
    Telegram(Telegram),
    /// A mail.
    Email(Mail),
}

/// See [`Target::Webhook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Endpoint.
    pub url: String,
    /// Keys the signature.
    pub secret: String,
    /// In which form events are written.
    #[serde(default)]
    pub form: WebhookForm,
    /// The panel as the operator reached it when he entered this, such as `https://panel.example.com`; links in a user begin with it.
    #[serde(default)]
    pub panel: String,
}

/// How a webhook writes events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookForm {
    /// Our own.
    #[default]
    Weir,
    /// Marzban's ([`super::marzban`]): it tells of users alone.
    Marzban,
}

/// See [`Target::Telegram`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telegram {
    /// The bot's token.
    pub token: String,
    /// A chat's number, or `@channelname`.
    pub chat_id: String,
    /// Base of the bot API.
    #[serde(default = "Telegram::usual_api")]
    pub api: String,
}

/// See [`Target::Email`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Sender.
    pub from: Email,
    /// Receiver; none when users are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Email>,
    /// The HTTP API that sends it; none: the platform's own binding `EMAIL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers of the request, such as `Authorization`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// JSON body of the request. In its texts `{from}`, `{to}`, `{subject}` and `{text}` are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// Shortest secret of a webhook: it is guessed by nobody, and there is no second guess.
const MIN_SECRET: usize = 16;
const MAX_SECRET: usize = 256;
const MAX_HEADERS: usize = 16;

impl Target {
    /// Its type, as in the database and the API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Telegram(_) => "telegram",
            Self::Email(_) => "email",
        }
    }

    /// Whether it can be sent to. `private` lets addresses of private networks pass.
    ///
    /// # Errors
    /// The first field that breaks its rule, and the rule.
    pub fn check(&self, audience: Audience, private: bool) -> Result<(), (&'static str, &'static str)> {
        match self {
            Self::Email(mail) => mail.check(audience, private),
            _ if audience == Audience::User => {
                Err(("audience", "user is for e-mail only: nothing else is known of users"))
            }
            Self::Webhook(webhook) => webhook.check(private),
            Self::Telegram(telegram) => telegram.check(private),
        }
    }

    /// As it is shown to those who may change it: tokens, secrets and values of headers are left out.
    #[must_use]
    pub fn shown(&self) -> Value {
        match self {
            Self::Webhook(webhook) => serde_json::json!({ "url": webhook.url, "form": webhook.form }),
            Self::Telegram(telegram) => serde_json::json!({ "chat_id": telegram.chat_id, "api": telegram.api }),
            Self::Email(mail) => {
                let names: Vec<&String> = mail.headers.keys().collect();
                serde_json::json!({ "from": mail.from, "to": mail.to, "url": mail.url, "headers": names, "body": mail.body })
            }
        }
    }

    /// As it is shown to everybody else: of addresses scheme and host, and of a mail's template, in which some APIs want their key, nothing.
    #[must_use]
    pub fn outline(&self) -> Value {
        match self {
            Self::Webhook(webhook) => serde_json::json!({ "url": shortened(&webhook.url), "form": webhook.form }),
            Self::Telegram(telegram) => {
                serde_json::json!({ "chat_id": telegram.chat_id, "api": shortened(&telegram.api) })
            }
            Self::Email(mail) => {
                let names: Vec<&String> = mail.headers.keys().collect();
                let url = mail.url.as_deref().map(shortened);
                serde_json::json!({ "from": mail.from, "to": mail.to, "url": url, "headers": names })
            }
        }
    }

    /// `text`, such as what an endpoint answered, without what lets somebody in there.
    #[must_use]
    pub fn discreet(&self, text: &str) -> String {
        let hidden = Hidden::default();
        let hidden = match self {
            Self::Webhook(webhook) => hidden.address(&webhook.url).secret(&webhook.secret),
            Self::Telegram(telegram) => hidden.address(&telegram.api).secret(&telegram.token),
            Self::Email(mail) => {
                let hidden = mail.url.iter().fold(hidden, |hidden, url| hidden.address(url));
                let hidden = mail.headers.values().fold(hidden, |hidden, value| hidden.header(value));
                mail.body.iter().fold(hidden, Hidden::template)
            }
        };
        hidden.taken_from(text)
    }
}

impl Webhook {
    fn check(&self, private: bool) -> Result<(), (&'static str, &'static str)> {
        if !endpoint::may_send(&self.url, private) {
            return Err(("webhook.url", endpoint::RULE));
        }
        if !(MIN_SECRET..=MAX_SECRET).contains(&self.secret.len()) || !self.secret.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(("webhook.secret", "16 to 256 printable ASCII characters without spaces"));
        }
        Ok(())
    }
}

impl Telegram {
    /// Telegram's own API.
    #[must_use]
    pub fn usual_api() -> String {
        "https://api.telegram.org".to_owned()
    }

    fn check(&self, private: bool) -> Result<(), (&'static str, &'static str)> {
        let parts = self.token.split_once(':');
        let letters = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let is_token = parts.is_some_and(|(bot, key)| {
            !bot.is_empty()
                && bot.bytes().all(|b| b.is_ascii_digit())
                && (20..=100).contains(&key.len())
                && letters(key)
        });
        if !is_token || self.token.len() > 128 {
            return Err(("telegram.token", "the token that BotFather gave, such as 123456:AAH..."));
        }
        let number = self.chat_id.strip_prefix('-').unwrap_or(&self.chat_id);
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let is_name = self.chat_id.strip_prefix('@').is_some_and(|name| !name.is_empty() && letters(name));
        if self.chat_id.len() > 64 || !(is_number || is_name) {
            return Err(("telegram.chat_id", "a chat's number as text, or @channelname"));
        }
        if !endpoint::may_send(&self.api, private) || self.api.ends_with('/') || self.api.contains(['?', '#']) {
            return Err(("telegram.api", "an https:// address without a slash at its end"));
        }
        Ok(())
    }
}

impl Mail {
    fn check(&self, audience: Audience, private: bool) -> Result<(), (&'static str, &'static str)> {
        match (audience, &self.to) {
            (Audience::Operator, None) => return Err(("email.to", "it is missing")),
            (Audience::User, Some(_)) => return Err(("email.to", "none when users are told: each gets his own")),
            _ => {}
        }
        let Some(url) = &self.url else {
            let bare = self.headers.is_empty() && self.body.is_none();
            return if bare {
                Ok(())
            } else {
                Err(("email.url", "it is missing: headers and body belong to an HTTP API"))
            };
        };
        if !endpoint::may_send(url, private) {
            return Err(("email.url", endpoint::RULE));
        }
        let is_header = |(name, value): (&String, &String)| {
            let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            (1..=64).contains(&name.len())
                && name.bytes().all(token)
                && (1..=2_048).contains(&value.len())
                && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        };
        if self.headers.len() > MAX_HEADERS || !self.headers.iter().all(is_header) {
            return Err((
                "email.headers",
                "at most 16 of printable ASCII, names of 64 and values of 2048 characters at most",
            ));
        }
        let template = self.body.as_ref().filter(|body| body.is_object()).map(Value::to_string);
        let fits = |body: String| {
            body.len() <= 8_192 && ["{to}", "{subject}", "{text}"].iter().all(|part| body.contains(part))
        };
        if !template.is_some_and(fits) {
            return Err((
                "email.body",
                "a JSON object of at most 8192 bytes whose texts have {to}, {subject} and {text}",
            ));
        }
        Ok(())
    }
}

/// A JSON template with its placeholders replaced. Only texts are looked at, so whatever a text holds, it stays JSON.
#[must_use]
pub fn fill(template: &Value, parts: &[(&str, &str)]) -> Value {
    match template {
        Value::String(text) => Value::String(super::texts::fill(text, |name| {
            parts.iter().find(|(part, _)| *part == name).map(|(_, value)| (*value).to_owned())
        })),
        Value::Array(items) => items.iter().map(|item| fill(item, parts)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), fill(value, parts))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(value: Value) -> Target {
        serde_json::from_value(value).unwrap()
    }

    fn field(value: Value, audience: Audience) -> Option<&'static str> {
        target(value).check(audience, false).err().map(|(field, _)| field)
    }

    #[test]
    fn a_channel_gets_the_alerts_unless_it_names_kinds() {
        let wants = Rules::default().wants(Audience::Operator);
        assert!(wants.contains(&Kind::QuotaWarning) && wants.contains(&Kind::DailyReport));
        assert!(!wants.contains(&Kind::Created) && !wants.contains(&Kind::Test));
        let named = Rules { kinds: Some(vec![Kind::Created, Kind::Silent, Kind::Test]), ..Rules::default() };
        assert_eq!(named.wants(Audience::Operator), [Kind::Created, Kind::Silent]);
        let grave = Rules { severity: Severity::Critical, ..Rules::default() };
        assert_eq!(grave.wants(Audience::Operator), [Kind::Silent, Kind::Fork, Kind::JobFailed]);
    }

    #[test]
    fn a_user_hears_of_himself_alone() {
        let wants = Rules::default().wants(Audience::User);
        assert!(wants.iter().all(|kind| kind.concerns_user()));
        assert!(wants.contains(&Kind::Expiring) && !wants.contains(&Kind::Sharing) && !wants.contains(&Kind::Silent));
    }

    #[test]
    fn every_target_has_its_rules() {
        use Audience::{Operator, User};
        let hook = |url: &str, secret: &str| json!({ "webhook": { "url": url, "secret": secret } });
        assert_eq!(field(hook("https://a.example/x", "0123456789abcdef"), Operator), None);
        assert_eq!(field(hook("http://a.example/x", "0123456789abcdef"), Operator), Some("webhook.url"));
        assert_eq!(field(hook("https://a.example/x", "short"), Operator), Some("webhook.secret"));
        assert_eq!(field(hook("https://a.example/x", "0123456789abcdef"), User), Some("audience"));
        let bot =
            |token: &str, chat: &str, api: &str| json!({ "telegram": { "token": token, "chat_id": chat, "api": api } });
        let token = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
        assert_eq!(field(bot(token, "-1001234", "https://api.telegram.org"), Operator), None);
        assert_eq!(field(bot(token, "@weir", "https://api.telegram.org"), Operator), None);
        assert_eq!(field(bot("123456/../x", "1", "https://api.telegram.org"), Operator), Some("telegram.token"));
        assert_eq!(field(bot(token, "weir", "https://api.telegram.org"), Operator), Some("telegram.chat_id"));
        assert_eq!(field(bot(token, "1", "https://api.telegram.org/"), Operator), Some("telegram.api"));
        let mail = json!({ "email": { "from": "a@b.example", "to": "c@d.example" } });
        assert_eq!(field(mail.clone(), Operator), None);
        assert_eq!(field(mail, User), Some("email.to"));
        assert_eq!(field(json!({ "email": { "from": "a@b.example" } }), Operator), Some("email.to"));
        assert_eq!(field(json!({ "email": { "from": "a@b.example" } }), User), None);
        let api = |body: Value| json!({ "email": { "from": "a@b.example", "url": "https://m.example", "body": body } });
        assert_eq!(field(api(json!({ "to": "{to}", "s": "{subject}", "t": ["{text}"] })), User), None);
        assert_eq!(field(api(json!({ "to": "{to}" })), User), Some("email.body"));
        let odd = json!({ "email": { "from": "a@b.example", "url": "https://m.example", "headers": { "a": "b\r\nc: d" },
            "body": { "to": "{to}", "s": "{subject}{text}" } } });
        assert_eq!(field(odd, User), Some("email.headers"));
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        for secret in [
            json!({ "webhook": { "url": "https://a.example", "secret": "TOP-SECRET-TOP-SECRET" } }),
            json!({ "telegram": { "token": "1:TOP-SECRET", "chat_id": "1" } }),
            json!({ "email": { "from": "a@b.example", "url": "https://m.example", "headers": { "authorization": "TOP-SECRET" } } }),
        ] {
            let target = target(secret);
            for told in [target.shown().to_string(), target.outline().to_string()] {
                assert!(!told.contains("TOP-SECRET"), "{told}");
            }
        }
    }

    #[test]
    fn who_may_not_change_a_channel_sees_of_its_address_the_host() {
        let hook =
            target(json!({ "webhook": { "url": "https://a.example/TOP-SECRET", "secret": "0123456789abcdef" } }));
        assert_eq!(hook.outline(), json!({ "url": "https://a.example/…", "form": "weir" }));
        assert_eq!(hook.shown(), json!({ "url": "https://a.example/TOP-SECRET", "form": "weir" }));
        let bot = target(
            json!({ "telegram": { "token": "1:x", "chat_id": "@weir", "api": "https://b.example/TOP-SECRET" } }),
        );
        assert_eq!(bot.outline(), json!({ "chat_id": "@weir", "api": "https://b.example/…" }));
        let mail = target(
            json!({ "email": { "from": "a@b.example", "to": "c@d.example", "url": "https://m.example/v1?key=TOP-SECRET",
            "headers": { "X-Key": "hidden" }, "body": { "key": "TOP-SECRET", "to": "{to}" } } }),
        );
        let outline =
            json!({ "from": "a@b.example", "to": "c@d.example", "url": "https://m.example/…", "headers": ["X-Key"] });
        assert_eq!(mail.outline(), outline);
    }

    #[test]
    fn an_error_of_an_endpoint_quotes_no_secret_of_its_channel() {
        for (secret, said) in [
            (
                json!({ "webhook": { "url": "https://a.example/T/TOP-SECRET", "secret": "0123456789abcdef" } }),
                "no /T/TOP-SECRET for 0123456789abcdef",
            ),
            (
                json!({ "telegram": { "token": "1:TOP-SECRET", "chat_id": "1" } }),
                "POST https://api.telegram.org/bot1:TOP-SECRET/sendMessage",
            ),
            (
                json!({ "email": { "from": "a@b.example", "url": "https://m.example/?k=1", "headers": { "authorization": "Bearer TOP-SECRET" },
                "body": { "key": "TOP-SECRET-2" } } }),
                "TOP-SECRET and TOP-SECRET-2 are unknown",
            ),
        ] {
            let left = target(secret).discreet(said);
            assert!(left.contains('…') && !left.contains("TOP-SECRET") && !left.contains("0123456789"), "{left}");
        }
    }

    #[test]
    fn a_template_stays_json_whatever_is_put_into_it() {
        let template = json!({ "personalizations": [{ "to": [{ "email": "{to}" }] }], "content": "{subject}: {text} {else}", "n": 1 });
        let nasty = "a\"}],{\"b\":\"{to}\n";
        let filled = fill(&template, &[("to", "x@y.example"), ("subject", "S"), ("text", nasty)]);
        let expected = json!({ "personalizations": [{ "to": [{ "email": "x@y.example" }] }],
            "content": format!("S: {nasty} {{else}}"), "n": 1 });
        assert_eq!(filled, expected);
    }
}
