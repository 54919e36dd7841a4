//! Subscriptions of others: what was set about each, its last good copy, and how its fetches go.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;

/// Most sources: the published list is made of one row of each.
pub const MOST: u32 = 50;

macro_rules! columns {
    () => {
        "id, name, url, priority, enabled, rules, config_count, format, left_out, userinfo, etag, last_modified, tried_at,
  good_at, next_at, error, failures, attempts, successes, ticket, created_at"
    };
}

/// A source as it stands, without its copy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Source {
    /// Number.
    pub id: i64,
    /// What the operator calls it.
    pub name: String,
    /// Where it is fetched.
    pub url: String,
    /// Smaller comes first.
    pub priority: i64,
    /// 1: fetched and handed out.
    pub enabled: u8,
    /// JSON of [`crate::domain::source::rules::Rules`].
    pub rules: String,
    /// Links of the copy.
    pub config_count: u32,
    /// How the copy was written.
    pub format: Option<String>,
    /// JSON of [`crate::domain::source::gather::LeftOut`] of the last answer.
    pub left_out: String,
    /// The provider's `Subscription-Userinfo`.
    pub userinfo: Option<String>,
    /// `ETag` of the copy.
    pub etag: Option<String>,
    /// `Last-Modified` of the copy.
    pub last_modified: Option<String>,
    /// Begin of the last fetch.
    pub tried_at: Option<i64>,
    /// Of the last one that went well.
    pub good_at: Option<i64>,
    /// From when on it is due.
    pub next_at: i64,
    /// Why the last fetch failed.
    pub error: Option<String>,
    /// Fetches in a row that failed.
    pub failures: u32,
    /// Fetches.
    pub attempts: u32,
    /// Fetches that went well.
    pub successes: u32,
    /// See the migration.
    pub ticket: i64,
    /// When it was added.
    pub created_at: i64,
}

// Rows read: 1 per source.
const ALL: &str = concat!("SELECT ", columns!(), " FROM xpert_sources ORDER BY priority, id");
// Rows read: 1.
const ONE: &str = concat!("SELECT ", columns!(), " FROM xpert_sources WHERE id = ?1");

/// All of them, the first ones first.
#[must_use]
pub fn all() -> Statement {
    Statement::new(ALL)
}

/// One of them.
#[must_use]
pub fn one(id: i64) -> Statement {
    Statement::new(ONE).bind(id)
}

// Rows: 1 read per source; 2 written (row, name).
const ADD: &str = concat!(
    "
INSERT INTO xpert_sources (name, url, priority, enabled, rules, created_at)
SELECT ?1, ?2, CAST(?3 AS INTEGER), CAST(?4 AS INTEGER), ?5, CAST(?6 AS INTEGER)
WHERE (SELECT count(*) FROM xpert_sources) < CAST(?7 AS INTEGER) RETURNING ",
    columns!()
);

/// What is stored of a new source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct New<'a> {
    /// What the operator calls it.
    pub name: &'a str,
    /// Where it is fetched.
    pub url: &'a str,
    /// Smaller comes first.
    pub priority: u32,
    /// Whether it is fetched and handed out.
    pub enabled: bool,
    /// JSON of the rules.
    pub rules: &'a str,
}

/// Adds a source, due at once, and returns it; no row when there are [`MOST`], taken when the name is.
#[must_use]
pub fn add(new: &New<'_>, now: Second) -> Statement {
    Statement::new(ADD)
        .bind(new.name)
        .bind(new.url)
        .bind(new.priority)
        .bind(u32::from(new.enabled))
        .bind(new.rules)
        .bind(now)
        .bind(MOST)
}

// What is fetched otherwise is fetched anew and whole. Rows: 1 read, 1 written, 1 more for another name; 1 for the version.
const CHANGE: &str = concat!(
    "
UPDATE xpert_sources SET name = coalesce(?2, name), url = coalesce(?3, url), priority = coalesce(CAST(?4 AS INTEGER), priority),
  rules = coalesce(?5, rules), ticket = ticket + 1, etag = NULL, last_modified = NULL, next_at = 0
WHERE id = ?1 RETURNING ",
    columns!()
);

/// Changes what is given of a source, makes it due, and returns it. A fetch that is under way writes nothing any more.
#[must_use]
pub fn change(id: i64, name: Option<&str>, url: Option<&str>, priority: Option<u32>, rules: Option<&str>) -> Statement {
    Statement::new(CHANGE).bind(id).bind(name).bind(url).bind(priority).bind(rules)
}

// Rows: 1 read, 1 written; 1 for the version. Who is switched on is due when it would have been.
const TOGGLE: &str = concat!("UPDATE xpert_sources SET enabled = 1 - enabled WHERE id = ?1 RETURNING ", columns!());
const REMOVE: &str = concat!("DELETE FROM xpert_sources WHERE id = ?1 RETURNING ", columns!());

/// Switches a source on or off, and returns it.
#[must_use]
pub fn toggle(id: i64) -> Statement {
    Statement::new(TOGGLE).bind(id)
}

/// Removes a source with its copy, and returns it.
#[must_use]
pub fn remove(id: i64) -> Statement {
    Statement::new(REMOVE).bind(id)
}

// Rows: 1 read per source, 1 written per source that becomes due.
const HURRY: &str = "UPDATE xpert_sources SET next_at = 0 WHERE (?1 IS NULL AND enabled = 1) OR id = ?1";

/// Makes a source due, or all that are on.
#[must_use]
pub fn hurry(id: Option<i64>) -> Statement {
    Statement::new(HURRY).bind(id)
}

