//! sing-box 1.12 and 1.13, stock builds: they tell nobody whose bytes a connection moves, so every user's connections go through
//! the agent's relay, which counts them to the byte and lets in whose gate is open.
//!
//! The core needs no api for this. Which file it runs shows by the password that it takes at the inbound behind the relay, and a
//! connection that is held there shows by its end that the core has gone. The counters are the relay's: they outlive the core, and
//! end with the agent.

mod reload;
mod render;
mod watch;

use core::time::Duration;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, mpsc, watch as latest};
use weir_wire::SlotName;
use weir_wire::sync::Inbound;

use super::host_secret::HostSecret;
use super::singbox::Settings;
use super::singbox::template::Template;
use super::{
    Boxed, ConfiguredSlot, Core, CoreError, CoreEvent, READ_EVERY, RelayPlan, RelayPorts, Reload, Traits, Way, Written,
};
use crate::clock;
use crate::lock::lock;
use crate::relay::meter::Meter;

/// What it cannot do, in sentences.
pub(crate) const LIMITS: [&str; 3] = [
    "All traffic of users goes through the agent: while it is not running nobody can connect, and its end cuts everybody.",
    "The core tells no client's address: limits of devices are not enforced, and shared accounts do not show.",
    "Inbounds for some plans only are left out of other users' links, but do not refuse them.",
];

/// Whether a core runs this file, which this adapter wrote: for the one of newer releases, which takes over when its package is
/// renewed.
pub(in crate::cores) async fn runs(file: &[u8], ports: RelayPorts, secret: &HostSecret) -> bool {
    match render::of_file(file) {
        Some((digest, _)) => watch::ask_at(ports.at_back(), secret, &digest).await.is_ok(),
        None => false,
    }
}

/// What is known of the core.
#[derive(Debug, Default)]
struct State {
    /// The run of counters that is told now.
    incarnation: i64,
    /// The digest of the configuration that the core ran when it was asked last.
    running: Option<String>,
    loaded: Vec<SlotName>,
}

struct Inner {
    settings: Settings,
    secret: HostSecret,
    ports: RelayPorts,
    meter: Meter,
    tick: latest::Sender<Duration>,
    state: Mutex<State>,
    /// Where events go. Held while some are made, so that they come in order.
    events: Mutex<Option<mpsc::UnboundedSender<CoreEvent>>>,
    /// Rung when the core must be asked again.
    look: Notify,
    /// Held while the output is being replaced. Holds the digest of the last configuration that passed the core's check.
    output: tokio::sync::Mutex<Option<String>>,
}

impl Inner {
    /// Says what has moved. Returns whether anybody listens.
    fn tell(&self, first: Option<CoreEvent>) -> bool {
        let events = lock(&self.events);
        let Some(sender) = events.as_ref() else { return false };
        let reset = first.is_some();
        if first.is_some_and(|event| sender.send(event).is_err()) {
            return false;
        }
        let moved = self.meter.tell(reset);
        if !reset && moved.is_empty() {
            return !sender.is_closed();
        }
        let (up, down) = self.meter.totals();
        sender.send(CoreEvent::Connections { reset, events: moved }).is_ok()
            && sender.send(CoreEvent::Totals { up, down }).is_ok()
    }

    fn set_way(&self, slot: &SlotName, way: Way) -> Result<(), CoreError> {
        if way.is_open() && !lock(&self.state).loaded.contains(slot) {
            return Err(CoreError::Config(format!("the core has not loaded {slot}")));
        }
        self.meter.set(slot, way.is_open());
        Ok(())
    }

    /// Every loaded slot. The relay knows its speed whatever its way is called.
    fn ways(&self) -> Result<Vec<(SlotName, Way)>, CoreError> {
        let state = lock(&self.state);
        if state.running.is_none() {
            return Err(CoreError::Unreachable("it is not known to run the agent's file".into()));
        }
        let way = |slot: &SlotName| Way::of(self.meter.is_open(slot));
        Ok(state.loaded.iter().map(|slot| (slot.clone(), way(slot))).collect())
    }
}

/// A sing-box before 1.14 on this host.
#[derive(Clone)]
pub(crate) struct Relayed(Arc<Inner>);

impl Relayed {
    /// Reads the agent's secret, or makes it. Does not touch the core.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the state directory cannot be used.
    pub(crate) fn new(settings: Settings, ports: RelayPorts) -> Result<Self, CoreError> {
        let secret = HostSecret::of_state(&settings.state_dir)?;
        Ok(Self::with_secret(settings, ports, secret))
    }

