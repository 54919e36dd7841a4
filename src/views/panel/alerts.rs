//! Channels, and the log of deliveries.

use askama::Template;
use weir_wire::Second;

use super::super::asset;
use super::super::format::Moment;
use super::channel_form::ChannelForm;
use super::say::Say;
use super::shell::Shell;
use super::words::alerts::{Alerts as Words, kind, of};
use crate::domain::notice::Kind;
use crate::domain::notice::channel::{Audience, Rules, Target};
use crate::domain::notice::discreet::shortened;
use crate::domain::notice::texts::Language;
use crate::store::channels::Channel;
use crate::store::deliveries::Shown;

/// The types of channels, as the API names them.
pub(crate) const TARGET_KINDS: [&str; 3] = ["webhook", "telegram", "email"];

/// What is known of a channel.
pub(crate) struct ChannelFacts<'a> {
    /// As it is stored.
    pub(crate) channel: &'a Channel,
    /// What it wants.
    pub(crate) rules: Rules,
    /// Where it sends to; none when that can no longer be opened.
    pub(crate) target: Option<Target>,
}

/// Which deliveries are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeliveryFilter {
    /// `waiting`, `dead` or `delivered`; empty for all.
    pub(crate) state: &'static str,
    /// Of one channel.
    pub(crate) channel: Option<i64>,
}

impl DeliveryFilter {
    /// The states that can be looked for.
    pub(crate) const STATES: [&'static str; 3] = ["waiting", "dead", "delivered"];

    /// The address of the log with this filter; `before` is where the page begins.
    fn link(self, before: &str) -> String {
        let channel = self.channel.map_or_else(String::new, |id| id.to_string());
        let pairs = [("state", self.state), ("channel", channel.as_str()), ("before", before)];
        let said = pairs.iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<String> = said.map(|(key, value)| format!("{key}={value}")).collect();
        if query.is_empty() { "/alerts".to_owned() } else { format!("/alerts?{}", query.join("&")) }
    }
}

/// `GET /alerts`
#[derive(Template)]
#[template(path = "panel/alerts.html")]
pub(crate) struct Alerts<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// The words.
    pub(crate) words: &'static Words,
    /// Whether he may change channels.
    pub(crate) changes: bool,
    /// The part that refreshes itself.
    pub(crate) live: AlertsLive<'a>,
}

/// What changes from moment to moment.
#[derive(Template)]
#[template(path = "panel/alerts_live.html")]
pub(crate) struct AlertsLive<'a> {
    /// The words.
    pub(crate) words: &'static Words,
    general: &'static super::words::Words,
    changes: bool,
    channels: Vec<ChannelView<'a>>,
    title: String,
    /// Address, words, whether it is chosen.
    states: Vec<(String, &'static str, bool)>,
    deliveries: Vec<DeliveryView<'a>>,
    is_filtered: bool,
    /// Whether it passes over deliveries to find those of the filter, perhaps over all of a month: not every five seconds.
    pub(crate) stands_still: bool,
    first: Option<String>,
    next: Option<String>,
}

/// A channel as it is told.
struct ChannelView<'a> {
    id: i64,
    name: &'a str,
    kind: &'static str,
    is_on: bool,
    is_sealed: bool,
    /// What style sheets call its state, and the word.
    state: (&'static str, &'static str),
    target: String,
    /// Names of kinds.
    gets: String,
    /// What else is to be known: who is told, quiet hours.
    notes: Vec<String>,
    standing: String,
    error: Option<&'a str>,
    deliveries: String,
}

/// A delivery as it is told.
struct DeliveryView<'a> {
    id: String,
    event: String,
    code: &'a str,
    channel: String,
    /// What style sheets call its state, and the word.
    state: (&'static str, &'static str),
    queued: Moment,
    tries: String,
    next: Option<String>,
    trouble: String,
    is_waiting: bool,
}

