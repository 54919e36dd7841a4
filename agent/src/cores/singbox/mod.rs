//! sing-box 1.14 or later, a stock build: its `api` service tells every connection's user and bytes, and switches the
//! selector that each slot's gate is.

mod api;
mod describe;
pub(in crate::cores) mod digest;
mod flows;
pub(in crate::cores) mod gate;
mod inner;
pub(crate) mod marks;
pub(in crate::cores) mod reload;
pub(in crate::cores) mod render;
mod settings;
pub(in crate::cores) mod template;
mod users;
pub(in crate::cores) mod validate;
mod watch;
mod written;

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use weir_wire::SlotName;
use weir_wire::sync::Inbound;

use self::inner::Inner;
pub use self::settings::Settings;
use self::template::Template;
use super::host_secret::HostSecret;
use super::{Boxed, ConfiguredSlot, Core, CoreError, CoreEvent, RelayPlan, Reload, Way, Written};
use crate::lock::lock;

/// A sing-box on this host.
#[derive(Clone)]
pub struct SingBox(Arc<Inner>);

impl SingBox {
    /// Reads the agent's secret, or makes it. Does not touch the core, and does not need the template: a core that runs
    /// is counted and gated, whatever became of it.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the state directory cannot be used.
    pub fn new(settings: Settings) -> Result<Self, CoreError> {
        let secret = HostSecret::of_state(&settings.state_dir)?;
        Ok(Self(Arc::new(Inner::new(settings, secret))))
    }

    /// For a look at the template only: leaves no secret behind.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the kernel gives no random numbers.
    pub fn for_a_look(settings: Settings) -> Result<Self, CoreError> {
        HostSecret::passing().map(|secret| Self(Arc::new(Inner::new(settings, secret))))
    }

    /// Slots that the running core had loaded when it last came up; the list is current when [`CoreEvent::Up`] is told. Empty before
    /// the first.
    #[must_use]
    pub fn loaded(&self) -> Vec<SlotName> {
        lock(&self.0.seen).loaded.clone()
    }

    /// Whether the running core was started from something else than [`Core::write`] would write with these slots, the
    /// states of the gates apart: a slot, a secret or the template changed, so only a reload brings them into the core.
    ///
    /// # Errors
    /// [`CoreError::Config`] when the template cannot be used.
    pub async fn outdated(&self, slots: &[ConfiguredSlot]) -> Result<bool, CoreError> {
        self.0.outdated(slots).await
    }
}

impl Core for SingBox {
    fn kind(&self) -> &'static str {
        "sing-box"
    }

    fn watch(&self, events: mpsc::UnboundedSender<CoreEvent>) -> Boxed<'_, ()> {
        Box::pin(async move { watch::watch(&self.0, &events).await })
    }

    fn set_tick(&self, tick: Duration) {
        self.0.tick.send_if_modified(|held| core::mem::replace(held, tick) != tick);
    }

    fn set_gate<'a>(&'a self, slot: &'a SlotName, open: bool) -> Boxed<'a, Result<(), CoreError>> {
        Box::pin(self.0.set_way(slot, Way::of(open)))
    }

    fn close<'a>(&'a self, id: &'a str) -> Boxed<'a, Result<(), CoreError>> {
        Box::pin(self.0.close(id))
    }

    fn write<'a>(&'a self, slots: &'a [ConfiguredSlot], forget_choices: bool) -> Boxed<'a, Result<Written, CoreError>> {
        Box::pin(reload::write(&self.0, slots, forget_choices, false))
    }

    fn renew<'a>(&'a self, slots: &'a [ConfiguredSlot], forget_choices: bool) -> Boxed<'a, Result<Written, CoreError>> {
        Box::pin(reload::write(&self.0, slots, forget_choices, true))
    }

    fn reload<'a>(&'a self, slots: &'a [ConfiguredSlot], kept: Boxed<'a, ()>) -> Boxed<'a, Result<Reload, CoreError>> {
        Box::pin(reload::reload(&self.0, slots, kept))
    }

    fn gates(&self) -> Boxed<'_, Result<Vec<(SlotName, bool)>, CoreError>> {
        let open = |(slot, way): (SlotName, Way)| (slot, way.is_open());
        Box::pin(async move { Ok(self.0.ways().await?.into_iter().map(open).collect()) })
    }

    fn relay(&self) -> Option<RelayPlan> {
        self.0.settings.relay.map(|ports| RelayPlan::on(ports, &self.0.secret, None))
    }

    fn marking(&self) -> Result<(), String> {
        Template::read(&self.0.settings.template).map_err(|why| why.to_string())?.marked().map(drop)
    }

    fn marks(&self) -> BTreeMap<SlotName, u32> {
        lock(&self.0.seen).marks.clone()
    }

    fn hold_by_mark(&self, kernel: bool) {
        self.0.kernel.store(kernel, Ordering::Relaxed);
    }

    fn set_way<'a>(&'a self, slot: &'a SlotName, way: Way) -> Boxed<'a, Result<(), CoreError>> {
        Box::pin(self.0.set_way(slot, way))
    }

    fn ways(&self) -> Boxed<'_, Result<Vec<(SlotName, Way)>, CoreError>> {
        Box::pin(self.0.ways())
    }

    fn try_out(&self) -> Boxed<'_, Result<(), CoreError>> {
        Box::pin(reload::try_out(&self.0))
    }

    fn inbounds(&self) -> Result<Vec<Inbound>, CoreError> {
        Template::read(&self.0.settings.template).map(|template| template.inbounds())
    }

    fn bypasses(&self) -> Vec<String> {
        // A template that cannot be read is told by everything else that reads it.
        Template::read(&self.0.settings.template).map(|template| template.bypasses()).unwrap_or_default()
    }

    fn by_header(&self) -> Vec<String> {
        Template::read(&self.0.settings.template).map(|template| template.by_header()).unwrap_or_default()
    }
}
