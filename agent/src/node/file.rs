//! The core's file: who it must have, when it is written, and when the core is made to load it.

use weir_wire::roster::RosterEntry;

use super::trouble::Source;
use super::{Bringing, Command, CoreSeen, Node};
use crate::clock::Moment;
use crate::cores::{ConfiguredSlot, CoreError, Reload, Written};
use crate::loading::{Ended, Pending, Seen};

/// Milliseconds from a gate's change to the writing of the core's file: several changes share one writing.
const WRITE_AFTER: u64 = 1_000;
/// Milliseconds before a failed writing is tried again.
const WRITE_AGAIN: u64 = 5_000;

impl Node {
    /// Notes whether the core has all of the roster. `lost` when it lacks what it once had.
    pub(super) fn look_at_loaded(&mut self, lost: bool) {
        if self.gates.core_is_known() {
            let pending = self.pending();
            let complete = self.roster.is_known() && pending.open + pending.others == 0;
            self.loading.learn(self.roster.version(), complete, lost, &mut self.books.batch);
        }
    }

    /// Slots that the running core lacks.
    pub(super) fn pending(&self) -> Pending {
        let mut pending = Pending::default();
        for entry in self.roster.entries() {
            if self.gates.is_loaded(&entry.slot) {
                pending.any_loaded = true;
                pending.open += usize::from(self.gates.is_too_fast(&entry.slot));
            } else if entry.gate.is_open() {
                pending.open += 1;
            } else {
                pending.others += 1;
            }
        }
        pending
    }

    /// Writes the core's file or makes the core load it, when it is time.
    pub(super) fn look_at_file(&mut self, now: Moment) {
        self.look_at_users(now);
        let seen = match self.core {
            // Users who are on their way into the core need no reload.
            CoreSeen::Up { .. } if !matches!(self.bringing, Bringing::Rest | Bringing::Refused) => Seen::Unknown,
            CoreSeen::Up { .. } if self.gates.core_is_known() => Seen::Up(self.pending()),
            CoreSeen::Down(_) => Seen::Down,
            _ => Seen::Unknown,
        };
        // The service manager may have started it anew with the file that the agent's own start did not bring up.
        if self.file.whole && self.loading.is_settled(seen) {
            self.troubles.end(Source::Load);
        }
        if self.file.writing || self.loading.is_running() || self.roster.is_empty() {
            return;
        }
        // Whoever mends the template of a core that cannot start waits for no reload, which needs a core that runs.
        let renew = seen == Seen::Down && !self.deleted && self.loading.may_renew();
        if renew && !self.loading.is_renewed() {
            self.file.unwritten = self.file.unwritten.or(Some(now));
        }
        let live = self.tally.live().max(self.active.len());
        let due = self.loading.due(seen, live, now).filter(|_| !self.deleted);
        if let Some(why) = due {
            tracing::info!(%why, "the core is made to load its file");
            self.loading.begin(why);
            self.file.reloading = match self.core {
                CoreSeen::Up { incarnation, .. } => Some(incarnation),
                CoreSeen::Unknown | CoreSeen::Down(_) => None,
            };
            self.file.unwritten = None;
            self.commands.push(Command::Reload { slots: self.configured() });
        } else if self.file.unwritten.is_some_and(|since| now.since(since) >= WRITE_AFTER || self.leaving.is_some()) {
            self.file.writing = true;
            self.file.unwritten = None;
            if renew {
                tracing::info!("the core's file is given the new template, for its next start");
                self.loading.renew();
            }
            // The new template may keep the core's memory elsewhere, where there may be an old one.
            let forget = self.file.forget || renew;
            self.commands.push(Command::Write { slots: self.configured(), forget, renew });
        }
    }

    /// Whether the core's file or memory is behind, or being written.
    #[must_use]
    pub(crate) const fn is_writing(&self) -> bool {
        self.file.writing || self.file.unwritten.is_some()
    }

    /// The roster as the core must have it.
    pub(super) fn configured(&self) -> Vec<ConfiguredSlot> {
        let slot = |entry: &RosterEntry| ConfiguredSlot {
            slot: entry.slot.clone(),
            credentials: entry.credentials(),
            ways: entry.ways.clone(),
            closed: self.doors.closed_to(entry.plan.as_deref()),
            open: !self.gates.is_shut(&entry.slot),
            slow: self.gates.is_slow(&entry.slot),
        };
        self.roster.entries().map(slot).collect()
    }

    /// The core's file was written, or was not.
    pub(crate) fn written(&mut self, forget: bool, outcome: Result<Written, CoreError>, now: Moment) {
        self.file.writing = false;
        match outcome {
            Ok(written) => {
                self.file.forget &= !forget;
                self.troubles.end(Source::File);
                self.file.whole = written == Written::Whole;
                match written {
                    Written::GatesAlone(Some(why)) => self.troubles.meet(Source::GatesAlone, why.to_string(), now),
                    Written::Whole | Written::GatesAlone(None) => self.troubles.end(Source::GatesAlone),
                }
            }
            Err(error) => {
                self.troubles.meet(Source::File, error.to_string(), now);
                self.file.unwritten = Some(now.plus(WRITE_AGAIN - WRITE_AFTER));
            }
        }
    }

    /// The core has loaded its file, or has not.
    pub(crate) fn reloaded(&mut self, outcome: &Result<Reload, CoreError>, now: Moment) {
        let ended = match outcome {
            Ok(reload) if self.file.reloading == Some(reload.incarnation) => Ended::Needless,
            Ok(reload) => Ended::Done { cut: reload.cut },
            Err(CoreError::Config(_)) => Ended::Refused,
            Err(CoreError::Disk(_)) => Ended::Unwritten,
            Err(CoreError::Unreachable(_) | CoreError::RolledBack(_) | CoreError::NotTaken(_)) => Ended::Failed,
        };
        self.loading.end(ended, now, self.clock.second(now), &mut self.books.batch);
        match outcome {
            Ok(_) => {
                for source in [Source::Load, Source::File, Source::GatesAlone] {
                    self.troubles.end(source);
                }
            }
            Err(error) => {
                self.troubles.meet(Source::Load, error.to_string(), now);
                self.file.whole = false;
                if let CoreSeen::Down(reason) = &self.core {
                    self.troubles.meet(Source::Core, reason.clone(), now);
                    self.file.forget = true;
                }
                // The gates in the file may be those of an earlier moment.
                self.file.unwritten = self.file.unwritten.or(Some(now));
            }
        }
    }
}
