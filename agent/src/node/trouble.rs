//! What is wrong now, and since when.

use std::collections::BTreeMap;

use crate::civil::rfc3339;
use crate::clock::{Moment, PanelClock};

/// Letters of a reason that are kept: a core's own words may be pages.
const LONGEST: usize = 400;

/// Where trouble comes from, the gravest first. Each source has one trouble at most, and ends it itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The ledger cannot be written.
    LedgerWrite,
    /// The ledger cannot be read.
    LedgerRead,
    /// The core does not answer.
    Core,
    /// A gate could not be moved.
    Gate,
    /// Users with a speed limit cannot connect.
    Relay,
    /// The core's file could not be written.
    File,
    /// The core has not loaded its file.
    Load,
    /// Only the gates in the core's file could be written: the rest of the new one is wrong.
    GatesAlone,
    /// The operator's template cannot be used.
    Template,
    /// The panel does not answer, or refuses.
    Panel,
    /// The kernel does not hold speed limits, though it should: the relay does.
    Police,
    /// What `weir-agent status` shows could not be written.
    Status,
}

#[derive(Clone, Debug)]
struct Trouble {
    since: Moment,
    why: String,
}

/// All that is wrong now.
#[derive(Clone, Debug, Default)]
pub(super) struct Troubles(BTreeMap<Source, Trouble>);

impl Troubles {
    /// Something is wrong. Its beginning stays that of the first time, and it is logged once, not every second.
    pub(super) fn meet(&mut self, source: Source, why: impl Into<String>, now: Moment) {
        let mut why: String = why.into();
        if let Some((end, _)) = why.char_indices().nth(LONGEST) {
            why.truncate(end);
            why.push('\u{2026}');
        }
        let met = self.0.get(&source);
        if met.is_none_or(|met| met.why != why) {
            tracing::warn!(?source, %why, "trouble");
        }
        let since = met.map_or(now, |met| met.since);
        self.0.insert(source, Trouble { since, why });
    }

    /// It is well again.
    pub(super) fn end(&mut self, source: Source) {
        if self.0.remove(&source).is_some() {
            tracing::info!(?source, "the trouble is over");
        }
    }

    /// Whether there is trouble from there.
    pub(super) fn has(&self, source: Source) -> bool {
        self.0.contains_key(&source)
    }

    /// All of it in sentences, the gravest first.
    pub(super) fn told<'a>(&'a self, clock: &'a PanelClock) -> impl Iterator<Item = String> + 'a {
        self.0.values().map(|met| format!("{} (since {})", met.why, rfc3339(clock.second(met.since))))
    }
}
