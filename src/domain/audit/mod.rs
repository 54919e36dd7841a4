//! The audit log: who did what, from where, and what was so before and after, as a chain that nobody can bend who lacks
//! the key.
//!
//! A row's link is an HMAC over the link of the row before it and over the row itself. The head says how many rows there
//! are and which link is the last, under an HMAC of its own. So a row that was edited, taken out or put in does not fit its
//! neighbours, and a tail that was cut does not fit the head.

mod facts;
mod verify;

pub use facts::{Facts, Secret};
pub use verify::{Broken, HeadState, Kept, Kind as BrokenKind, LOOK_AHEAD, Tail, Verdict, Walk, verify};

use core::fmt;

use serde::{Deserialize, Serialize};
use weir_wire::credential::hmac_sha256;

use super::role::{Reach, Role, scope};
use super::token::same;

/// The action of the row that says: when this was written the head was not sealed by our key. It was forged, or the key is
/// another one since. A chain that goes on from there without this row would cover up what happened.
pub const UNSEALED: &str = "audit.unsealed";

/// What kind of caller did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A script, by an API key.
    ApiKey,
    /// An operator in a browser.
    Operator,
    /// An admin of the Marzban whose secret was imported.
    Marzban,
    /// The panel itself, by the clock.
    Job,
    /// Somebody who is not signed in.
    Stranger,
}

impl ActorKind {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Operator => "operator",
            Self::Marzban => "marzban",
            Self::Job => "job",
            Self::Stranger => "stranger",
        }
    }
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind of caller.
    pub kind: ActorKind,
    /// Name of the key, the operator or the job; what a stranger claimed to be.
    pub name: String,
    /// The address that the request came from, as the platform tells it.
    pub address: Option<String>,
    /// What an operator is. Not part of the log.
    pub role: Option<Role>,
    /// What an API key may, with spaces between. Not part of the log.
    pub scopes: Option<String>,
    /// The reseller that he is: users of this operator are all that he reaches. Not part of the log.
    pub only: Option<i64>,
}

impl Actor {
    /// Whether he reaches an action of [`super::role`] at all: an operator by his role, an API key by its scopes, nobody else.
    #[must_use]
    pub fn reaches(&self, action: &'static str) -> bool {
        match (self.role, &self.scopes) {
            (Some(role), _) => role.reach(action) != Reach::None,
            (None, Some(scopes)) => scopes.split(' ').any(|held| held == scope(action)),
            (None, None) => false,
        }
    }
}

/// What is done, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Noun and verb, such as `user.change`.
    pub action: &'static str,
    /// What it is done to, as its path in the API, such as `users/ann`.
    pub subject: String,
    /// What was so before, as far as it changes.
    pub before: Option<Facts>,
    /// What is so afterwards.
    pub after: Option<Facts>,
}

impl Entry {
    /// An action that has neither a before nor an after.
    #[must_use]
    pub fn new(action: &'static str, subject: impl Into<String>) -> Self {
        Self { action, subject: subject.into(), before: None, after: None }
    }

    /// With what was so before.
    #[must_use]
    pub fn before(mut self, facts: Facts) -> Self {
        self.before = Some(facts);
        self
    }

    /// With what is so afterwards.
    #[must_use]
    pub fn after(mut self, facts: Facts) -> Self {
        self.after = Some(facts);
        self
    }
}

/// One row of the log, without its link. Texts are what the database holds, which may not be what we wrote.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Row {
    /// Place in the chain, from 1 on without a gap.
    pub number: i64,
    /// Unix seconds.
    pub at: i64,
    /// [`ActorKind`].
    pub actor_kind: String,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// JSON of what was so before.
    pub before: Option<String>,
    /// JSON of what is so afterwards.
    pub after: Option<String>,
    /// From which address.
    pub origin: Option<String>,
    /// Which request; the log of the Worker has more under it.
    pub request: String,
}

impl Row {
    /// The row of an entry.
    #[must_use]
    pub fn new(number: i64, at: i64, actor: &Actor, entry: &Entry, request: &str, key: &[u8]) -> Self {
        let text = |facts: &Option<Facts>| facts.as_ref().map(|facts| facts.json(key));
        Self {
            number,
            at,
            actor_kind: actor.kind.as_str().to_owned(),
            actor: actor.name.clone(),
            action: entry.action.to_owned(),
            subject: entry.subject.clone(),
            before: text(&entry.before),
            after: text(&entry.after),
            origin: actor.address.clone(),
            request: request.to_owned(),
        }
    }

    /// The row in one way only: numbers in 8 bytes, texts behind their length, and a length that no text has for what is
    /// missing. No two rows have the same bytes, whatever their texts hold.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.at.to_be_bytes());
        let texts = [
            Some(&self.actor_kind),
            Some(&self.actor),
            Some(&self.action),
            Some(&self.subject),
            self.before.as_ref(),
            self.after.as_ref(),
            self.origin.as_ref(),
            Some(&self.request),
        ];
        for text in texts {
            let length = text.map_or(u64::MAX, |text| u64::try_from(text.len()).unwrap_or(u64::MAX - 1));
            bytes.extend(length.to_be_bytes());
            bytes.extend(text.map_or(&[][..], |text| text.as_bytes()));
        }
        bytes
    }
}

/// What binds a row to all rows before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Link([u8; 32]);

impl Link {
    /// What stands before the first row.
    pub const NONE: Self = Self([0; 32]);

    /// `HMAC-SHA256(AUDIT_KEY, "weir/audit/row/1:" previous link, row)`.
    #[must_use]
    pub fn of(key: &[u8], previous: Self, row: &Row) -> Self {
        let mut message = b"weir/audit/row/1:".to_vec();
        message.extend(previous.0);
        message.extend(row.bytes());
        Self(hmac_sha256(key, &message))
    }

