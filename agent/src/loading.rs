//! When the core must be reloaded, and which roster it has loaded.
//!
//! A reload cuts every connection, so it is a last resort: new users take slots that are loaded already, and whatever
//! does need a reload waits for the next batch, or for a moment in which nobody is connected.

use serde::{Deserialize, Serialize};
use weir_wire::Second;
use weir_wire::roster::RosterVersion;
use weir_wire::status::{Reload, ReloadReason as Why};

use crate::clock::Moment;
use crate::ledger::{Batch, Ledger, LedgerError, Table, put_meta};

const META: &str = "loaded";
/// Milliseconds before a failed reload is tried again, whatever the settings.
const AFTER_FAILURE: u64 = 30_000;
/// A template that the core did not take is tried again at doubled distances, up to so many doublings: each try cuts everybody.
/// 10 minutes become 10 hours. Whoever has mended what kept the core from it saves the template, and it is tried at once.
const DOUBLINGS: u32 = 6;
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

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The core runs the new file. So many connections were cut.
    Done {
        /// Live connections that it cut.
        cut: u32,
    },
    /// The core ran with all of it already, and was not touched.
    Needless,
    /// The template, or what comes of it, is wrong. The core was not touched.
    Refused,
    /// A file could not be written. The core was not touched.
    Unwritten,
    /// The core did not take it.
    Failed,
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
    #[serde(default)]
    last: Option<Reload>,
    /// Connections that all reloads have cut.
    #[serde(default)]
    cut: u32,
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
    /// The reload that is under way, and the template as it was when it began.
    running: Option<(Why, Option<Template>)>,
    /// A reload is due as soon as possible, once: when the agent starts beside a core that has nothing of ours.
    first: bool,
    not_before: Moment,
    /// What came of this template was refused; until then it is not tried again.
    refused: Option<(Option<Template>, Moment)>,
    quiet_since: Option<Moment>,
    /// The core's file was given this template while the core was down, without a reload.
    renewed: Option<Template>,
    /// The core did not take this template, so many times in a row; until then it is not tried again for its own sake.
    failed: Option<(Option<Template>, u32, Moment)>,
}

impl Loading {
    /// Reads what the ledger holds. `every` is the least distance of reloads in milliseconds.
    pub(crate) fn load(ledger: &Ledger, every: u64) -> Result<Self, LedgerError> {
        Ok(Self {
            books: ledger.get(Table::Meta, META.as_bytes())?.unwrap_or_default(),
            template: None,
            every,
            running: None,
            first: true,
            not_before: Moment::default(),
            refused: None,
            quiet_since: None,
            renewed: None,
            failed: None,
        })
    }

    fn write(&self, batch: &mut Batch) {
        put_meta(batch, META, &self.books);
    }

    /// Whether to reload now, and why. A running reload is never doubled.
    pub(crate) fn due(&mut self, seen: Seen, live: usize, now: Moment) -> Option<Why> {
        self.quiet_since = if live == 0 { self.quiet_since.or(Some(now)) } else { None };
        let refused = self.refused.is_some_and(|(template, until)| template == self.template && now < until);
        if self.is_running() || now < self.not_before || refused {
            return None;
        }
        // A core that ran with users of ours when the agent came is up: should it fail from now on, it is not the agent's to start.
        self.first &= !matches!(seen, Seen::Up(pending) if pending.any_loaded);
        let quiet = self.quiet_since.is_some_and(|since| now.since(since) >= QUIET);
        let failed = self.failed.is_some_and(|(template, _, until)| template == self.template && now < until);
        match seen {
            Seen::Unknown => None,
            // The service manager restarts a core that fails; only at the start is it ours to bring it up.
            Seen::Down => self.first.then_some(Why::First),
            Seen::Up(pending) if self.first && !pending.any_loaded && pending.open + pending.others > 0 => {
                Some(Why::First)
            }
            Seen::Up(pending) if pending.open > 0 => Some(Why::Users),
            Seen::Up(_) if failed => None,
            Seen::Up(_) if self.is_template_new() => Some(Why::Template),
            Seen::Up(_) if self.books.stale => Some(Why::Credentials),
            Seen::Up(pending) => (pending.others > 0 && quiet).then_some(Why::Quiet),
        }
    }

