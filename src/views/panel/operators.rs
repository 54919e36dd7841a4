//! Operators and API keys.

use askama::Template;
use weir_wire::{Bytes, Second};

use super::super::asset;
use super::super::format::Moment;
use super::form::gigabytes;
use super::say::Say;
use super::shell::Shell;
use super::words::Words;
use super::words::account::Account;
use super::words::{self, operators as own};
use crate::domain::role::Role;
use crate::domain::user::Status;

/// What is known of an operator; instants in unix seconds.
pub(crate) struct OperatorFacts<'a> {
    /// His name.
    pub(crate) name: &'a str,
    /// What he is.
    pub(crate) role: Role,
    /// When he was created.
    pub(crate) created_at: i64,
    /// Whether he is shut out.
    pub(crate) is_disabled: bool,
    /// Whether his second factor is asked for.
    pub(crate) has_second_factor: bool,
    /// When he signed in last.
    pub(crate) signed_in_at: Option<i64>,
    /// Users at most.
    pub(crate) user_allowance: Option<u32>,
    /// Bytes a month at most.
    pub(crate) byte_allowance: Option<Bytes>,
    /// Users of his.
    pub(crate) users: u32,
    /// Whether it is he who looks at the page.
    pub(crate) is_me: bool,
}

impl OperatorFacts<'_> {
    /// With so many users of his.
    pub(crate) const fn of(mut self, users: u32) -> Self {
        self.users = users;
        self
    }

    /// "3 of 50".
    fn users(&self, say: &Say) -> String {
        let users = say.count(self.users.into());
        let most = self.user_allowance.map(|most| say.words.of.replace("{quota}", &say.count(most.into())));
        most.map_or_else(|| users.clone(), |most| format!("{users} {most}"))
    }
}

/// What is known of an API key; instants in unix seconds.
pub(crate) struct KeyFacts<'a> {
    /// What names it in the API.
    pub(crate) id: &'a str,
    /// What the operator calls it.
    pub(crate) name: &'a str,
    /// Its scopes, separated by spaces.
    pub(crate) scopes: &'a str,
    /// When it was used last.
    pub(crate) last_used_at: Option<i64>,
    /// When it ends.
    pub(crate) expires_at: Option<i64>,
}

/// An operator as a line of the table.
struct Line {
    name: String,
    role: &'static str,
    is_disabled: bool,
    has_second_factor: bool,
    signed_in: Option<Moment>,
    users: String,
    /// What his users may use in a month.
    bytes: Option<String>,
    is_me: bool,
}

/// A key as a line of the table.
struct KeyLine {
    id: String,
    name: String,
    scopes: Vec<String>,
    used: Option<Moment>,
    ends: Option<String>,
    is_over: bool,
    /// "Delete shop?"
    delete_ask: String,
}

/// `GET /settings/operators`
#[derive(Template)]
#[template(path = "panel/operators.html")]
pub(crate) struct Operators<'a> {
    shell: Shell<'a>,
    own: &'static own::Operators,
    factor: &'static Account,
    disabled: &'static str,
    lines: Vec<Line>,
    keys: Vec<KeyLine>,
}

impl<'a> Operators<'a> {
    /// These operators and keys.
    pub(crate) fn new(shell: Shell<'a>, operators: &[OperatorFacts<'_>], keys: &[KeyFacts<'_>], say: &Say) -> Self {
        let own = own::of(say.language);
        let moment = |at: Option<i64>| at.map(|at| say.moment(Second::clamped(at)));
        let line = |facts: &OperatorFacts<'_>| Line {
            name: facts.name.to_owned(),
            role: (own.role_of)(facts.role),
            is_disabled: facts.is_disabled,
            has_second_factor: facts.has_second_factor,
            signed_in: moment(facts.signed_in_at),
            users: facts.users(say),
            bytes: facts.byte_allowance.map(|bytes| own.bytes_a_month.replace("{size}", &say.size(bytes))),
            is_me: facts.is_me,
        };
        let key = |facts: &KeyFacts<'_>| {
            let ends = facts.expires_at.map(Second::clamped);
            KeyLine {
                id: facts.id.to_owned(),
                name: facts.name.to_owned(),
                scopes: facts.scopes.split_whitespace().map(str::to_owned).collect(),
                used: moment(facts.last_used_at),
                ends: ends.map(|at| say.date(at)),
                is_over: ends.is_some_and(|at| at <= say.now),
                delete_ask: say.words.delete_ask.replace("{name}", facts.name),
            }
        };
        Self {
            shell,
            own,
            factor: words::account::of(say.language),
            disabled: (say.words.status_of)(Status::Disabled),
            lines: operators.iter().map(line).collect(),
            keys: keys.iter().map(key).collect(),
        }
    }
}

