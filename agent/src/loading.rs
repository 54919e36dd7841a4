//! When the core must be reloaded, and which roster it has loaded.
//!
//! A reload cuts every connection, so it is a last resort: new users take slots that are loaded already, and whatever
//! does need a reload waits for the next batch, or for a moment in which nobody is connected.

use serde::{Deserialize, Serialize};
use weir_wire::roster::RosterVersion;

use crate::clock::Moment;
use crate::ledger::{Batch, Ledger, LedgerError, Table, put_meta};

const META: &str = "loaded";
/// Milliseconds before a failed reload is tried again, whatever the settings.
const AFTER_FAILURE: u64 = 30_000;
/// Milliseconds without a connection that make a quiet moment.
const QUIET: u64 = 3_000;

/// What stands between roster and core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Open slots that the core has not loaded.
    pub(crate) open: usize,
    /// Vacant and shut slots that it has not loaded.
    pub(crate) others: usize,
    /// It has loaded at least one slot of the roster.
    pub(crate) any_loaded: bool,
}

/// The core, as seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Not heard of yet.
    Unknown,
    /// It does not answer.
    Down,
    /// It answers, and this much is pending.
    Up(Pending),
}

/// What is kept about loads.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Books {
    /// The newest held version all of whose slots the core has loaded.
    version: RosterVersion,
    /// What the template looked like when the core loaded it.
    template: Option<Template>,
    /// Reloads since the ledger was made.
    reloads: u32,
    /// A loaded slot got other credentials.
    stale: bool,
}

/// A file's modification time and length: enough to see that an operator saved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Template {
    /// Unix seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
    /// Bytes.
    pub(crate) length: u64,
}

/// Decides about reloads.
#[derive(Debug)]
pub(crate) struct Loading {
    books: Books,
    template: Option<Template>,
    every: u64,
    running: bool,
    /// A reload is due as soon as possible, once: when the agent starts beside a core that has nothing of ours.
    first: bool,
    not_before: Moment,
    quiet_since: Option<Moment>,
}

impl Loading {
    /// Reads what the ledger holds. `every` is the least distance of reloads in milliseconds.
    pub(crate) fn load(ledger: &Ledger, every: u64) -> Result<Self, LedgerError> {
        Ok(Self {
            books: ledger.get(Table::Meta, META.as_bytes())?.unwrap_or_default(),
            template: None,
            every,
            running: false,
            first: true,
            not_before: Moment::default(),
            quiet_since: None,
        })
    }

    fn write(&self, batch: &mut Batch) {
        put_meta(batch, META, &self.books);
    }

    /// Whether to reload now. A running reload is never doubled.
    pub(crate) fn is_due(&mut self, seen: Seen, live: usize, now: Moment) -> bool {
        self.quiet_since = if live == 0 { self.quiet_since.or(Some(now)) } else { None };
        let quiet = self.quiet_since.is_some_and(|since| now.since(since) >= QUIET);
        let waited = now >= self.not_before;
        let due = match seen {
            Seen::Unknown => false,
            // The service manager restarts a core that fails; only at the start is it ours to bring it up.
            Seen::Down => self.first && waited,
            Seen::Up(pending) => {
                let nothing = !pending.any_loaded && pending.open + pending.others > 0;
                let must = pending.open > 0 || self.is_outdated();
                waited && (nothing && self.first || must || pending.others > 0 && quiet)
            }
        };
        due && !self.running
    }

    /// The template was saved, or a slot got other credentials, since the core loaded them.
    #[must_use]
    pub(crate) fn is_outdated(&self) -> bool {
        let saved = self.template.is_some() && self.books.template.is_some() && self.template != self.books.template;
        saved || self.books.stale
    }

    /// Notes how the template looks. The first look beside a core that was loaded without us is taken as loaded.
    pub(crate) fn look_at_template(&mut self, template: Option<Template>, batch: &mut Batch) {
        self.template = template;
        if self.books.template.is_none() && template.is_some() {
            self.books.template = template;
            self.write(batch);
        }
    }

    /// A loaded slot got other credentials.
    pub(crate) fn credentials_changed(&mut self, batch: &mut Batch) {
        self.books.stale = true;
        self.write(batch);
    }

    /// A reload begins.
    pub(crate) const fn begin(&mut self) {
        self.running = true;
    }