/// What a type of channel is called.
fn kind_word(name: &str, words: &'static Words) -> &'static str {
    match name {
        "telegram" => words.telegram,
        "email" => words.email,
        _ => words.webhook,
    }
}

/// Where a channel sends to, without what is secret. A webhook's path is too, and stands in the form alone, which only those see who may change it.
fn shown(target: &Target) -> String {
    match target {
        Target::Webhook(webhook) => shortened(&webhook.url),
        Target::Telegram(telegram) => telegram.chat_id.clone(),
        Target::Email(mail) => mail
            .to
            .as_ref()
            .map_or_else(|| mail.from.as_str().to_owned(), |to| format!("{} → {}", mail.from.as_str(), to.as_str())),
    }
}

impl<'a> ChannelView<'a> {
    fn new(facts: &ChannelFacts<'a>, say: &Say) -> Self {
        let (channel, words) = (facts.channel, of(say.language));
        let is_on = channel.enabled == 1;
        let audience = if channel.audience == Audience::User.name() { Audience::User } else { Audience::Operator };
        let wants = facts.rules.wants(audience);
        let wants: Vec<&str> = wants.into_iter().map(|wanted| kind(wanted, say.language)).collect();
        let quiet = facts.rules.quiet.map(|quiet| {
            let (from, to) = (String::from(quiet.from), String::from(quiet.to));
            words.quiet_at.replace("{from}", &from).replace("{to}", &to)
        });
        let told = (audience == Audience::User).then(|| words.for_users.to_owned());
        let standing = match channel.delivered_at {
            _ if channel.failures > 0 => {
                let failed = words.failed_times.replace("{count}", &say.count(channel.failures.into()));
                say.timed(&failed, Second::clamped(channel.next_at))
            }
            Some(at) => say.timed(words.delivered_at, Second::clamped(at)),
            None => words.never_delivered.to_owned(),
        };
        Self {
            id: channel.id,
            name: &channel.name,
            kind: kind_word(&channel.type_name, words),
            is_on,
            is_sealed: facts.target.is_none(),
            state: match (is_on, channel.failures) {
                (false, _) => ("off", words.is_off),
                (true, 0) => ("online", words.is_on),
                (true, _) => ("silent", words.is_failing),
            },
            target: facts.target.as_ref().map(shown).unwrap_or_default(),
            gets: wants.join(if say.language == Language::Fa { "، " } else { ", " }),
            notes: told.into_iter().chain(quiet).collect(),
            standing,
            error: channel.error.as_deref().filter(|_| channel.failures > 0),
            deliveries: DeliveryFilter { channel: Some(channel.id), state: "" }.link(""),
        }
    }
}

impl<'a> DeliveryView<'a> {
    fn new(row: &'a Shown, channels: &[ChannelFacts<'a>], say: &Say) -> Self {
        let words = of(say.language);
        let known = Kind::ALL.iter().find(|known| known.name() == row.kind);
        let channel = channels.iter().find(|facts| facts.channel.id == row.channel);
        let is_waiting = row.state == "waiting";
        // It waits for itself, or with everything else for a channel that fails.
        let of_channel = channel.filter(|facts| facts.channel.failures > 0).map_or(0, |facts| facts.channel.next_at);
        let next_at = row.next_at.max(of_channel);
        let error = row.error.clone().unwrap_or_default();
        let status = row.status.map(|status| status.to_string()).filter(|status| !error.contains(status));
        let parts = [status, Some(error).filter(|error| !error.is_empty())];
        Self {
            id: row.id(),
            event: known.map_or_else(|| row.kind.clone(), |known| kind(*known, say.language).to_owned()),
            code: &row.kind,
            channel: channel.map_or_else(|| words.gone_channel.to_owned(), |facts| facts.channel.name.clone()),
            state: match row.state.as_str() {
                "delivered" => ("online", words.delivered),
                "dead" => ("silent", words.dead),
                _ => ("limited", words.waiting),
            },
            queued: say.moment(Second::clamped(row.queued_at)),
            tries: say.count(row.tries.into()),
            next: (is_waiting && next_at > say.now.get()).then(|| say.timed(words.next_try, Second::clamped(next_at))),
            trouble: parts.into_iter().flatten().filter(|_| row.state != "delivered").collect::<Vec<_>>().join(" · "),
            is_waiting,
        }
    }
}

