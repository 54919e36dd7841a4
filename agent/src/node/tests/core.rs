//! A core by script, behind the agent's own trait: it moves bytes when it is told to, and keeps gates and files as the
//! real one does.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use tokio::sync::mpsc::UnboundedSender;
use weir_wire::SlotName;
use weir_wire::sync::Inbound;

use crate::cores::{
    BACK, Boxed, ConfiguredSlot, ConnectionEvent, Core, CoreError, CoreEvent, Counter, Fallen, Origin, RelayPlan,
    Reload, Traits, Way, Written,
};
use crate::testing::{origin, slot};

/// What the agent has made the core do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Gate(SlotName, bool),
    /// A gate that leads through the relay.
    Slow(SlotName),
    Close(String),
    Tick(Duration),
    Write {
        forget: bool,
    },
    /// A writing that may bring the template.
    Renew,
    Reload,
    Bring,
}

#[derive(Clone, Debug)]
struct Connection {
    user: String,
    inbound: &'static str,
    source: String,
    up: u64,
    down: u64,
    closed: bool,
}

#[derive(Default)]
struct State {
    /// Its start, while it runs.
    incarnation: Option<i64>,
    starts: i64,
    /// What it runs with: each slot's gate.
    gates: BTreeMap<SlotName, bool>,
    /// What it would start with, and what it remembers, which outranks that.
    file: BTreeMap<SlotName, bool>,
    choices: BTreeMap<SlotName, bool>,
    connections: BTreeMap<String, Connection>,
    told: Vec<CoreEvent>,
    /// Gates that lead through the relay, and how the file has them.
    slow: BTreeSet<SlotName>,
    stale: BTreeSet<SlotName>,
    slow_in_file: BTreeSet<SlotName>,
    /// It runs without a way through the relay, and will after its next start.
    lacks_relay: (bool, bool),
    calls: Vec<Call>,
    refuses: Option<CoreError>,
    /// How much of its file is written from now on, if not all of it.
    written: Option<Written>,
    /// It counts users, not connections, and takes them live.
    live: bool,
    counters: BTreeMap<String, (u64, u64)>,
    /// Its counters outlive it.
    dumps: bool,
    /// Of each that was brought, the inbounds that are for other plans.
    closed: BTreeMap<SlotName, Vec<String>>,
}

impl State {
    fn event(&self, id: &str, named: bool) -> ConnectionEvent {
        let of = &self.connections[id];
        let origin =
            named.then(|| Origin { inbound: of.inbound.to_owned(), source: of.source.clone(), ..origin(&of.user) });
        ConnectionEvent { id: id.to_owned(), origin, up: of.up, down: of.down, closed: of.closed }
    }

    fn tell(&mut self, id: &str, named: bool) {
        let events = vec![self.event(id, named)];
        self.told.push(CoreEvent::Connections { reset: false, events });
    }

    fn tell_counters(&mut self) {
        let counter = |(user, (up, down)): (&String, &(u64, u64))| Counter { user: user.clone(), up: *up, down: *down };
        let users = self.counters.iter().map(counter).collect();
        self.told.push(CoreEvent::Counters { users, fallen: Fallen::Zero });
    }

    fn tell_all(&mut self) {
        if self.live {
            let incarnation = self.incarnation.expect("it runs");
            self.told.push(CoreEvent::Up { incarnation, version: "4.34.0".to_owned() });
            self.tell_counters();
            return;
        }
        let ids: Vec<String> = self.connections.keys().cloned().collect();
        let events = ids.iter().map(|id| self.event(id, true)).collect();
        let incarnation = self.incarnation.expect("it runs");
        self.told.push(CoreEvent::Up { incarnation, version: "1.14.0".to_owned() });
        self.told.push(CoreEvent::Connections { reset: true, events });
    }

    fn start(&mut self) {
        self.starts += 1;
        self.incarnation = Some(self.starts * 1_000);
        self.connections.clear();
        if !self.dumps {
            self.counters.clear();
        }
        self.gates.clone_from(&self.file);
        self.slow.clone_from(&self.slow_in_file);
        self.lacks_relay.0 = self.lacks_relay.1;
        for (slot, open) in &self.choices {
            if let Some(gate) = self.gates.get_mut(slot) {
                *gate = *open;
            }
        }
        self.tell_all();
    }