    /// A reload has ended.
    pub(crate) fn end(&mut self, done: bool, now: Moment, batch: &mut Batch) {
        self.running = false;
        self.not_before = now.plus(if done { self.every } else { self.every.max(AFTER_FAILURE) });
        if !done {
            // A core that is down waits for nobody's connections.
            self.not_before = if self.first { now.plus(AFTER_FAILURE) } else { self.not_before };
            return;
        }
        self.first = false;
        self.books.template = self.template;
        self.books.stale = false;
        self.books.reloads = self.books.reloads.saturating_add(1);
        self.write(batch);
    }

    /// Whether a reload is under way.
    #[must_use]
    pub(crate) const fn is_running(&self) -> bool {
        self.running
    }

    /// What the core has loaded is known: `complete` when it is all of `held`, `lost` when it lacks what it had.
    pub(crate) fn learn(&mut self, held: RosterVersion, complete: bool, lost: bool, batch: &mut Batch) {
        let version = match (complete, lost) {
            (true, _) => held,
            (false, true) => RosterVersion::NONE,
            (false, false) => self.books.version,
        };
        if complete {
            self.first = false;
        }
        if version != self.books.version {
            self.books.version = version;
            self.write(batch);
        }
    }

    /// The newest held version all of whose slots the core has loaded.
    #[must_use]
    pub(crate) const fn version(&self) -> RosterVersion {
        self.books.version
    }

    /// Reloads since the ledger was made.
    #[must_use]
    pub(crate) const fn reloads(&self) -> u32 {
        self.books.reloads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: u64 = 600_000;

    fn at(second: u64) -> Moment {
        Moment::from_millis(second * 1_000)
    }

    fn loading() -> Loading {
        let folder = tempfile::tempdir().unwrap();
        Loading::load(&Ledger::open(&folder.path().join("ledger")).unwrap(), EVERY).unwrap()
    }

    fn up(open: usize, others: usize) -> Seen {
        Seen::Up(Pending { open, others, any_loaded: true })
    }

    #[test]
    fn the_first_load_is_made_at_once() {
        for seen in [Seen::Down, Seen::Up(Pending { open: 0, others: 64, any_loaded: false })] {
            let mut loading = loading();
            assert!(!loading.is_due(Seen::Unknown, 0, at(1)));
            assert!(loading.is_due(seen, 5, at(1)));
            loading.begin();
            assert!(!loading.is_due(seen, 5, at(1)));
            loading.end(true, at(2), &mut Batch::default());
            assert!(!loading.is_due(seen, 5, at(3)));
        }
    }

    #[test]
    fn new_users_without_a_loaded_slot_wait_for_the_next_batch() {
        let mut loading = loading();
        loading.begin();
        loading.end(true, at(0), &mut Batch::default());
        assert!(!loading.is_due(up(1, 0), 3, at(599)));
        assert!(loading.is_due(up(1, 0), 3, at(600)));
    }

    #[test]
    fn vacant_slots_wait_for_a_quiet_moment() {
        let mut loading = loading();
        assert!(!loading.is_due(up(0, 64), 1, at(1_000)));
        assert!(!loading.is_due(up(0, 64), 0, at(1_001)));
        assert!(!loading.is_due(up(0, 64), 1, at(1_003)));
        assert!(!loading.is_due(up(0, 64), 0, at(1_004)));
        assert!(loading.is_due(up(0, 64), 0, at(1_007)));
    }

    #[test]
    fn a_saved_template_is_loaded_with_the_next_batch() {
        let mut loading = loading();
        let mut batch = Batch::default();
        let template = Template { modified: (1, 0), length: 10 };
        loading.look_at_template(Some(template), &mut batch);
        assert!(!loading.is_due(up(0, 0), 1, at(1)));
        loading.look_at_template(Some(Template { length: 11, ..template }), &mut batch);
        assert!(loading.is_due(up(0, 0), 1, at(1)));
        loading.begin();
        loading.end(true, at(2), &mut batch);
        assert!(!loading.is_outdated());
    }

    #[test]
    fn a_failed_reload_is_not_repeated_at_once() {
        let mut loading = loading();
        loading.begin();
        loading.end(false, at(0), &mut Batch::default());
        assert!(!loading.is_due(Seen::Down, 0, at(29)));
        assert!(loading.is_due(Seen::Down, 0, at(30)));
    }

    #[test]
    fn the_loaded_version_moves_only_when_all_of_it_is_loaded() {
        let mut loading = loading();
        let mut batch = Batch::default();
        let version = |number| RosterVersion { number, salt: 1 };
        loading.learn(version(3), true, false, &mut batch);
        loading.learn(version(4), false, false, &mut batch);
        assert_eq!(loading.version(), version(3));
        loading.learn(version(4), false, true, &mut batch);
        assert_eq!(loading.version(), RosterVersion::NONE);
    }
}
