//! A sing-box as its adapter knows it: what it told, and how its gates are moved.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, mpsc, watch as latest};
use weir_wire::SlotName;

use super::api::{Api, Target, daemon};
use super::flows::Flows;
use super::gate::{REFUSE, gate_tag, relay_tag, slot_of_gate, stated_digest, way_of};
use super::settings::Settings;
use super::{marks, render, written};
use crate::cores::aside::aside;
use crate::cores::host_secret::HostSecret;
use crate::cores::{ConfiguredSlot, CoreError, CoreEvent, Way};
use crate::lock::lock;

/// What the core told of itself when it last came up.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) loaded: Vec<SlotName>,
    /// The outbound that its open gates lead to.
    pub(super) open: String,
    /// Its gates can lead through the relay.
    pub(super) relays: bool,
    /// The marks under which its gates can lead out.
    pub(super) marks: BTreeMap<SlotName, u32>,
    /// The digest of the configuration that it runs.
    pub(super) digest: Option<String>,
}

/// See the module's description.
pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) secret: HostSecret,
    pub(super) api: Api,
    pub(super) tick: latest::Sender<Duration>,
    pub(super) seen: Mutex<Seen>,
    /// The kernel holds marks to their speed.
    pub(super) kernel: AtomicBool,
    pub(super) flows: Mutex<Flows>,
    /// Rung when `flows` changed.
    pub(super) flowed: Notify,
    /// Rung when connections were ended by force: the core counts a chunk after it has written it, so it may have told the end
    /// of some before their last chunk. A list of all names it, for as long as the core remembers (until its next collection of
    /// garbage).
    pub(super) forced: Notify,
    /// Held while the output is being replaced. Holds the digest of the last configuration that passed the core's check.
    pub(super) output: tokio::sync::Mutex<Option<String>>,
}

impl Inner {
    /// An adapter that has asked nothing yet. Does not need the template: a core that runs is counted and gated, whatever became
    /// of it.
    pub(super) fn new(settings: Settings, secret: HostSecret) -> Self {
        let planned = render::of_settings(&settings, &secret, &[], false).map(|planned| planned.target);
        let api = Api::new(planned.unwrap_or_else(|_| Target::ours(settings.api_port, &secret)));
        // The core may still run what was written before the template changed.
        let there = fs::read(&settings.output).unwrap_or_default();
        if let Some(target) = written::target(&there) {
            api.expect(target);
        }
        let seen = Seen { marks: written::marks(&there), ..Seen::default() };
        Self {
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
        }
    }

    /// Takes in what the core told, and says it in absolute totals. Returns whether anybody listens.
    pub(super) fn tell(&self, message: daemon::ConnectionEvents, events: &mpsc::UnboundedSender<CoreEvent>) -> bool {
        let reset = message.reset;
        let mut flows = lock(&self.flows);
        // Within the lock: whoever sees there that a connection has ended must find its totals among the events.
        let heard = events.send(CoreEvent::Connections { reset, events: flows.apply(message) }).is_ok();
        drop(flows);
        self.flowed.notify_waiters();
        heard
    }

    /// Whether live connections may have moved more than was told.
    pub(super) fn is_in_doubt(&self) -> bool {
        lock(&self.flows).in_doubt()
    }

    /// Another list of all connections is asked for.
    pub(super) fn await_list(&self) {
        lock(&self.flows).await_list();
    }

    /// The core went away, and with it every connection.
    pub(super) fn forget_connections(&self) {
        lock(&self.flows).clear();
        self.flowed.notify_waiters();
    }

    /// Remembers what the core said of its gates when it came up.
    pub(super) fn learn(&self, groups: &[daemon::Group]) {
        let mut seen = Seen::default();
        for group in groups {
            if let Some(slot) = slot_of_gate(&group.tag) {
                for item in &group.items {
                    match way_of(&item.tag) {
                        Way::Open => seen.open.clone_from(&item.tag),
                        Way::Slow => match marks::of_tag(&item.tag) {
                            Some((slot, mark)) => drop(seen.marks.insert(slot, mark)),
                            None => seen.relays = true,
                        },
                        Way::Shut | Way::Stale => {}
                    }
                }
                seen.loaded.push(slot);
            } else if let Some(digest) = stated_digest(&group.tag) {
                seen.digest = Some(digest.to_owned());
            }
        }
        *lock(&self.seen) = seen;
    }

    /// [`crate::cores::Core::set_way`].
    pub(super) async fn set_way(&self, slot: &SlotName, way: Way) -> Result<(), CoreError> {
        let member = match way {
            Way::Shut => REFUSE.to_owned(),
            Way::Open => lock(&self.seen).open.clone(),
            Way::Slow | Way::Stale => match self.slow_member(slot) {
                Some(member) => member,
                None => return Err(CoreError::Config(format!("the core has no slow way for {slot} yet"))),
            },
        };
        self.api.select(&gate_tag(slot), &member).await?;
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
        let marked = mark.map(|mark| marks::tag(*mark, slot));
        marked.or_else(|| seen.relays.then(|| relay_tag(slot)))
    }

    /// [`crate::cores::Core::close`].
    pub(super) async fn close(&self, id: &str) -> Result<(), CoreError> {
        self.api.close(id).await?;
        self.forced.notify_one();
        Ok(())
    }

    /// [`crate::cores::Core::ways`].
    pub(super) async fn ways(&self) -> Result<Vec<(SlotName, Way)>, CoreError> {
        let groups = self.api.groups().await?;
        let gate = |group: &daemon::Group| {
            let slot = slot_of_gate(&group.tag)?;
            let way = match way_of(&group.selected) {
                Way::Slow if self.slow_member(&slot).is_some_and(|member| member != group.selected) => Way::Stale,
                way => way,
            };
            Some((slot, way))
        };
        Ok(groups.iter().filter_map(gate).collect())
    }

    /// See [`super::SingBox::outdated`].
    pub(super) async fn outdated(self: &Arc<Self>, slots: &[ConfiguredSlot]) -> Result<bool, CoreError> {
        let (inner, slots) = (Arc::clone(self), slots.to_vec());
        let planned = aside(move || render::of_settings(&inner.settings, &inner.secret, &slots, false)).await?;
        Ok(lock(&self.seen).digest.as_ref() != Some(&planned.digest))
    }
}