// Rows: 1 read per source, 1 written.
const CLAIM: &str = concat!(
    "
UPDATE xpert_sources SET tried_at = CAST(?1 AS INTEGER), next_at = CAST(?2 AS INTEGER), ticket = ticket + 1,
  attempts = attempts + 1, failures = failures + 1, error = ?3
WHERE id = coalesce(?4, (SELECT id FROM xpert_sources WHERE enabled = 1 AND next_at <= CAST(?1 AS INTEGER)
  ORDER BY next_at, id LIMIT 1)) RETURNING ",
    columns!()
);

/// Begins a fetch: of source `id`, or of the one that is due the longest; no row when none is. Until its end is written it
/// counts as cut off, and is begun again at `retry` at the earliest, so that an answer which takes too much cannot hold up others.
#[must_use]
pub fn claim(id: Option<i64>, now: Second, retry: Second) -> Statement {
    Statement::new(CLAIM)
        .bind(now)
        .bind(retry)
        .bind("the fetch was cut off: the answer may take too much time to read")
        .bind(id)
}

/// How a fetch ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Good<'a> {
    /// JSON list of [`crate::domain::source::gather::Stored`], and how many they are.
    pub links: &'a str,
    /// See `links`.
    pub count: usize,
    /// How the answer was written.
    pub format: &'a str,
    /// JSON of what is not among the links.
    pub left_out: &'a str,
    /// The provider's `Subscription-Userinfo`.
    pub userinfo: Option<&'a str>,
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// `Last-Modified`.
    pub last_modified: Option<&'a str>,
}

// Rows: 1 read, 1 written; 1 for the version when the links are others.
const KEEP: &str = "
UPDATE xpert_sources SET links = ?3, config_count = CAST(?4 AS INTEGER), format = ?5, left_out = ?6, userinfo = ?7, etag = ?8,
  last_modified = ?9, good_at = tried_at, next_at = CAST(?10 AS INTEGER), error = NULL, failures = 0, successes = successes + 1
WHERE id = ?1 AND ticket = CAST(?2 AS INTEGER)";

/// Puts a good copy in place of the last one.
#[must_use]
pub fn keep(source: &Source, good: &Good<'_>, next: Second) -> Statement {
    Statement::new(KEEP)
        .bind(source.id)
        .bind(source.ticket)
        .bind(good.links)
        .bind(i64::try_from(good.count).unwrap_or_default())
        .bind(good.format)
        .bind(good.left_out)
        .bind(good.userinfo)
        .bind(good.etag)
        .bind(good.last_modified)
        .bind(next)
}

// Rows: 1 read, 1 written.
const SAME: &str = "
UPDATE xpert_sources SET good_at = tried_at, next_at = CAST(?3 AS INTEGER), error = NULL, failures = 0,
  successes = successes + 1, userinfo = coalesce(?4, userinfo)
WHERE id = ?1 AND ticket = CAST(?2 AS INTEGER)";

/// The copy is still what the provider has; what it says of usage stays where it says nothing.
#[must_use]
pub fn same(source: &Source, userinfo: Option<&str>, next: Second) -> Statement {
    Statement::new(SAME).bind(source.id).bind(source.ticket).bind(next).bind(userinfo)
}

// Rows: 1 read, 1 written.
const FAIL: &str = "
UPDATE xpert_sources SET error = ?3, left_out = ?4, next_at = CAST(?5 AS INTEGER) WHERE id = ?1 AND ticket = CAST(?2 AS INTEGER)";

/// The fetch failed: the copy stays, and the source says why.
#[must_use]
pub fn fail(source: &Source, error: &str, left_out: &str, next: Second) -> Statement {
    Statement::new(FAIL).bind(source.id).bind(source.ticket).bind(error).bind(left_out).bind(next)
}

// Rows read: 1 per source.
const NEXT: &str = "SELECT min(next_at) AS next_at FROM xpert_sources WHERE enabled = 1";

/// What [`next`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Next {
    /// None while there is no source that is on.
    pub next_at: Option<i64>,
}

/// When the next source is due.
#[must_use]
pub fn next() -> Statement {
    Statement::new(NEXT)
}

// Rows read: 1.
const STATE: &str = "
SELECT sources_version AS version, sources_published AS published, sources_note AS note, direct FROM xpert_state WHERE id = 1";
// Rows read: 1 per source.
const COPIES: &str = "SELECT links FROM xpert_sources WHERE enabled = 1 ORDER BY priority, id";

/// How far the published list is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct State {
    /// Of the sources.
    pub version: i64,
    /// That the published list was made of.
    pub published: i64,
    /// What is not in it.
    pub note: Option<String>,
    /// JSON list of [`crate::domain::xpert::list::Line`].
    pub direct: String,
}

/// The copy of a source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Copy {
    /// JSON list of [`crate::domain::source::gather::Stored`].
    pub links: String,
}

/// How far the published list is.
#[must_use]
pub fn state() -> Statement {
    Statement::new(STATE)
}

/// What the published list is made of: the [`State`], and the copies of the sources that are on.
#[must_use]
pub fn copies() -> [Statement; 2] {
    [Statement::new(STATE), Statement::new(COPIES)]
}

// Rows: 1 read, 1 written.
const PUBLISH: &str = "
UPDATE xpert_state SET aggregated = ?2, sources_note = ?3, sources_published = sources_version
WHERE id = 1 AND sources_version = CAST(?1 AS INTEGER)";

/// Publishes a list that was made of the sources at `version`; it changes nothing when they are others by now.
#[must_use]
pub fn publish(version: i64, lines: &str, note: Option<&str>) -> Statement {
    Statement::new(PUBLISH).bind(version).bind(lines).bind(note)
}
