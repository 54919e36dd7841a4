//! V2Ray 4.34 or later, and Xray: their `StatsService` tells what each user has moved, and their `HandlerService` lets users in
//! and out of the running core.
//!
//! Nobody is counted apart but by his name, so there are no connections here: whoever is removed cannot connect any more, and
//! what he has open goes on until he ends it. What that moves is counted, and shown as what it is.

mod describe;
mod live;
mod reload;
mod render;
mod template;
#[cfg(test)]
mod tests;
mod users;
mod watch;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, mpsc, oneshot, watch as latest};
use tokio::time::timeout;
use weir_wire::SlotName;
use weir_wire::credential::Credentials;
use weir_wire::roster::Ways;
use weir_wire::sync::Inbound;

use super::host_secret::HostSecret;
use super::program::Family;
use super::{Boxed, ConfiguredSlot, Core, CoreError, CoreEvent, Reload, Traits, Written};
use crate::clock::{self, BootId};
use crate::lock::lock;
use live::Calls;
use template::Template;
use users::Scheme;

/// What these cores cannot do, in sentences.
pub(crate) const LIMITS: [&str; 2] = [
    "Connections that are open when a user is cut, or loses an inbound, go on until he ends them; what they move is counted.",
    "Limits of speed, devices and streams are not enforced.",
];

/// How often the counters are read at rest. Nothing is lost between two readings, unlike with connections.
const AT_REST: Duration = Duration::from_secs(1);
/// How long a reload waits for one more reading.
const READING: Duration = Duration::from_secs(2);

/// How to find, write and steer a V2Ray or Xray on this host.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Whose program it is.
    pub(crate) family: Family,
    /// The core's program, for its version and its check.
    pub(crate) binary: PathBuf,
    /// The operator's template; read, never written.
    pub(crate) template: PathBuf,
    /// The file that the core reads.
    pub(crate) output: PathBuf,
    /// The agent's own directory: its secret, and the last configuration that the core came up with.
    pub(crate) state_dir: PathBuf,
    /// The core's working directory, which relative paths in the template start from.
    pub(crate) working_dir: Option<PathBuf>,
    /// Port on 127.0.0.1 of the core's api.
    pub(crate) api_port: u16,
    /// Ends the running core and starts it anew: `["systemctl", "restart", "v2ray"]`.
    pub(crate) restart: Vec<String>,
    /// Starts the core with the file that is there: a core that runs with another one must be started anew by it.
    pub(crate) start: Vec<String>,
    /// How long a core may take to answer before the last good file is put back.
    pub(crate) start_limit: Duration,
}

/// What lets a user in.
#[derive(Clone, PartialEq, Eq)]
struct Pass {
    credentials: Credentials,
    ways: Option<Ways>,
    closed: Vec<String>,
}

impl Pass {
    fn of(slot: &ConfiguredSlot) -> Self {
        Self { credentials: slot.credentials.clone(), ways: slot.ways.clone(), closed: slot.closed.clone() }
    }

    /// His credentials at an inbound, if it is his.
    fn at(&self, (tag, scheme): &(String, Scheme)) -> Option<&Credentials> {
        let has_chosen = self.ways.as_ref().is_none_or(|ways| ways.admit(scheme.protocol(), tag));
        (has_chosen && !self.closed.contains(tag)).then_some(&self.credentials)
    }
}

/// Who is in the core.
#[derive(Default)]
struct Users {
    /// Everybody who may be let in.
    passes: BTreeMap<SlotName, Pass>,
    /// What was done in this incarnation: let in with this, or kept out.
    present: BTreeMap<SlotName, Option<Pass>>,
    /// Whose gate means something.
    loaded: BTreeSet<SlotName>,
}

