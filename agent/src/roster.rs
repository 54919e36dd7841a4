//! The roster: which slots exist, whose gate is open, and until when.

use std::collections::BTreeMap;

use weir_wire::roster::{RosterChange, RosterCursor, RosterEntry, RosterVersion};
use weir_wire::{Second, SlotName};

use crate::ledger::{Batch, Ledger, LedgerError, Table, put_meta};
use crate::tally::slot_of;

const META: &str = "roster";
/// Which fields of an entry the ledger's have, counted up with each that comes to it: an older agent dropped what it did not know.
const FORM: u32 = 2;
const META_FORM: &str = "roster_form";

/// What one change did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Slots that the panel has named.
    pub(crate) upserts: Vec<SlotName>,
    /// Slots that are gone.
    pub(crate) removals: Vec<SlotName>,
    /// A slot that the core may have loaded has other credentials now.
    pub(crate) credentials: bool,
}

/// The roster that is held.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    version: RosterVersion,
    entries: BTreeMap<SlotName, RosterEntry>,
    /// Pages of a full list that has not ended. Not durable: after a restart the list begins anew.
    pages: Option<Pages>,
}

#[derive(Debug)]
struct Pages {
    version: RosterVersion,
    entries: BTreeMap<SlotName, RosterEntry>,
}

impl Roster {
    /// Reads what the ledger holds.
    pub(crate) fn load(ledger: &Ledger) -> Result<Self, LedgerError> {
        let mut entries = BTreeMap::new();
        for (slot, entry) in ledger.all::<RosterEntry>(Table::Roster)? {
            if let Some(slot) = slot_of(&slot) {
                entries.insert(slot, entry);
            }
        }
        // Entries of an older form are good for gates; the whole list brings what they lack.
        let form: Option<u32> = ledger.get(Table::Meta, META_FORM.as_bytes())?;
        let version = ledger.get(Table::Meta, META.as_bytes())?.filter(|_| form == Some(FORM)).unwrap_or_default();
        Ok(Self { version, entries, pages: None })
    }

    /// The version that is held.
    #[must_use]
    pub(crate) const fn version(&self) -> RosterVersion {
        self.version
    }

    /// Whether any version is held.
    #[must_use]
    pub(crate) fn is_known(&self) -> bool {
        self.version != RosterVersion::NONE
    }

    /// One slot.
    #[must_use]
    pub(crate) fn get(&self, slot: &SlotName) -> Option<&RosterEntry> {
        self.entries.get(slot)
    }

    /// Whether the roster lets a slot pass at `now` of the panel's clock.
    #[must_use]
    pub(crate) fn is_open(&self, slot: &SlotName, now: Second) -> bool {
        self.entries.get(slot).is_some_and(|entry| is_open(entry, now))
    }

    /// All slots, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &RosterEntry> {
        self.entries.values()
    }

    /// Slots held.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no slot is held.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where the next page of a full list starts, if one is wanted.
    #[must_use]
    pub(crate) fn cursor(&self) -> Option<RosterCursor> {
        let pages = self.pages.as_ref()?;
        let after = pages.entries.keys().next_back()?.clone();
        Some(RosterCursor { version: pages.version, after })
    }

    /// Applies what a reply brought.
    pub(crate) fn apply(&mut self, change: RosterChange, batch: &mut Batch) -> Touched {
        if !change.full {
            self.pages = None;
            return self.delta(change, batch);
        }
        let page = change.upserts.into_iter().map(|entry| (entry.slot.clone(), entry));
        let mut entries = match self.pages.take() {
            Some(pages) if pages.version == change.version => pages.entries,
            _ => BTreeMap::new(),
        };
        entries.extend(page);
        if change.more {
            self.pages = Some(Pages { version: change.version, entries });
            return Touched::default();
        }
        let removals = self.entries.keys().filter(|slot| !entries.contains_key(slot)).cloned().collect();
        let upserts = entries.into_values().collect();
        self.delta(RosterChange { version: change.version, full: false, more: false, upserts, removals }, batch)
    }

    fn delta(&mut self, change: RosterChange, batch: &mut Batch) -> Touched {
        let mut touched = Touched::default();
        for entry in change.upserts {
            let old = self.entries.get(&entry.slot);
            touched.credentials |=
                old.is_some_and(|old| (&old.secret, &old.by_hand) != (&entry.secret, &entry.by_hand));
            touched.upserts.push(entry.slot.clone());
            if old != Some(&entry) {
                batch.put(Table::Roster, entry.slot.as_str().as_bytes(), &entry);
                self.entries.insert(entry.slot.clone(), entry);
            }
        }
        for slot in change.removals {
            if self.entries.remove(&slot).is_some() {
                batch.delete(Table::Roster, slot.as_str().as_bytes());
                touched.removals.push(slot);
            }
        }
        self.version = change.version;
        put_meta(batch, META, &self.version);
        put_meta(batch, META_FORM, &FORM);
        touched
    }

    /// The next second of the panel's clock after `now` at which a gate shuts by itself.
    #[must_use]
    pub(crate) fn next_end(&self, now: Second) -> Option<Second> {
        let open = self.entries.values().filter(|entry| is_open(entry, now));
        open.filter_map(|entry| entry.until).min()
    }
}

fn is_open(entry: &RosterEntry, now: Second) -> bool {
    entry.gate.is_open() && entry.until.is_none_or(|until| now < until)
}

#[cfg(test)]
mod tests {
    use weir_wire::Bytes;
    use weir_wire::credential::SlotSecret;
    use weir_wire::roster::Gate;

