//! sing-box 1.14 or later, a stock build: its `api` service tells every connection's user and bytes, and switches the
//! selector that each slot's gate is.

mod api;
mod describe;
mod flows;
pub(in crate::cores) mod reload;
pub(in crate::cores) mod render;
pub(in crate::cores) mod template;
mod users;
pub(in crate::cores) mod validate;
mod watch;

pub(crate) use render::marks;

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, mpsc, watch as latest};
use weir_wire::SlotName;
use weir_wire::sync::Inbound;

use super::aside::aside;
use super::host_secret::HostSecret;
use super::{Boxed, ConfiguredSlot, Core, CoreError, CoreEvent, RelayPlan, Reload, Way, Written};
use crate::lock::lock;
use flows::Flows;
use render::{Additions, Rendered};
use template::Template;

/// How to find, write and steer a sing-box on this host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The core's program, for its `check`.
    pub binary: PathBuf,
    /// The operator's template; read, never written.
    pub template: PathBuf,
    /// The file that the core reads, and the only `.json` in its directory.
    pub output: PathBuf,
    /// Where new versions of the output wait for their check; on the same filesystem as the output. The output's own
    /// directory when unset.
    pub staging_dir: Option<PathBuf>,
    /// The agent's own directory: its secret, and the last configuration that the core came up with.
    pub state_dir: PathBuf,
    /// Where the core keeps the gates' states over a restart, unless the template says: writable by the core, its
    /// directory writable by the agent.
    pub cache_file: PathBuf,
    /// The core's working directory (`-D`), which relative paths in the template start from.
    pub working_dir: Option<PathBuf>,
    /// Port on 127.0.0.1 of the core's `api` service, unless the template has one.
    pub api_port: u16,
    /// Ports on 127.0.0.1 of the agent's relay and of the core's inbound behind it, for users with a speed limit; `None` for a
    /// core without such limits.
    pub relay: Option<RelayPorts>,
    /// Users with a speed limit leave under a routing mark while the kernel holds them by it ([`Core::hold_by_mark`]), and
    /// through the relay otherwise.
    pub marks: bool,
    /// Makes the running core load its file: `["systemctl", "reload", "sing-box"]` or `["kill", "-HUP", "{pid}"]`.
    pub reload: Vec<String>,
    /// Starts the core; must return when it is asked to, and do nothing when it runs: `["systemctl", "start", "sing-box"]`.
    pub start: Vec<String>,
    /// What `{pid}` in the commands stands for is read from here each time.
    pub pid_file: Option<PathBuf>,
    /// How long a core may take to answer after a reload or start before the last good file is put back. 10,000 slots
    /// take 1.5 s on two cores of 2024.
    pub start_limit: Duration,
}

/// See [`Settings::relay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayPorts {
    /// Where the relay listens.
    pub relay: u16,
    /// Where the core takes back what went through it.
    pub back: u16,
}

/// What the core told of itself when it last came up.
#[derive(Default)]
struct Seen {
    loaded: Vec<SlotName>,
    /// The outbound that its open gates lead to.
    open: String,
    /// Its gates can lead through the relay.
    relays: bool,
    /// The marks under which its gates can lead out.
    marks: BTreeMap<SlotName, u32>,
    /// The digest of the configuration that it runs.
    digest: Option<String>,
}