    /// Reads 64 hex digits in small letters, as we write them.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes)).filter(|link| link.to_string() == text)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The end of the chain, as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// Rows that there are.
    pub count: i64,
    /// Link of the last one.
    pub link: String,
    /// HMAC over both.
    pub seal: String,
}

impl Head {
    /// The head of a log of `count` rows.
    #[must_use]
    pub fn sealed(key: &[u8], count: i64, link: Link) -> Self {
        Self { count, link: link.to_string(), seal: seal(key, count, link) }
    }

    /// As a panel is made, before anything was recorded.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.count == 0 && self.link.is_empty() && self.seal.is_empty()
    }

    /// The last link, if this key sealed it together with the count.
    #[must_use]
    pub fn link(&self, key: &[u8]) -> Option<Link> {
        let link = Link::read(&self.link)?;
        same(seal(key, self.count, link).as_bytes(), self.seal.as_bytes()).then_some(link)
    }
}

/// `HMAC-SHA256(AUDIT_KEY, "weir/audit/head/1:" count, link)` in hex.
fn seal(key: &[u8], count: i64, link: Link) -> String {
    let mut message = b"weir/audit/head/1:".to_vec();
    message.extend(count.to_be_bytes());
    message.extend(link.0);
    hex::encode(hmac_sha256(key, &message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn row() -> Row {
        Row {
            number: 7,
            at: 1_794_744_000,
            actor_kind: "operator".into(),
            actor: "admin".into(),
            action: "user.change".into(),
            subject: "users/ann".into(),
            before: Some(r#"{"monthly_quota":5}"#.into()),
            after: Some(r#"{"monthly_quota":9}"#.into()),
            origin: None,
            request: "00ff".into(),
        }
    }

    #[test]
    fn an_operator_reaches_what_his_role_says_and_a_key_what_its_scopes_say() {
        let actor = |role, scopes: Option<&str>| Actor {
            kind: ActorKind::ApiKey,
            name: String::new(),
            address: None,
            role,
            scopes: scopes.map(str::to_owned),
            only: None,
        };
        let writes = |actor: Actor| actor.reaches("channels:write");
        assert!(writes(actor(Some(Role::Admin), None)) && !writes(actor(Some(Role::Viewer), None)));
        assert!(writes(actor(None, Some("users:read channels:write"))));
        assert!(!writes(actor(None, Some("channels:read channels:writes"))) && !writes(actor(None, Some(""))));
        assert!(!writes(actor(None, None)));
        assert!(actor(None, Some("users:read")).reaches("users:links"), "an action may have the scope of another");
    }

    #[test]
    fn a_link_and_a_seal_never_change() {
        // Made independently with Python's hmac and struct; other values would make every log look forged.
        let link = Link::of(KEY, Link::NONE, &row());
        assert_eq!(link.to_string(), "6fb12904a9eb85641acc53d77085c355086ef44652c0d7970ea899f7734dce8a");
        assert_eq!(Head::sealed(KEY, 7, link).seal, "16d1541970e4b5ade0e018520726c1eb5da9d2b75990cfb83ef8319aef345759");
    }

    #[test]
    fn every_field_changes_the_link() {
        let edits: [fn(&mut Row); 10] = [
            |row| row.number += 1,
            |row| row.at -= 1,
            |row| row.actor_kind = "job".into(),
            |row| row.actor.push('x'),
            |row| row.action.push('x'),
            |row| row.subject.clear(),
            |row| row.before = None,
            |row| row.after = Some(String::new()),
            |row| row.origin = Some(String::new()),
            |row| row.request.push('0'),
        ];
        let whole = Link::of(KEY, Link::NONE, &row());
        for (index, edit) in edits.iter().enumerate() {
            let mut edited = row();
            edit(&mut edited);
            assert_ne!(Link::of(KEY, Link::NONE, &edited), whole, "edit {index}");
        }
        assert_ne!(Link::of(KEY, whole, &row()), whole);
        assert_ne!(Link::of(b"another key", Link::NONE, &row()), whole);
    }

    #[test]
    fn letters_that_move_from_one_field_to_the_next_change_the_link() {
        let moved = |actor: &str, action: &str, before: Option<&str>, after: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            Row { actor: actor.into(), action: action.into(), before: own(before), after: own(after), ..row() }.bytes()
        };
        assert_ne!(moved("ab", "c", None, None), moved("a", "bc", None, None));
        assert_ne!(moved("a\0", "b", None, None), moved("a", "\0b", None, None));
        assert_ne!(moved("a", "b", None, Some("c")), moved("a", "b", Some("c"), None));
        assert_ne!(moved("a", "b", Some(""), None), moved("a", "b", None, Some("")));
    }

    #[test]
    fn a_link_is_read_as_it_is_written_and_not_otherwise() {
        let link = Link::of(KEY, Link::NONE, &row());
        assert_eq!(Link::read(&link.to_string()), Some(link));
        for bad in ["", "00", &link.to_string().to_uppercase(), &format!("{link}0"), &"g".repeat(64)] {
            assert_eq!(Link::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_head_is_sealed_by_its_key_for_its_count_and_its_link() {
        let link = Link::of(KEY, Link::NONE, &row());
        let head = Head::sealed(KEY, 7, link);
        assert_eq!(head.link(KEY), Some(link));
        assert_eq!(head.link(b"another key"), None);
        assert_eq!(Head { count: 6, ..head.clone() }.link(KEY), None);
        assert_eq!(Head { link: Link::NONE.to_string(), ..head.clone() }.link(KEY), None);
        assert_eq!(Head { seal: String::new(), ..head }.link(KEY), None);
        assert!(Head { count: 0, link: String::new(), seal: String::new() }.is_new());
    }
}
