//! Who may pass: the roster's word, the limit, and what the core must do about it.

use weir_wire::SlotName;
use weir_wire::sync::Inbound;

use super::trouble::Source;
use super::{Bringing, Command, CoreSeen, Node, POLICE, TemplateSeen};
use crate::clock::Moment;
use crate::config::OnPanelLoss;
use crate::cores::{ConfiguredSlot, CoreError, Reload, Way, Written};
use crate::loading::{Ended, Pending, Seen, Template};

/// Milliseconds from a gate's change to the writing of the core's file: several changes share one writing.
const WRITE_AFTER: u64 = 1_000;
/// Milliseconds before a failed writing is tried again.
const WRITE_AGAIN: u64 = 5_000;
/// Milliseconds before users are brought again into a core that did not answer.
const BRING_AGAIN: u64 = 1_000;

impl Node {
    /// Decides one slot's gate.
    pub(super) fn decide(&mut self, slot: &SlotName, now: Moment) {
        let unlimited = self.rules.on_panel_loss == OnPanelLoss::Open && self.is_panel_lost();
        let within = self.left(slot, now).is_none_or(|left| left > 0);
        let open = !self.deleted && (within || unlimited) && self.roster.is_open(slot, self.clock.second(now));
        let way = match (open, self.speed(slot)) {
            (false, _) => Way::Shut,
            (true, 0) => Way::Open,
            (true, _) => Way::Slow,
        };
        if self.gates.want(slot, way) && self.gates.may_be_loaded(slot) {
            self.gate_changed(now);
        }
    }

    /// Bytes a second that a slot's user may pass in each direction, 0 = unlimited.
    fn speed(&self, slot: &SlotName) -> u64 {
        self.roster.get(slot).filter(|_| self.rules.relay).map_or(0, |entry| entry.speed.get())
    }

    /// Tells the relay a slot's speed, before the gate leads there.
    pub(super) fn tell_speed(&mut self, slot: &SlotName) {
        if self.rules.relay {
            self.commands.push(Command::SetSpeed { slot: slot.clone(), speed: self.speed(slot) });
        }
    }

    /// Tells the relay every speed.
    pub(super) fn tell_speeds(&mut self) {
        let limited = self.roster.entries().filter(|entry| !entry.speed.is_zero());
        let slots: Vec<_> = limited.map(|entry| entry.slot.clone()).collect();
        for slot in &slots {
            self.tell_speed(slot);
        }
    }

    /// The relay has its port, or has not.
    pub(crate) fn relay_told(&mut self, outcome: Result<(), String>, now: Moment) {
        match outcome {
            Ok(()) => self.troubles.end(Source::Relay),
            Err(why) => self.troubles.meet(Source::Relay, format!("the relay of speed limits has no port: {why}"), now),
        }
    }

    /// The kernel holds speed limits from now on, or the relay does: gates of users with one may lead the wrong way.
    pub(crate) fn police_told(&mut self, outcome: Result<(), String>, now: Moment) {
        match outcome {
            Ok(()) => self.troubles.end(Source::Police),
            Err(why) => {
                self.troubles.meet(Source::Police, format!("{POLICE}: {why}"), now);
            }
        }
        self.gate_changed(now);
        if matches!(self.core, CoreSeen::Up { .. }) {
            self.commands.push(Command::AskGates);
        }
    }

    /// Bytes that a slot may still pass; `None` when nothing has been counted yet.
    pub(super) fn left(&mut self, slot: &SlotName, now: Moment) -> Option<u64> {
        // A slot that is in no roster gets no floor: nothing of it may pass.
        self.roster.get(slot)?;
        let count = self.tally.count(slot).total();
        let limit = self.limiter.limit(slot, count, self.policy.floor.get(), now)?;
        Some(limit.saturating_sub(count))
    }

    /// Decides every slot's gate.
    pub(super) fn decide_all(&mut self, now: Moment) {
        let slots: Vec<_> = self.roster.entries().map(|entry| entry.slot.clone()).collect();
        for slot in slots.iter().chain(&self.departed.clone()) {
            self.decide(slot, now);
        }
        self.looked_at_all = now;
        self.next_end = self.roster.next_end(self.clock.second(now));
    }

    fn gate_changed(&mut self, now: Moment) {
        self.file.unwritten = self.file.unwritten.or(Some(now));
        // A core that does not answer will read its own memory of the gates at its start, which outranks the file.
        self.file.forget |= matches!(self.core, CoreSeen::Down(_));
    }

    /// Tells the core which gates to move.
    pub(super) fn move_gates(&mut self, now: Moment) {
        for (slot, way) in self.gates.moves(now) {
            self.commands.push(Command::SetGate { slot, way });
        }
    }

    /// A gate was set, or was not.
    pub(crate) fn gate_set(&mut self, slot: &SlotName, way: Way, outcome: &Result<(), CoreError>, now: Moment) {
        let done = match outcome {
            Ok(()) => {
                self.troubles.end(Source::Gate);
                Some(true)
            }
            Err(CoreError::Config(_)) => Some(false),
            Err(error) => {
                self.troubles.meet(Source::Gate, format!("the gate of {slot} could not be moved: {error}"), now);
                None
            }
        };
        self.gates.moved(slot, way, done, now);
        self.move_gates(now);
    }