struct Inner {
    settings: Settings,
    secret: HostSecret,
    api: api::Api,
    tick: latest::Sender<Duration>,
    seen: Mutex<Seen>,
    /// The kernel holds marks to their speed.
    kernel: AtomicBool,
    flows: Mutex<Flows>,
    /// Rung when `flows` changed.
    flowed: Notify,
    /// Rung when connections were ended by force: the core counts a chunk after it has written it, so it may have told the end
    /// of some before their last chunk. A list of all names it, for as long as the core remembers (until its next collection of
    /// garbage).
    forced: Notify,
    /// Held while the output is being replaced. Holds the digest of the last configuration that passed the core's check.
    output: tokio::sync::Mutex<Option<String>>,
}

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
        Ok(Self::with_secret(settings, secret))
    }

    /// For a look at the template only: leaves no secret behind.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the kernel gives no random numbers.
    pub fn for_a_look(settings: Settings) -> Result<Self, CoreError> {
        HostSecret::passing().map(|secret| Self::with_secret(settings, secret))
    }

    fn with_secret(settings: Settings, secret: HostSecret) -> Self {
        let planned = rendered(&settings, &secret, &[], false).map(|planned| planned.target);
        let api = api::Api::new(planned.unwrap_or_else(|_| api::Target::ours(settings.api_port, &secret)));
        // The core may still run what was written before the template changed.
        let there = fs::read(&settings.output).unwrap_or_default();
        if let Some(target) = render::target_of_file(&there) {
            api.expect(target);
        }
        let seen = Seen { marks: render::marks_of_file(&there), ..Seen::default() };
        Self(Arc::new(Inner {
            settings,
            secret,
            api,
            tick: latest::Sender::new(Duration::from_secs(1)),
            seen: Mutex::new(seen),
            kernel: AtomicBool::new(false),
            flows: Mutex::default(),
            flowed: Notify::new(),
            forced: Notify::new(),
            output: tokio::sync::Mutex::default(),
        }))
    }

    /// Makes a configuration of the template and has the core check it, as a reload would, and leaves nothing behind.
    ///
    /// # Errors
    /// [`CoreError::Config`] when the template, or what comes of it, is wrong; [`CoreError::Disk`] when it cannot be
    /// written beside the output.
    pub async fn try_out(&self) -> Result<(), CoreError> {
        reload::try_out(&self.0).await
    }
}

fn rendered(
    settings: &Settings,
    secret: &HostSecret,
    slots: &[ConfiguredSlot],
    kernel: bool,
) -> Result<Rendered, CoreError> {
    let template = Template::read(&settings.template)?;
    let Settings { api_port, cache_file, relay, marks, .. } = settings;
    let additions =
        Additions { secret, api_port: *api_port, cache_file, relay: *relay, marks: *marks && relay.is_some(), kernel };
    render::render(&template, slots, &additions)
}

impl Inner {
    /// Takes in what the core told, and says it in absolute totals. Returns whether anybody listens.
    fn tell(&self, message: api::daemon::ConnectionEvents, events: &mpsc::UnboundedSender<CoreEvent>) -> bool {
        let reset = message.reset;
        let mut flows = lock(&self.flows);
        // Within the lock: whoever sees there that a connection has ended must find its totals among the events.
        let heard = events.send(CoreEvent::Connections { reset, events: flows.apply(message) }).is_ok();
        drop(flows);
        self.flowed.notify_waiters();
        heard
    }

    /// Whether live connections may have moved more than was told.
    fn is_in_doubt(&self) -> bool {
        lock(&self.flows).in_doubt()
    }

    /// Another list of all connections is asked for.
    fn await_list(&self) {
        lock(&self.flows).await_list();
    }

    fn forget_connections(&self) {
        lock(&self.flows).clear();
        self.flowed.notify_waiters();
    }

    /// Remembers what the core said of its gates when it came up.
    fn learn(&self, groups: &[api::daemon::Group]) {
        let mut seen = Seen::default();
        for group in groups {
            if let Some(slot) = render::slot_of_gate(&group.tag) {
                for item in &group.items {
                    match render::way_of(&item.tag) {
                        Way::Open => seen.open.clone_from(&item.tag),
                        Way::Slow => match render::marks::of_tag(&item.tag) {
                            Some((slot, mark)) => drop(seen.marks.insert(slot, mark)),
                            None => seen.relays = true,
                        },
                        Way::Shut | Way::Stale => {}
                    }
                }
                seen.loaded.push(slot);
            } else if let Some(digest) = render::stated_digest(&group.tag) {
                seen.digest = Some(digest.to_owned());
            }
        }
        *lock(&self.seen) = seen;
    }

