//! Who may pass: the roster's word, the limit, and what the core must do about it.

use weir_wire::SlotName;

use super::trouble::Source;
use super::{Bringing, Command, CoreSeen, Node, POLICE};
use crate::clock::Moment;
use crate::config::OnPanelLoss;
use crate::cores::{CoreError, Way};

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
        // Whoever's gate could not be moved may be wanted as he is meanwhile, or be gone.
        if self.gates.are_set() && self.bringing == Bringing::Rest {
            self.troubles.end(Source::Gate);
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
}