/// How one operator stands: the part that refreshes itself.
#[derive(Template)]
#[template(path = "panel/operator_live.html")]
pub(crate) struct OperatorLive {
    words: &'static Words,
    own: &'static own::Operators,
    factor: &'static Account,
    disabled: &'static str,
    name: String,
    role: &'static str,
    is_disabled: bool,
    is_me: bool,
    has_second_factor: bool,
    signed_in: Option<Moment>,
    created: String,
}

impl OperatorLive {
    /// Puts him into words.
    pub(crate) fn new(facts: &OperatorFacts<'_>, say: &Say) -> Self {
        let own = own::of(say.language);
        Self {
            words: say.words,
            own,
            factor: words::account::of(say.language),
            disabled: (say.words.status_of)(Status::Disabled),
            name: facts.name.to_owned(),
            role: (own.role_of)(facts.role),
            is_disabled: facts.is_disabled,
            is_me: facts.is_me,
            has_second_factor: facts.has_second_factor,
            signed_in: facts.signed_in_at.map(|at| say.moment(Second::clamped(at))),
            created: say.date(Second::clamped(facts.created_at)),
        }
    }
}

/// A role to choose: what the API calls it, what it is called here.
type RoleChoice = (&'static str, &'static str);

fn roles(own: &own::Operators) -> [RoleChoice; 4] {
    Role::EVERY.map(|role| (role.name(), (own.role_of)(role)))
}

/// `GET /settings/operators/{name}`
#[derive(Template)]
#[template(path = "panel/operator.html")]
pub(crate) struct OperatorPage<'a> {
    shell: Shell<'a>,
    own: &'static own::Operators,
    name: &'a str,
    role: &'static str,
    roles: [RoleChoice; 4],
    is_me: bool,
    has_second_factor: bool,
    /// What he has handed out: "3 of 50".
    users: String,
    /// What his users may use in a month.
    bytes: String,
    user_allowance: String,
    byte_allowance: String,
    delete_ask: String,
    /// What becomes of his users, if he has any.
    delete_users: Option<String>,
    live: OperatorLive,
}

impl<'a> OperatorPage<'a> {
    /// With the bytes that his users may use in a month; none = without bound.
    pub(crate) fn new(
        shell: Shell<'a>,
        facts: &OperatorFacts<'a>,
        bytes: Option<u64>,
        live: OperatorLive,
        say: &Say,
    ) -> Self {
        let own = own::of(say.language);
        let given = bytes.map_or_else(|| say.words.no_limit.to_owned(), |bytes| say.size(Bytes::saturating(bytes)));
        let most = facts.byte_allowance.map(|most| say.words.of.replace("{quota}", &say.size(most)));
        Self {
            own,
            name: facts.name,
            role: facts.role.name(),
            roles: roles(own),
            is_me: facts.is_me,
            has_second_factor: facts.has_second_factor,
            users: facts.users(say),
            bytes: most.map_or_else(|| given.clone(), |most| format!("{given} {most}")),
            user_allowance: facts.user_allowance.map_or_else(String::new, |most| most.to_string()),
            byte_allowance: facts.byte_allowance.map_or_else(String::new, gigabytes),
            delete_ask: say.words.delete_ask.replace("{name}", facts.name),
            delete_users: (facts.users > 0)
                .then(|| own.delete_users.replace("{count}", &say.count(facts.users.into()))),
            shell,
            live,
        }
    }
}

/// `GET /new/operator`
#[derive(Template)]
#[template(path = "panel/add_operator.html")]
pub(crate) struct AddOperator<'a> {
    shell: Shell<'a>,
    own: &'static own::Operators,
    roles: [RoleChoice; 4],
}

impl<'a> AddOperator<'a> {
    /// The form.
    pub(crate) fn new(shell: Shell<'a>, say: &Say) -> Self {
        let own = own::of(say.language);
        Self { shell, own, roles: roles(own) }
    }
}

/// `GET /new/key`
#[derive(Template)]
#[template(path = "panel/add_key.html")]
pub(crate) struct AddKey<'a> {
    shell: Shell<'a>,
    own: &'static own::Operators,
    scopes: Vec<&'static str>,
}

impl<'a> AddKey<'a> {
    /// With these scopes to choose from.
    pub(crate) fn new(shell: Shell<'a>, scopes: Vec<&'static str>, say: &Say) -> Self {
        Self { shell, own: own::of(say.language), scopes }
    }
}