    async fn set_way(&self, slot: &SlotName, way: Way) -> Result<(), CoreError> {
        let member = match way {
            Way::Shut => render::REFUSE.to_owned(),
            Way::Open => lock(&self.seen).open.clone(),
            Way::Slow | Way::Stale => match self.slow_member(slot) {
                Some(member) => member,
                None => return Err(CoreError::Config(format!("the core has no slow way for {slot} yet"))),
            },
        };
        self.api.select(&render::gate_tag(slot), &member).await?;
        if way != Way::Open {
            // The switch ends connections that it knows; one whose dial was under way, or that the operator's own
            // groups stand between, is ended by its id.
            let left = lock(&self.flows).ids_of(slot.as_str());
            for id in left {
                self.api.close(&id).await?;
            }
        }
        self.forced.notify_one();
        Ok(())
    }

    /// What holds a slot's user to his speed now.
    fn slow_member(&self, slot: &SlotName) -> Option<String> {
        let seen = lock(&self.seen);
        let mark = seen.marks.get(slot).filter(|_| self.kernel.load(Ordering::Relaxed));
        let marked = mark.map(|mark| render::marks::tag(*mark, slot));
        marked.or_else(|| seen.relays.then(|| render::relay_tag(slot)))
    }

    async fn close(&self, id: &str) -> Result<(), CoreError> {
        self.api.close(id).await?;
        self.forced.notify_one();
        Ok(())
    }

    async fn ways(&self) -> Result<Vec<(SlotName, Way)>, CoreError> {
        let groups = self.api.groups().await?;
        let gate = |group: &api::daemon::Group| {
            let slot = render::slot_of_gate(&group.tag)?;
            let way = match render::way_of(&group.selected) {
                Way::Slow if self.slow_member(&slot).is_some_and(|member| member != group.selected) => Way::Stale,
                way => way,
            };
            Some((slot, way))
        };
        Ok(groups.iter().filter_map(gate).collect())
    }

    async fn outdated(self: &Arc<Self>, slots: &[ConfiguredSlot]) -> Result<bool, CoreError> {
        let (inner, slots) = (Arc::clone(self), slots.to_vec());
        let planned = aside(move || rendered(&inner.settings, &inner.secret, &slots, false)).await?;
        Ok(lock(&self.seen).digest.as_ref() != Some(&planned.digest))
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
        Box::pin(reload::write(&self.0, slots, forget_choices))
    }

    fn reload<'a>(&'a self, slots: &'a [ConfiguredSlot], kept: Boxed<'a, ()>) -> Boxed<'a, Result<Reload, CoreError>> {
        Box::pin(reload::reload(&self.0, slots, kept))
    }

    fn loaded(&self) -> Vec<SlotName> {
        lock(&self.0.seen).loaded.clone()
    }

    fn gates(&self) -> Boxed<'_, Result<Vec<(SlotName, bool)>, CoreError>> {
        let open = |(slot, way): (SlotName, Way)| (slot, way.is_open());
        Box::pin(async move { Ok(self.0.ways().await?.into_iter().map(open).collect()) })
    }

    fn relay(&self) -> Option<RelayPlan> {
        let ports = self.0.settings.relay?;
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Some(RelayPlan {
            listen: loopback(ports.relay),
            password: self.0.secret.relay(),
            back: loopback(ports.back),
            back_password: self.0.secret.back(),
            meter: None,
        })
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

    fn outdated<'a>(&'a self, slots: &'a [ConfiguredSlot]) -> Boxed<'a, Result<bool, CoreError>> {
        Box::pin(self.0.outdated(slots))
    }

    fn try_out(&self) -> Boxed<'_, Result<(), CoreError>> {
        Box::pin(Self::try_out(self))
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