    /// The core told which slots it has loaded and how their gates are.
    pub(crate) fn gates_told(&mut self, outcome: Result<Vec<(SlotName, Way)>, CoreError>, now: Moment) {
        match outcome {
            Ok(gates) => {
                self.troubles.end(Source::Gate);
                self.brought(now);
                let none = gates.is_empty();
                self.gates.learn(gates);
                self.look_at_loaded(none);
                self.move_gates(now);
            }
            Err(error) if self.rules.core.users_live => self.not_brought(&error, now),
            // The core is going down again; its next incarnation is asked anew.
            Err(error) => self.troubles.meet(Source::Gate, error.to_string(), now),
        }
    }

    /// The users of the roster may have changed.
    pub(super) fn bring_soon(&mut self, now: Moment) {
        self.bringing = match self.bringing {
            _ if !self.rules.core.users_live => return,
            Bringing::Running { .. } => Bringing::Running { again: true },
            Bringing::Due(at) => Bringing::Due(at),
            Bringing::Rest | Bringing::Refused => Bringing::Due(now),
        };
    }

    fn brought(&mut self, now: Moment) {
        if let Bringing::Running { again } = self.bringing {
            self.bringing = if again { Bringing::Due(now) } else { Bringing::Rest };
            // It is for the core's next start, and may hold other users.
            self.file.unwritten = self.file.unwritten.or(Some(now));
        }
    }

    fn not_brought(&mut self, error: &CoreError, now: Moment) {
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
    fn look_at_users(&mut self, now: Moment) {
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

    /// Notes whether the core has all of the roster. `lost` when it lacks what it once had.
    pub(super) fn look_at_loaded(&mut self, lost: bool) {
        if self.gates.core_is_known() {
            let pending = self.pending();
            let complete = self.roster.is_known() && pending.open + pending.others == 0;
            self.loading.learn(self.roster.version(), complete, lost, &mut self.books.batch);
        }
    }

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
        if self.file.writing || self.loading.is_running() || self.roster.is_empty() {
            return;
        }
        let seen = match self.core {
            // Users who are on their way into the core need no reload.
            CoreSeen::Up { .. } if !matches!(self.bringing, Bringing::Rest | Bringing::Refused) => Seen::Unknown,
            CoreSeen::Up { .. } if self.gates.core_is_known() => Seen::Up(self.pending()),
            CoreSeen::Down(_) => Seen::Down,
            _ => Seen::Unknown,
        };
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
            self.commands.push(Command::Write { slots: self.configured(), forget: self.file.forget });
        }
    }

    /// Whether the core's file or memory is behind, or being written.
    #[must_use]
    pub(crate) const fn is_writing(&self) -> bool {
        self.file.writing || self.file.unwritten.is_some()
    }

    fn configured(&self) -> Vec<ConfiguredSlot> {
        let slot = |entry: &weir_wire::roster::RosterEntry| ConfiguredSlot {
            slot: entry.slot.clone(),
            credentials: entry.credentials(),
            ways: entry.ways.clone(),
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
                if let Written::GatesAlone(Some(why)) = written {
                    self.troubles.meet(Source::Load, why.to_string(), now);
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
                self.troubles.end(Source::Load);
                self.troubles.end(Source::File);
            }
            Err(error) => {
                self.troubles.meet(Source::Load, error.to_string(), now);
                if let CoreSeen::Down(reason) = &self.core {
                    self.troubles.meet(Source::Core, reason.clone(), now);
                    self.file.forget = true;
                }
                // The gates in the file may be those of an earlier moment.
                self.file.unwritten = self.file.unwritten.or(Some(now));
            }
        }
    }

    /// How the operator's template looks now. Returns whether it must be read (again).
    pub(crate) fn template_seen(&mut self, template: Option<Template>) -> bool {
        let seen = template.map_or(TemplateSeen::Missing, TemplateSeen::There);
        let new = core::mem::replace(&mut self.template, seen) != seen;
        self.loading.look_at_template(template, &mut self.books.batch);
        // The old one was put back as it was, modification time and all: no reload will come to take the word back.
        if new && self.loading.has_loaded_template() {
            self.troubles.end(Source::Load);
        }
        // What kept it from being read may be mended without a trace in the file.
        new || self.troubles.has(Source::Template)
    }

    /// What clients can connect to, what of the template stands before the gates, and which inbounds take a client's address
    /// from a header.
    pub(crate) fn template_read(&mut self, inbounds: Vec<Inbound>, bypasses: Vec<String>, by_header: Vec<String>) {
        if self.troubles.has(Source::Template) {
            self.troubles.end(Source::Template);
            self.loading.template_is_good();
        }
        self.bypasses = bypasses;
        self.addresses.by_header(by_header);
        if self.inbounds_told.as_ref() != Some(&inbounds) {
            self.inbounds = Some(inbounds);
        }
    }

    /// The template cannot be used: the running core and its file stay as they are.
    pub(crate) fn template_refused(&mut self, error: &CoreError, now: Moment) {
        self.troubles.meet(Source::Template, error.to_string(), now);
    }
}