    fn file_is(&mut self, slots: &[ConfiguredSlot]) {
        self.file = slots.iter().map(|slot| (slot.slot.clone(), slot.open)).collect();
        self.slow_in_file = slots.iter().filter(|slot| slot.way() == Way::Slow).map(|slot| slot.slot.clone()).collect();
    }

    fn end(&mut self, id: &str) {
        if let Some(connection) = self.connections.get_mut(id).filter(|connection| !connection.closed) {
            connection.closed = true;
            self.tell(id, false);
        }
    }

    fn answers(&self) -> Result<(), CoreError> {
        match (&self.refuses, self.incarnation) {
            (Some(error), _) => Err(error.clone()),
            (None, None) => Err(CoreError::Unreachable("connection refused".to_owned())),
            (None, Some(_)) => Ok(()),
        }
    }
}

#[derive(Default)]
pub(super) struct ScriptedCore(Mutex<State>);

impl ScriptedCore {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    /// A core that counts users and takes them live.
    pub(super) fn live() -> Self {
        Self(Mutex::new(State { live: true, ..State::default() }))
    }

    /// From now on its counters outlive it.
    pub(super) fn dump(&self) {
        self.with(|state| state.dumps = true);
    }

    /// Moves bytes of a user, whether his gate is open or not: on a connection that was open before, for all that is known.
    /// They are told with the next reading.
    pub(super) fn move_bytes(&self, user: &str, up: u64, down: u64) {
        self.with(|state| {
            let counter = state.counters.entry(user.to_owned()).or_default();
            counter.0 += up;
            counter.1 += down;
        });
    }

    /// Tells what each user has moved.
    pub(super) fn read(&self) {
        self.with(State::tell_counters);
    }

    /// Starts with the file that there is.
    pub(super) fn start(&self) {
        self.with(State::start);
    }

    /// `kill -9`.
    pub(super) fn kill(&self) {
        self.with(|state| {
            state.incarnation = None;
            state.connections.clear();
            state.told.push(CoreEvent::Down { reason: "the core does not answer: connection refused".to_owned() });
        });
    }

    /// Tells all of it again, as to an agent that has just connected.
    pub(super) fn tell_all(&self) {
        self.with(|state| {
            if state.incarnation.is_some() {
                state.told.clear();
                state.tell_all();
            }
        });
    }

    /// Moves bytes on a connection, if its user's gate is open. Returns whether they passed.
    pub(super) fn flow(&self, id: &str, user: &str, up: u64, down: u64) -> bool {
        self.with(|state| {
            let slot = user.parse().ok();
            let open = slot.and_then(|slot: SlotName| state.gates.get(&slot).copied()).unwrap_or(true);
            if !open || state.incarnation.is_none() {
                return false;
            }
            let named = !state.connections.contains_key(id);
            let connection = state.connections.entry(id.to_owned()).or_insert_with(|| Connection {
                user: user.to_owned(),
                inbound: "in",
                source: "192.0.2.1:5".to_owned(),
                up: 0,
                down: 0,
                closed: false,
            });
            if connection.closed {
                return false;
            }
            connection.up += up;
            connection.down += down;
            state.tell(id, named);
            true
        })
    }

    /// A client begins a connection from somewhere, if its user's gate is open.
    pub(super) fn come(&self, id: &str, user: &str, source: &str) -> bool {
        if !self.is_open(user) {
            return false;
        }
        self.begin(id, user, "in", source, 0);
        true
    }

    /// What a slow user moves comes back from the relay.
    pub(super) fn come_back(&self, id: &str, bytes: u64) {
        self.begin(id, RelayPlan::BACK_USER, BACK, "127.0.0.1:9", bytes);
    }

    fn begin(&self, id: &str, user: &str, inbound: &'static str, source: &str, up: u64) {
        let (user, source) = (user.to_owned(), source.to_owned());
        self.with(|state| {
            state.connections.insert(id.to_owned(), Connection { user, inbound, source, up, down: 0, closed: false });
            state.tell(id, true);
        });
    }