    /// The template was saved since the core loaded it, or its file was given another one.
    fn is_template_new(&self) -> bool {
        let there = self.template.is_some() && self.books.template.is_some();
        there && (self.template != self.books.template || self.renewed.is_some_and(|of| self.template != Some(of)))
    }

    /// Whether the file of a core that is down may be given the new template as it looks now. Once it runs, what it then has
    /// is loaded by a reload that cuts nobody. A template that it did not take is not put back into a file that it did.
    #[must_use]
    pub(crate) fn may_renew(&self) -> bool {
        let failed = self.failed.is_some_and(|(template, ..)| template == self.template);
        !self.first && !failed && !self.is_running() && self.is_template_new()
    }

    /// Whether it was given another template last than the one that there is.
    #[must_use]
    pub(crate) fn is_renewed(&self) -> bool {
        self.renewed.is_some() && self.renewed == self.template
    }

    /// The core's file is given the template as it looks now.
    pub(crate) const fn renew(&mut self) {
        self.renewed = self.template;
    }

    /// The core has all that there is, and no load is due or under way.
    #[must_use]
    pub(crate) fn is_settled(&self, seen: Seen) -> bool {
        let complete = matches!(seen, Seen::Up(pending) if pending.open + pending.others == 0);
        complete && !self.is_running() && !self.is_template_new() && !self.books.stale
    }

    /// The core runs with the template as it looks now.
    #[must_use]
    pub(crate) fn has_loaded_template(&self) -> bool {
        self.template.is_some() && self.template == self.books.template && !self.is_template_new()
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
    pub(crate) const fn begin(&mut self, why: Why) {
        self.running = Some((why, self.template));
    }

    /// A reload has ended, at a moment that is `at` by the panel's clock.
    pub(crate) fn end(&mut self, ended: Ended, now: Moment, at: Second, batch: &mut Batch) {
        let Some((why, template)) = self.running.take() else { return };
        // Only what has touched the core counts for the distance of reloads.
        match ended {
            Ended::Done { .. } | Ended::Needless => {
                self.first = false;
                self.refused = None;
                self.failed = None;
                self.renewed = None;
                self.books.template = template;
                self.books.stale = false;
                if let Ended::Done { cut } = ended {
                    self.not_before = now.plus(self.every);
                    self.books.reloads = self.books.reloads.saturating_add(1);
                    self.books.cut = self.books.cut.saturating_add(cut);
                    self.books.last = Some(Reload { at, why, cut });
                }
                self.write(batch);
            }
            Ended::Refused => self.refused = Some((template, now.plus(self.every.max(AFTER_FAILURE)))),
            Ended::Unwritten => self.not_before = now.plus(AFTER_FAILURE),
            // A core that is down waits for nobody's connections.
            Ended::Failed if self.first => self.not_before = now.plus(AFTER_FAILURE),
            Ended::Failed => {
                let before = self.failed.filter(|(failed, ..)| *failed == template).map_or(0, |(_, times, _)| times);
                let distance = self.every.max(AFTER_FAILURE);
                self.not_before = now.plus(distance);
                self.failed = Some((template, before.saturating_add(1), now.plus(distance << before.min(DOUBLINGS))));
            }
        }
    }

    /// The template can be used again, though it looks as it did.
    pub(crate) const fn template_is_good(&mut self) {
        self.refused = None;
    }

    /// Whether a reload is under way.
    #[must_use]
    pub(crate) const fn is_running(&self) -> bool {
        self.running.is_some()
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

    /// The last of them.
    #[must_use]
    pub(crate) const fn last(&self) -> Option<Reload> {
        self.books.last
    }

    /// Connections that all of them have cut.
    #[must_use]
    pub(crate) const fn cut(&self) -> u32 {
        self.books.cut
    }
}

#[cfg(test)]
mod tests;
