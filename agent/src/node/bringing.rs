//! Users who come and go in the running core, where it takes them live.

use super::trouble::Source;
use super::{Bringing, Command, CoreSeen, Node};
use crate::clock::Moment;
use crate::cores::CoreError;

/// Milliseconds before users are brought again into a core that did not answer.
const BRING_AGAIN: u64 = 1_000;

impl Node {
    /// The users of the roster may have changed, or the inbounds that are theirs.
    pub(super) fn bring_soon(&mut self, now: Moment) {
        self.bringing = match self.bringing {
            _ if !self.rules.core.users_live => return,
            Bringing::Running { .. } => Bringing::Running { again: true },
            Bringing::Due(at) => Bringing::Due(at),
            Bringing::Rest | Bringing::Refused => Bringing::Due(now),
        };
    }

    /// The core has them.
    pub(super) fn brought(&mut self, now: Moment) {
        if let Bringing::Running { again } = self.bringing {
            self.bringing = if again { Bringing::Due(now) } else { Bringing::Rest };
            // It is for the core's next start, and may hold other users.
            self.file.unwritten = self.file.unwritten.or(Some(now));
        }
    }

    /// The core did not take them.
    pub(super) fn not_brought(&mut self, error: &CoreError, now: Moment) {
        self.troubles.meet(Source::Gate, error.to_string(), now);
        if !matches!(self.bringing, Bringing::Running { .. }) {
            return;
        }
        if matches!(error, CoreError::Config(_)) {
            // What it runs has none of ours: it must be started with the agent's file.
            self.bringing = Bringing::Refused;
            self.gates.learn([]);
            self.look_at_loaded(true);
        } else {
            self.bringing = Bringing::Due(now.plus(BRING_AGAIN));
        }
    }

    /// Brings the users into the core, when it is time.
    pub(super) fn look_at_users(&mut self, now: Moment) {
        if let Bringing::Due(at) = self.bringing
            && at <= now
            && matches!(self.core, CoreSeen::Up { .. })
            && self.roster.is_known()
            && !self.loading.is_running()
        {
            self.bringing = Bringing::Running { again: false };
            self.commands.push(Command::Bring { slots: self.configured() });
        }
    }
}