    use super::*;
    use crate::testing::{self, slot};

    fn entry(name: &str, gate: Gate) -> RosterEntry {
        RosterEntry { gate, ..testing::entry(name) }
    }

    fn version(number: u64) -> RosterVersion {
        RosterVersion { number, salt: 1 }
    }

    fn delta(number: u64, upserts: Vec<RosterEntry>, removals: &[&str]) -> RosterChange {
        let removals = removals.iter().map(|name| slot(name)).collect();
        RosterChange { version: version(number), full: false, more: false, upserts, removals }
    }

    fn page(number: u64, more: bool, names: &[&str]) -> RosterChange {
        let upserts = names.iter().map(|name| entry(name, Gate::Open)).collect();
        RosterChange { version: version(number), full: true, more, upserts, removals: Vec::new() }
    }

    fn names(roster: &Roster) -> Vec<&str> {
        roster.entries().map(|entry| entry.slot.as_str()).collect()
    }

    #[test]
    fn changes_are_durable_together_with_their_version() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut roster = Roster::default();
        let mut batch = Batch::default();
        roster.apply(delta(1, vec![entry("alice", Gate::Open), entry("bobby", Gate::Vacant)], &[]), &mut batch);
        let touched = roster.apply(delta(2, vec![entry("bobby", Gate::Open)], &["alice", "nobody"]), &mut batch);
        assert_eq!(touched.removals, [slot("alice")]);
        ledger.commit_now(&batch).unwrap();
        let roster = Roster::load(&ledger).unwrap();
        assert_eq!((roster.version(), names(&roster)), (version(2), vec!["bobby"]));
        assert!(roster.is_open(&slot("bobby"), Second::EPOCH));
    }

    #[test]
    fn limits_of_speed_devices_and_streams_are_durable_and_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut roster = Roster::default();
        let mut batch = Batch::default();
        let limited = RosterEntry { speed: Bytes::mib(1), devices: 2, streams: 30, ..entry("alice", Gate::Open) };
        roster.apply(delta(1, vec![limited.clone(), entry("bobby", Gate::Open)], &[]), &mut batch);
        ledger.commit_now(&batch).unwrap();
        let roster = Roster::load(&ledger).unwrap();
        assert_eq!(roster.get(&slot("alice")), Some(&limited));
        let text = serde_json::to_string(roster.get(&slot("bobby")).unwrap()).unwrap();
        assert!(!text.contains("speed") && !text.contains("devices") && !text.contains("streams"), "{text}");
        assert_eq!(serde_json::from_str::<RosterEntry>(&text).unwrap(), entry("bobby", Gate::Open));
    }

    #[test]
    fn entries_that_an_older_agent_wrote_are_kept_and_asked_for_anew() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut batch = Batch::default();
        Roster::default().apply(delta(7, vec![entry("alice", Gate::Open)], &[]), &mut batch);
        batch.delete(Table::Meta, META_FORM.as_bytes());
        ledger.commit_now(&batch).unwrap();
        let roster = Roster::load(&ledger).unwrap();
        assert_eq!((roster.version(), names(&roster)), (RosterVersion::NONE, vec!["alice"]));
    }

    #[test]
    fn a_full_list_counts_when_its_last_page_is_there() {
        let mut roster = Roster::default();
        let mut batch = Batch::default();
        roster.apply(delta(1, vec![entry("zoe4", Gate::Open)], &[]), &mut batch);
        roster.apply(page(9, true, &["alice", "bobby"]), &mut batch);
        assert_eq!(names(&roster), ["zoe4"]);
        assert_eq!(roster.cursor(), Some(RosterCursor { version: version(9), after: slot("bobby") }));
        let touched = roster.apply(page(9, false, &["carol"]), &mut batch);
        assert_eq!(touched.removals, [slot("zoe4")]);
        assert_eq!((roster.version(), names(&roster)), (version(9), vec!["alice", "bobby", "carol"]));
        assert_eq!(roster.cursor(), None);
    }

    #[test]
    fn a_list_that_begins_anew_forgets_the_pages_before() {
        let mut roster = Roster::default();
        let mut batch = Batch::default();
        roster.apply(page(9, true, &["alice"]), &mut batch);
        roster.apply(page(10, false, &["bobby"]), &mut batch);
        assert_eq!(names(&roster), ["bobby"]);
    }

    #[test]
    fn an_entry_ends_by_itself() {
        let mut roster = Roster::default();
        let until = Some(Second::clamped(100));
        let change = delta(1, vec![RosterEntry { until, ..entry("alice", Gate::Open) }], &[]);
        roster.apply(change, &mut Batch::default());
        assert!(roster.is_open(&slot("alice"), Second::clamped(99)));
        assert!(!roster.is_open(&slot("alice"), Second::clamped(100)));
        assert_eq!(roster.next_end(Second::clamped(5)), until);
        assert_eq!(roster.next_end(Second::clamped(100)), None);
    }

    #[test]
    fn other_credentials_are_noticed() {
        let mut roster = Roster::default();
        let mut batch = Batch::default();
        assert!(!roster.apply(delta(1, vec![entry("alice", Gate::Open)], &[]), &mut batch).credentials);
        let other = RosterEntry { secret: SlotSecret::derive(b"other", &slot("alice")), ..entry("alice", Gate::Open) };
        assert!(roster.apply(delta(2, vec![other], &[]), &mut batch).credentials);
    }
}