struct Inner {
    settings: Settings,
    secret: HostSecret,
    boot: BootId,
    tick: latest::Sender<Duration>,
    /// The start that is known, and the seconds for which the core had run when it was seen last.
    started: Mutex<Option<(i64, u32)>>,
    users: Mutex<Users>,
    calls: tokio::sync::Mutex<Calls>,
    /// Rung when a reading is wanted now; whoever waits for it is told.
    read_now: Notify,
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
    /// Held while the output is being replaced.
    output: tokio::sync::Mutex<()>,
}

impl Inner {
    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.settings.api_port))
    }

    /// Waits until what the core has counted by now was told. A core that does not answer has nothing more to tell.
    async fn read_once_more(&self) {
        let (told, wait) = oneshot::channel();
        lock(&self.waiting).push(told);
        self.read_now.notify_one();
        let _ = timeout(READING, wait).await;
    }

    /// Whether the users were brought into the core that runs.
    fn is_brought(&self) -> bool {
        !lock(&self.users).present.is_empty()
    }

    fn known_start(&self) -> Option<i64> {
        lock(&self.started).as_ref().map(|(name, _)| *name)
    }
}

/// A V2Ray or Xray on this host.
#[derive(Clone)]
pub(crate) struct V2Ray(Arc<Inner>);

impl V2Ray {
    /// Reads the agent's secret, or makes it. Does not touch the core.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the state directory or the boot's name cannot be read.
    pub(crate) fn new(settings: Settings) -> Result<Self, CoreError> {
        let secret = HostSecret::of_state(&settings.state_dir)?;
        Self::with_secret(settings, secret)
    }

    /// For a look at the template only: leaves no secret behind.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the kernel gives no random numbers or the boot's name cannot be read.
    pub(crate) fn for_a_look(settings: Settings) -> Result<Self, CoreError> {
        Self::with_secret(settings, HostSecret::passing()?)
    }

    fn with_secret(settings: Settings, secret: HostSecret) -> Result<Self, CoreError> {
        let boot = clock::boot().map_err(|why| CoreError::Disk(format!("the boot's name cannot be read: {why}")))?;
        Ok(Self(Arc::new(Inner {
            settings,
            secret,
            boot,
            tick: latest::Sender::new(AT_REST),
            started: Mutex::default(),
            users: Mutex::default(),
            calls: tokio::sync::Mutex::default(),
            read_now: Notify::new(),
            waiting: Mutex::default(),
            output: tokio::sync::Mutex::default(),
        })))
    }

    fn template(&self) -> Result<Template, CoreError> {
        Template::read(&self.0.settings.template, self.0.settings.family)
    }
}

impl Core for V2Ray {
    fn kind(&self) -> &'static str {
        match self.0.settings.family {
            Family::Xray => "xray",
            _ => "v2ray",
        }
    }

    fn traits(&self) -> Traits {
        let (kind, limits) = (self.kind(), LIMITS.to_vec());
        Traits { kind, users_live: true, counters_outlive: false, read_every: AT_REST, limits }
    }

    fn resume(&self, incarnation: Option<i64>) {
        *lock(&self.0.started) = incarnation.map(|name| (name, 0));
    }

    fn watch(&self, events: mpsc::UnboundedSender<CoreEvent>) -> Boxed<'_, ()> {
        Box::pin(async move { watch::watch(&self.0, &events).await })
    }

    fn set_tick(&self, tick: Duration) {
        self.0.tick.send_if_modified(|held| core::mem::replace(held, tick) != tick);
    }

    fn set_gate<'a>(&'a self, slot: &'a SlotName, open: bool) -> Boxed<'a, Result<(), CoreError>> {
        Box::pin(self.0.set_gate(slot, open))
    }

    fn close<'a>(&'a self, _id: &'a str) -> Boxed<'a, Result<(), CoreError>> {
        // It tells no connections, so there is none to name.
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
        Box::pin(core::future::ready(Ok(self.0.gates())))
    }

    fn bring<'a>(&'a self, slots: &'a [ConfiguredSlot]) -> Boxed<'a, Result<Vec<(SlotName, bool)>, CoreError>> {
        Box::pin(self.0.bring(slots))
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
