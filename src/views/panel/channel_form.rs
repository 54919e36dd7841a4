//! The fields of a channel, to be added or changed.

use super::alerts::ChannelFacts;
use super::say::Say;
use super::words::alerts::{Alerts as Words, kind, of};
use crate::domain::notice::channel::{Audience, Mail, Rules, Target, Telegram, WebhookForm};
use crate::domain::notice::{Kind, Severity};
use crate::domain::page::language::{LANGUAGES, code};

/// A value and its word.
type Choice = (&'static str, &'static str);

/// See the module's description.
pub(crate) struct ChannelForm {
    /// The words.
    pub(crate) words: &'static Words,
    /// `webhook`, `telegram` or `email`.
    pub(crate) kind: &'static str,
    /// Whether it is there already.
    pub(crate) is_change: bool,
    /// Name.
    pub(crate) name: String,
    /// On or off.
    pub(crate) is_on: bool,
    /// `operator` or `user`.
    pub(crate) audience: &'static str,
    /// Who may be told.
    pub(crate) audiences: [Choice; 2],
    /// The address of a webhook, the chat of a bot.
    pub(crate) address: String,
    /// In which form a webhook writes events.
    pub(crate) form: &'static str,
    /// The forms that there are.
    pub(crate) forms: [Choice; 2],
    /// Server of the bot API.
    pub(crate) api: String,
    /// Of a mail.
    pub(crate) from: String,
    /// Of a mail.
    pub(crate) to: String,
    /// HTTP API that sends mails.
    pub(crate) url: String,
    /// What is said about headers, which are secret.
    pub(crate) headers: String,
    /// JSON.
    pub(crate) body: String,
    /// Kinds that every channel gets: code, words, whether it is chosen.
    pub(crate) alerts: Vec<(&'static str, &'static str, bool)>,
    /// Kinds that must be named.
    pub(crate) others: Vec<(&'static str, &'static str, bool)>,
    /// Least severity.
    pub(crate) severity: &'static str,
    /// All of them.
    pub(crate) severities: [Choice; 3],
    /// Of texts.
    pub(crate) language: &'static str,
    /// All of them.
    pub(crate) languages: [Choice; 4],
    /// Name of the time zone.
    pub(crate) zone: String,
    /// `22:00`.
    pub(crate) quiet_from: String,
    /// `07:00`.
    pub(crate) quiet_to: String,
}

/// What the API calls a severity.
const fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

impl ChannelForm {
    /// For a new channel of this type.
    pub(crate) fn new(kind: &'static str, say: &Say) -> Self {
        let rules = Rules { language: say.language, time_zone: say.zone, ..Rules::default() };
        Self::with(kind, &rules, Audience::Operator, say)
    }

    /// For one that is there.
    pub(crate) fn of(facts: &ChannelFacts<'_>, say: &Say) -> Self {
        let kind = super::alerts::TARGET_KINDS.into_iter().find(|kind| *kind == facts.channel.type_name);
        let audience =
            if facts.channel.audience == Audience::User.name() { Audience::User } else { Audience::Operator };
        let empty = Self::with(kind.unwrap_or("webhook"), &facts.rules, audience, say);
        let form =
            Self { is_change: true, name: facts.channel.name.clone(), is_on: facts.channel.enabled == 1, ..empty };
        match &facts.target {
            None => form,
            Some(Target::Webhook(webhook)) => Self {
                address: webhook.url.clone(),
                form: if webhook.form == WebhookForm::Marzban { "marzban" } else { "weir" },
                ..form
            },
            Some(Target::Telegram(telegram)) => {
                Self { address: telegram.chat_id.clone(), api: telegram.api.clone(), ..form }
            }
            Some(Target::Email(mail)) => form.with_mail(mail),
        }
    }

    fn with(kind: &'static str, rules: &Rules, audience: Audience, say: &Say) -> Self {
        let words = of(say.language);
        let wants = |one: Kind| rules.kinds.as_ref().map_or(one.is_default(), |kinds| kinds.contains(&one));
        let choice = |one: &Kind| (one.name(), self::kind(*one, say.language), wants(*one));
        let all = Kind::ALL.iter().filter(|one| **one != Kind::Test);
        let (alerts, others): (Vec<_>, Vec<_>) = all.partition(|one| one.is_default());
        let quiet = rules.quiet.map(|quiet| (String::from(quiet.from), String::from(quiet.to)));
        let (quiet_from, quiet_to) = quiet.unwrap_or_default();
        Self {
            words,
            kind,
            is_change: false,
            name: String::new(),
            is_on: true,
            audience: audience.name(),
            audiences: [("operator", words.to_operator), ("user", words.to_user)],
            address: String::new(),
            form: "weir",
            forms: [("weir", "Weir"), ("marzban", "Marzban")],
            api: Telegram::usual_api(),
            from: String::new(),
            to: String::new(),
            url: String::new(),
            headers: words.mail_headers_rule.to_owned(),
            body: String::new(),
            alerts: alerts.into_iter().map(choice).collect(),
            others: others.into_iter().map(choice).collect(),
            severity: name(rules.severity),
            severities: [("info", words.info), ("warning", words.warning), ("critical", words.critical)],
            language: code(rules.language),
            languages: LANGUAGES.map(|(_, code, name)| (code, name)),
            zone: rules.time_zone.to_string(),
            quiet_from,
            quiet_to,
        }
    }

    fn with_mail(self, mail: &Mail) -> Self {
        let names: Vec<&str> = mail.headers.keys().map(String::as_str).collect();
        let headers = if names.is_empty() {
            self.headers
        } else {
            self.words.mail_headers_kept.replace("{names}", &names.join(", "))
        };
        Self {
            from: mail.from.as_str().to_owned(),
            to: mail.to.as_ref().map_or_else(String::new, |to| to.as_str().to_owned()),
            url: mail.url.clone().unwrap_or_default(),
            headers,
            body: mail.body.as_ref().map_or_else(String::new, |body| format!("{body:#}")),
            ..self
        }
    }
}
