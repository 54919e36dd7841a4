//! An operator's own sign-in: where he is signed in, his password, his second factor.

use askama::Template;
use weir_wire::Second;

use super::super::asset;
use super::super::format::Moment;
use super::say::Say;
use super::shell::Shell;
use super::words;
use crate::domain::page::browser::browser;
use crate::domain::role::Role;

/// `GET /account`
#[derive(Template)]
#[template(path = "panel/account.html")]
pub(crate) struct Account<'a> {
    shell: Shell<'a>,
    own: &'static words::account::Account,
    role: &'static str,
    /// Since when the second factor is asked for, in a sentence.
    on_since: Option<String>,
    codes_left: String,
    /// None where the panel was called by an address, to which browsers bind no passkey.
    passkeys: Option<Vec<PasskeyLine>>,
    live: AccountLive,
}

/// What is known of a passkey.
pub(crate) struct PasskeyFacts<'a> {
    /// What names it in the API.
    pub(crate) id: &'a str,
    /// What its operator calls it.
    pub(crate) name: &'a str,
    /// When it was made.
    pub(crate) made: i64,
    /// When somebody signed in with it last.
    pub(crate) used: Option<i64>,
}

/// A passkey as a line of the list.
struct PasskeyLine {
    id: String,
    name: String,
    made: String,
    used: Option<Moment>,
    /// "Delete my phone?"
    remove_ask: String,
}

/// His second factor.
#[derive(Clone, Copy)]
pub(crate) struct SecondFactor {
    /// Since when it is asked for.
    pub(crate) since: Option<i64>,
    /// Recovery codes left.
    pub(crate) codes: u32,
}

impl<'a> Account<'a> {
    /// As he stands.
    pub(crate) fn new(
        shell: Shell<'a>,
        role: Role,
        factor: SecondFactor,
        passkeys: Option<&[PasskeyFacts<'_>]>,
        live: AccountLive,
        say: &Say,
    ) -> Self {
        let own = words::account::of(say.language);
        let shown = |facts: &PasskeyFacts<'_>| PasskeyLine {
            id: facts.id.to_owned(),
            name: facts.name.to_owned(),
            made: say.date(Second::clamped(facts.made)),
            used: facts.used.map(|at| say.moment(Second::clamped(at))),
            remove_ask: say.words.delete_ask.replace("{name}", facts.name),
        };
        let since = factor.since.map(|at| say.date(Second::clamped(at)));
        Self {
            shell,
            own,
            role: (words::operators::of(say.language).role_of)(role),
            on_since: since.map(|date| own.on_since.replace("{date}", &date)),
            passkeys: passkeys.map(|passkeys| passkeys.iter().map(shown).collect()),
            codes_left: own.codes_left.replace("{count}", &say.count(factor.codes.into())),
            live,
        }
    }
}

/// What is known of a session.
pub(crate) struct SessionFacts<'a> {
    /// What names it in the API.
    pub(crate) id: &'a str,
    /// When it was begun.
    pub(crate) begun: i64,
    /// The address that the platform saw.
    pub(crate) address: Option<&'a str>,
    /// What the browser called itself.
    pub(crate) agent: &'a str,
    /// Whether it is the one that looks at the page.
    pub(crate) is_this: bool,
}

/// A session as a line of the list.
pub(crate) struct SessionLine {
    id: String,
    browser: String,
    /// All that the browser said.
    agent: String,
    address: String,
    signed_in: String,
    at: Moment,
    is_this: bool,
}

/// What changes from moment to moment: where he is signed in.
#[derive(Template)]
#[template(path = "panel/account_live.html")]
pub(crate) struct AccountLive {
    own: &'static words::account::Account,
    sessions: Vec<SessionLine>,
}

impl AccountLive {
    /// Puts sessions into words: the one of this page first, the newest next.
    pub(crate) fn new(mut sessions: Vec<SessionFacts<'_>>, say: &Say) -> Self {
        let own = words::account::of(say.language);
        sessions.sort_by_key(|session| !session.is_this);
        let line = |session: &SessionFacts<'_>| {
            let name = browser(session.agent);
            let at = say.moment(Second::clamped(session.begun));
            SessionLine {
                id: session.id.to_owned(),
                browser: if name.is_empty() { own.no_browser.to_owned() } else { name },
                agent: session.agent.to_owned(),
                address: session.address.unwrap_or(own.no_address).to_owned(),
                signed_in: own.signed_in.replace("{time}", &at.words),
                at,
                is_this: session.is_this,
            }
        };
        Self { own, sessions: sessions.iter().map(line).collect() }
    }
}