impl<'a> AlertsLive<'a> {
    /// The channels and this page of the log; `place` tells whether it begins somewhere else than at the newest, and whether more follow.
    pub(crate) fn new(
        channels: &[ChannelFacts<'a>],
        rows: &'a [Shown],
        filter: DeliveryFilter,
        place: (bool, bool),
        changes: bool,
        say: &Say,
    ) -> Self {
        let words = of(say.language);
        let (goes_on, more) = place;
        let named = filter.channel.and_then(|id| channels.iter().find(|facts| facts.channel.id == id));
        let states =
            [("", say.words.all), ("waiting", words.waiting), ("dead", words.dead), ("delivered", words.delivered)];
        Self {
            words,
            general: say.words,
            changes,
            channels: channels.iter().map(|facts| ChannelView::new(facts, say)).collect(),
            title: named.map_or_else(
                || words.deliveries.to_owned(),
                |facts| words.deliveries_of.replace("{name}", &facts.channel.name),
            ),
            states: states
                .into_iter()
                .map(|(state, word)| (DeliveryFilter { state, ..filter }.link(""), word, state == filter.state))
                .collect(),
            deliveries: rows.iter().map(|row| DeliveryView::new(row, channels, say)).collect(),
            is_filtered: filter != DeliveryFilter::default(),
            // What waits and what is dead has an index.
            stands_still: filter != DeliveryFilter::default() && !["waiting", "dead"].contains(&filter.state),
            first: goes_on.then(|| filter.link("")),
            next: rows.last().filter(|_| more).map(|last| filter.link(&last.id())),
        }
    }
}

/// `GET /alerts/{id}`
#[derive(Template)]
#[template(path = "panel/channel.html")]
pub(crate) struct ChannelPage<'a> {
    shell: Shell<'a>,
    words: &'static Words,
    changes: bool,
    channel: ChannelView<'a>,
    is_for_users: bool,
    delete_ask: String,
    form: ChannelForm,
}

impl<'a> ChannelPage<'a> {
    /// As it stands.
    pub(crate) fn new(shell: Shell<'a>, facts: &ChannelFacts<'a>, changes: bool, say: &Say) -> Self {
        Self {
            words: of(say.language),
            changes,
            channel: ChannelView::new(facts, say),
            is_for_users: facts.channel.audience == Audience::User.name(),
            delete_ask: say.words.delete_ask.replace("{name}", &facts.channel.name),
            form: ChannelForm::of(facts, say),
            shell,
        }
    }
}

/// `GET /new/channel`
#[derive(Template)]
#[template(path = "panel/add_channel.html")]
pub(crate) struct AddChannel<'a> {
    shell: Shell<'a>,
    words: &'static Words,
    /// Type, word, whether it is chosen.
    kinds: [(&'static str, &'static str, bool); 3],
    form: ChannelForm,
}

impl<'a> AddChannel<'a> {
    /// One of this type.
    pub(crate) fn new(shell: Shell<'a>, kind: &'static str, say: &Say) -> Self {
        let words = of(say.language);
        let kinds = TARGET_KINDS.map(|one| (one, kind_word(one, words), one == kind));
        Self { shell, words, kinds, form: ChannelForm::new(kind, say) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_the_log_says_what_was_chosen() {
        let filter = DeliveryFilter { state: "dead", channel: Some(3) };
        assert_eq!(filter.link("7-3"), "/alerts?state=dead&channel=3&before=7-3");
        assert_eq!(DeliveryFilter::default().link(""), "/alerts");
    }

    #[test]
    fn a_target_is_shown_without_its_secrets() {
        let target = |json: &str| shown(&serde_json::from_str(json).unwrap());
        assert_eq!(
            target(r#"{"webhook":{"url":"https://a.example/x","secret":"0123456789abcdef"}}"#),
            "https://a.example/…"
        );
        assert_eq!(target(r#"{"telegram":{"token":"1:abc","chat_id":"@weir"}}"#), "@weir");
        assert_eq!(target(r#"{"email":{"from":"a@b.example","to":"c@d.example"}}"#), "a@b.example → c@d.example");
    }
}
