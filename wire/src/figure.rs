//! The figures of a node that should be zero: what each is, and one sentence on what it means and what to do. The agent's
//! `status` and the panel's page say the same.

use crate::status::ReloadReason;

/// Seconds by which a host's clock may differ from the panel's before anybody has to look.
pub const CLOCK_TOLERANCE: u64 = 60;

/// A figure that should be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Bytes that the core counted and no connection told of.
    Unattributed,
    /// Bytes of users outside the roster.
    Foreign,
    /// Bytes of slots that the panel does not know or that nobody has.
    Unknown,
    /// Bytes that a copy of the ledger may have reported.
    Ambiguous,
    /// Estimate of the bytes that died with killed cores.
    Lost,
    /// Bytes that running connections moved after the cut.
    Overshoot,
    /// Reports that the panel lacks and the agent no longer had.
    Gaps,
    /// Times that the panel knew more of a ledger than it did itself.
    Forks,
    /// Reports that the panel refused for their form.
    Rejected,
    /// Open slots that the core has not loaded.
    PendingReload,
    /// Connections cut by reloads, the last of them for this reason.
    Cut(ReloadReason),
}

impl Figure {
    /// Every figure, and that of cut connections with every reason.
    pub const ALL: [Self; 16] = [
        Self::Unattributed,
        Self::Foreign,
        Self::Unknown,
        Self::Ambiguous,
        Self::Lost,
        Self::Overshoot,
        Self::Gaps,
        Self::Forks,
        Self::Rejected,
        Self::PendingReload,
        Self::Cut(ReloadReason::First),
        Self::Cut(ReloadReason::Users),
        Self::Cut(ReloadReason::Template),
        Self::Cut(ReloadReason::Credentials),
        Self::Cut(ReloadReason::Quiet),
        Self::Cut(ReloadReason::Other),
    ];

    /// What so many are called, behind the number. Of bytes the unit stands before it.
    #[must_use]
    pub const fn name(self, number: u64) -> &'static str {
        match (self, number) {
            (Self::Unattributed, _) => "unattributed",
            (Self::Foreign, _) => "foreign",
            (Self::Unknown, _) => "unknown",
            (Self::Ambiguous, _) => "ambiguous",
            (Self::Lost, _) => "lost with killed cores, by estimate",
            (Self::Overshoot, _) => "passed after a cut",
            (Self::Gaps, 1) => "report missing",
            (Self::Gaps, _) => "reports missing",
            (Self::Forks, 1) => "fork",
            (Self::Forks, _) => "forks",
            (Self::Rejected, 1) => "report refused",
            (Self::Rejected, _) => "reports refused",
            (Self::PendingReload, 1) => "user waits for a reload",
            (Self::PendingReload, _) => "users wait for a reload",
            (Self::Cut(_), 1) => "connection cut by reloads",
            (Self::Cut(_), _) => "connections cut by reloads",
        }
    }

    /// What it means and what to do.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Unattributed => {
                "The core counted them and named no connection that moved them, as happens while the agent does not run: \
                 nobody is billed, and there is nothing to do unless they grow while it runs."
            }
            Self::Foreign => {
                "They belong to users that the template itself names, or to slots that are gone: if you know no such \
                 users, look at the template's inbounds."
            }
            Self::Unknown => {
                "They came with credentials that the panel has given to nobody, so nobody is billed: expected after the \
                 panel was put back to a copy, otherwise see who can read the core's configuration."
            }
            Self::Ambiguous => {
                "A copy of this ledger may have reported them before, so they are never billed: let only one host run \
                 with a ledger, and do not put it back from a backup."
            }
            Self::Lost => {
                "A core that dies takes with it what it moved since the last look: stop it with systemctl stop, and look \
                 in its log if it dies by itself."
            }
            Self::Overshoot => {
                "This core refuses new connections of a user who is cut and lets open ones go on: they are counted like all \
                 others, and the user ends them, or a restart of the core does."
            }
            Self::Gaps => {
                "The panel was put back to an older copy than this node still had reports for, so their bytes are missing \
                 there: next time put it back to a copy of the last seven days."
            }
            Self::Forks => {
                "The panel knew more of this node's ledger than it did itself, so it was copied or put back: let only one \
                 host run with a ledger, and leave it out of backups."
            }
            Self::Rejected => {
                "The panel did not take the form, and the ledger keeps the bytes: upgrade the older one of panel and \
                 agent, and tell the project."
            }
            Self::PendingReload => {
                "The core must load new slots first, which the next reload does: wait for it, or lower \
                 reload_every_seconds in the agent's settings."
            }
            Self::Cut(reason) => match reason {
                ReloadReason::First => "The last one was the core's first load of this panel: there is nothing to do.",
                ReloadReason::Users => {
                    "The last one let in users for whom no slot was loaded: if reloads are many, raise \
                     reload_every_seconds in the agent's settings, so that more users share one."
                }
                ReloadReason::Template => {
                    "The last one loaded a template that was saved: save it when few are connected."
                }
                ReloadReason::Credentials => {
                    "The last one withdrew credentials that a user had: give new ones when few are connected."
                }
                ReloadReason::Quiet => {
                    "The last one loaded slots for users to come while nobody was connected: there is nothing to do."
                }
                ReloadReason::Other => {
                    "The last one had a reason that only a later version knows: upgrade the older one of panel and agent."
                }
            },
        }
    }
}

/// What a limit of the core means and what to do.
pub const LIMIT: &str = "So it is with this core: sing-box 1.14 or later has no such limit.";

/// What a rule before the gates, or an inbound that keeps its own users, means and what to do.
pub const BYPASS: &str = "A shut gate ends such connections one by one, after their first bytes: if you did not mean that, \
                          mend the key weir in the template.";

/// What a clock beyond [`CLOCK_TOLERANCE`] means and what to do.
pub const CLOCK: &str = "Bytes are counted right all the same: set the host's clock, best by NTP.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_explained_in_one_sentence_that_says_what_to_do() {
        for told in Figure::ALL.map(Figure::advice).into_iter().chain([BYPASS, CLOCK]) {
            assert_eq!(told.matches(". ").count(), 0, "{told}");
            assert!(told.ends_with('.') && told.contains(": "), "{told}");
        }
    }

    #[test]
    fn one_is_called_otherwise_than_many() {
        assert_eq!((Figure::Gaps.name(1), Figure::Gaps.name(2)), ("report missing", "reports missing"));
    }
}