    /// The core's own totals.
    pub(super) fn tell_totals(&self, up: u64, down: u64) {
        self.with(|state| state.told.push(CoreEvent::Totals { up, down }));
    }

    /// The running core has no way through the relay, or has one from its next start on.
    pub(super) fn has_relay(&self, now: bool, later: bool) {
        self.with(|state| state.lacks_relay = (!now, !later));
    }

    /// Whether a gate leads through the relay.
    pub(super) fn is_slow(&self, user: &str) -> bool {
        self.with(|state| state.slow.contains(&slot(user)))
    }

    /// What slow gates lead through holds nobody any more.
    pub(super) fn turn_slow_ways_stale(&self) {
        self.with(|state| state.stale = core::mem::take(&mut state.slow));
    }

    /// The client ends a connection.
    pub(super) fn end(&self, id: &str) {
        self.with(|state| state.end(id));
    }

    pub(super) fn is_live(&self, id: &str) -> bool {
        self.with(|state| state.connections.get(id).is_some_and(|connection| !connection.closed))
    }

    /// Forgets connections that have ended, as it does when it collects its garbage.
    pub(super) fn forget_ended(&self) {
        self.with(|state| state.connections.retain(|_, connection| !connection.closed));
    }

    /// From now on every call fails with this, or none.
    pub(super) fn refuse(&self, error: Option<CoreError>) {
        self.with(|state| state.refuses = error);
    }

    /// From now on so much of its file is written.
    pub(super) fn writes(&self, written: Written) {
        self.with(|state| state.written = Some(written));
    }

    /// The inbounds that it was told to keep a user out of, when he was brought last.
    pub(super) fn closed(&self, user: &str) -> Vec<String> {
        self.with(|state| state.closed[&slot(user)].clone())
    }

    pub(super) fn is_open(&self, user: &str) -> bool {
        self.with(|state| state.gates.get(&slot(user)).copied().unwrap_or_default())
    }

    /// What the agent made it do since this was asked last.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.with(|state| core::mem::take(&mut state.calls))
    }

    /// What the file says of a gate.
    pub(super) fn in_file(&self, user: &str) -> Option<bool> {
        self.with(|state| state.file.get(&slot(user)).copied())
    }

    /// Whether it remembers any choice.
    pub(super) fn remembers(&self) -> bool {
        self.with(|state| !state.choices.is_empty())
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> Boxed<'a, T> {
    Box::pin(core::future::ready(value))
}