    /// For a look at the template only: leaves no secret behind.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the kernel gives no random numbers.
    pub(crate) fn for_a_look(settings: Settings, ports: RelayPorts) -> Result<Self, CoreError> {
        HostSecret::passing().map(|secret| Self::with_secret(settings, ports, secret))
    }

    fn with_secret(settings: Settings, ports: RelayPorts, secret: HostSecret) -> Self {
        let started = clock::read().wall;
        Self(Arc::new(Inner {
            settings,
            secret,
            ports,
            meter: Meter::new(format!("{started}")),
            tick: latest::Sender::new(READ_EVERY),
            state: Mutex::new(State { incarnation: started, ..State::default() }),
            events: Mutex::default(),
            look: Notify::new(),
            output: tokio::sync::Mutex::default(),
        }))
    }

    fn template(&self) -> Result<Template, CoreError> {
        Template::read(&self.0.settings.template)
    }
}

impl Core for Relayed {
    fn kind(&self) -> &'static str {
        "sing-box"
    }

    fn traits(&self) -> Traits {
        let (kind, limits) = (self.kind(), LIMITS.to_vec());
        Traits { kind, users_live: false, counters_outlive: false, read_every: READ_EVERY, limits }
    }

    fn resume(&self, incarnation: Option<i64>) {
        // A clock that was set back must not name this run of counters as an earlier one.
        let mut state = lock(&self.0.state);
        state.incarnation = state.incarnation.max(incarnation.unwrap_or_default().saturating_add(1));
    }

    fn watch(&self, events: mpsc::UnboundedSender<CoreEvent>) -> Boxed<'_, ()> {
        Box::pin(async move { watch::watch(&self.0, events).await })
    }

    fn set_tick(&self, tick: Duration) {
        self.0.tick.send_if_modified(|held| core::mem::replace(held, tick) != tick);
    }

    fn set_gate<'a>(&'a self, slot: &'a SlotName, open: bool) -> Boxed<'a, Result<(), CoreError>> {
        self.set_way(slot, Way::of(open))
    }

    fn close<'a>(&'a self, id: &'a str) -> Boxed<'a, Result<(), CoreError>> {
        self.0.meter.close(id);
        Box::pin(core::future::ready(Ok(())))
    }

    fn write<'a>(&'a self, slots: &'a [ConfiguredSlot], _forget: bool) -> Boxed<'a, Result<Written, CoreError>> {
        Box::pin(reload::write(&self.0, slots, false))
    }

    fn renew<'a>(&'a self, slots: &'a [ConfiguredSlot], _forget: bool) -> Boxed<'a, Result<Written, CoreError>> {
        Box::pin(reload::write(&self.0, slots, true))
    }

    fn reload<'a>(&'a self, slots: &'a [ConfiguredSlot], kept: Boxed<'a, ()>) -> Boxed<'a, Result<Reload, CoreError>> {
        Box::pin(reload::reload(&self.0, slots, kept))
    }

    fn gates(&self) -> Boxed<'_, Result<Vec<(SlotName, bool)>, CoreError>> {
        let open = |(slot, way): (SlotName, Way)| (slot, way.is_open());
        let ways = self.0.ways();
        Box::pin(core::future::ready(ways.map(|ways| ways.into_iter().map(open).collect())))
    }

    fn relay(&self) -> Option<RelayPlan> {
        Some(RelayPlan::on(self.0.ports, &self.0.secret, Some(self.0.meter.clone())))
    }

    fn set_way<'a>(&'a self, slot: &'a SlotName, way: Way) -> Boxed<'a, Result<(), CoreError>> {
        Box::pin(core::future::ready(self.0.set_way(slot, way)))
    }

    fn leave(&self) -> Boxed<'_, ()> {
        Box::pin(reload::end_all(&self.0))
    }

    fn try_out(&self) -> Boxed<'_, Result<(), CoreError>> {
        Box::pin(reload::try_out(&self.0))
    }

    fn inbounds(&self) -> Result<Vec<Inbound>, CoreError> {
        self.template().map(|template| template.inbounds())
    }

    fn bypasses(&self) -> Vec<String> {
        // A template that cannot be read is told by everything else that reads it.
        self.template().map(|template| template.bypasses()).unwrap_or_default()
    }

    fn by_header(&self) -> Vec<String> {
        self.template().map(|template| template.by_header()).unwrap_or_default()
    }
}