impl Core for ScriptedCore {
    fn kind(&self) -> &'static str {
        "script"
    }

    fn traits(&self) -> Traits {
        let (live, dumps) = self.with(|state| (state.live, state.dumps));
        let limits = if live { vec!["What is open goes on."] } else { Vec::new() };
        let read_every = Duration::from_millis(100);
        Traits { kind: self.kind(), users_live: live, counters_outlive: dumps, read_every, limits }
    }

    fn bring<'a>(&'a self, slots: &'a [ConfiguredSlot]) -> Boxed<'a, Result<Vec<(SlotName, bool)>, CoreError>> {
        ready(self.with(|state| {
            state.answers()?;
            state.calls.push(Call::Bring);
            state.gates = slots.iter().map(|slot| (slot.slot.clone(), slot.open)).collect();
            state.closed = slots.iter().map(|slot| (slot.slot.clone(), slot.closed.clone())).collect();
            Ok(state.gates.iter().map(|(slot, open)| (slot.clone(), *open)).collect())
        }))
    }

    fn watch(&self, events: UnboundedSender<CoreEvent>) -> Boxed<'_, ()> {
        for event in self.with(|state| core::mem::take(&mut state.told)) {
            let _ = events.send(event);
        }
        ready(())
    }

    fn set_tick(&self, tick: Duration) {
        self.with(|state| state.calls.push(Call::Tick(tick)));
    }

    fn set_gate<'a>(&'a self, slot: &'a SlotName, open: bool) -> Boxed<'a, Result<(), CoreError>> {
        ready(self.with(|state| {
            state.answers()?;
            let gate = state.gates.get_mut(slot).ok_or_else(|| CoreError::Config("no such gate".to_owned()))?;
            *gate = open;
            state.slow.remove(slot);
            state.stale.remove(slot);
            state.choices.insert(slot.clone(), open);
            state.calls.push(Call::Gate(slot.clone(), open));
            let ended: Vec<String> = state
                .connections
                .iter()
                .filter(|(_, connection)| !open && connection.user == slot.as_str())
                .map(|(id, _)| id.clone())
                .collect();
            for id in ended {
                state.end(&id);
            }
            Ok(())
        }))
    }

    fn set_way<'a>(&'a self, slot: &'a SlotName, way: Way) -> Boxed<'a, Result<(), CoreError>> {
        if way != Way::Slow {
            return self.set_gate(slot, way.is_open());
        }
        ready(self.with(|state| {
            state.answers()?;
            if state.lacks_relay.0 || !state.gates.contains_key(slot) {
                return Err(CoreError::Config("no way through the relay".to_owned()));
            }
            state.gates.insert(slot.clone(), true);
            state.slow.insert(slot.clone());
            state.stale.remove(slot);
            state.calls.push(Call::Slow(slot.clone()));
            Ok(())
        }))
    }

    fn ways(&self) -> Boxed<'_, Result<Vec<(SlotName, Way)>, CoreError>> {
        ready(self.with(|state| {
            state.answers()?;
            let way = |slot: &SlotName, open: bool| match (open, state.slow.contains(slot)) {
                _ if state.stale.contains(slot) => Way::Stale,
                (false, _) => Way::Shut,
                (true, false) => Way::Open,
                (true, true) => Way::Slow,
            };
            Ok(state.gates.iter().map(|(slot, open)| (slot.clone(), way(slot, *open))).collect())
        }))
    }

    fn close<'a>(&'a self, id: &'a str) -> Boxed<'a, Result<(), CoreError>> {
        ready(self.with(|state| {
            state.calls.push(Call::Close(id.to_owned()));
            state.end(id);
            Ok(())
        }))
    }

    fn write<'a>(&'a self, slots: &'a [ConfiguredSlot], forget: bool) -> Boxed<'a, Result<Written, CoreError>> {
        ready(self.with(|state| {
            if let Some(error) = &state.refuses {
                return Err(error.clone());
            }
            state.calls.push(Call::Write { forget });
            state.file_is(slots);
            if forget && state.incarnation.is_none() {
                state.choices.clear();
            }
            Ok(state.written.clone().unwrap_or(Written::Whole))
        }))
    }

    fn renew<'a>(&'a self, slots: &'a [ConfiguredSlot], forget: bool) -> Boxed<'a, Result<Written, CoreError>> {
        self.with(|state| state.calls.push(Call::Renew));
        self.write(slots, forget)
    }

    fn reload<'a>(&'a self, slots: &'a [ConfiguredSlot], _kept: Boxed<'a, ()>) -> Boxed<'a, Result<Reload, CoreError>> {
        ready(self.with(|state| {
            if let Some(error) = &state.refuses {
                return Err(error.clone());
            }
            state.calls.push(Call::Reload);
            state.file_is(slots);
            let live: Vec<String> =
                state.connections.iter().filter(|(_, of)| !of.closed).map(|(id, _)| id.clone()).collect();
            for id in &live {
                state.end(id);
            }
            state.start();
            let cut = u32::try_from(live.len()).unwrap();
            Ok(Reload { incarnation: state.starts * 1_000, cut })
        }))
    }

    fn gates(&self) -> Boxed<'_, Result<Vec<(SlotName, bool)>, CoreError>> {
        ready(self.with(|state| {
            state.answers()?;
            Ok(state.gates.iter().map(|(slot, open)| (slot.clone(), *open)).collect())
        }))
    }

    fn inbounds(&self) -> Result<Vec<Inbound>, CoreError> {
        Ok(Vec::new())
    }

    fn bypasses(&self) -> Vec<String> {
        Vec::new()
    }

    fn by_header(&self) -> Vec<String> {
        Vec::new()
    }
}
