//! Proxy cores behind one trait. The run loop knows nothing of any core's protocol.

mod aside;
mod coming_up;
mod command;
mod describe;
mod digest;
mod error;
mod event;
mod files;
mod host_secret;
pub(crate) mod incarnation;
mod json;
mod last_good;
pub(crate) mod nginx;
pub(crate) mod program;
pub(crate) mod relayed;
#[cfg(feature = "faults")]
pub mod scripted;
mod silence;
pub mod singbox;
mod slot;
pub(crate) mod stats;
mod template;
pub(crate) mod v2ray;
mod way;

use core::pin::Pin;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use weir_wire::SlotName;
use weir_wire::sync::Inbound;

pub use self::error::CoreError;
pub use self::event::{ConnectionEvent, CoreEvent, Counter, Fallen, Origin};
pub use self::slot::ConfiguredSlot;
use self::slot::NOBODY;
#[cfg(test)]
pub(crate) use self::slot::testing;
pub(crate) use self::way::ways_of;
pub use self::way::{BACK, RelayPlan, RelayPorts, Way};
use crate::config::{Config, CoreKind};

/// The totals of a core that tells connections are read at least so often. sing-box keeps 64 messages for a reader and
/// forgets ended connections at each of its garbage collections; on a busy host the end of a connection may be dropped, and
/// then only bytes that were told before can be credited. In 376 connections that began and ended in bursts on two crowded
/// cores, reading every second missed three times as many bytes as this.
pub(crate) const READ_EVERY: Duration = Duration::from_millis(100);

/// A future that a trait object can return.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a core is, and what it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// What the operator calls it: `sing-box`.
    pub kind: &'static str,
    /// Users come and go in the running core ([`Core::bring`]); only the template needs a reload.
    pub users_live: bool,
    /// A core that starts may go on with counters of an earlier run. So when it was down before a new ledger saw it first, they are a
    /// baseline all the same.
    pub counters_outlive: bool,
    /// How often it must be read at rest.
    pub read_every: Duration,
    /// What it cannot do, in sentences.
    pub limits: Vec<&'static str>,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// The incarnation after it: the one before when the core ran with all of it already, which cuts nobody.
    pub incarnation: i64,
    /// Live connections that it cut.
    pub cut: u32,
}

/// How much of a file was written without a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is what the template and the slots make.
    Whole,
    /// Only the gates' states were changed in the file that was there, because the rest of the new one is unproven: only
    /// a reload may bring it, which puts the old one back if the core does not take it. With the reason, if the new one
    /// is wrong.
    GatesAlone(Option<CoreError>),
}

/// The core that the settings name.
///
/// # Errors
/// [`CoreError::Disk`] when the state directory cannot be used.
pub(crate) fn of(config: &Config) -> Result<Arc<dyn Core>, CoreError> {
    match config.core.kind {
        CoreKind::SingBox | CoreKind::Auto => Ok(Arc::new(singbox::SingBox::new(config.sing_box())?)),
        CoreKind::Relayed => Ok(Arc::new(relayed::Relayed::new(config.sing_box(), config.speed.ports())?)),
        CoreKind::V2Ray | CoreKind::Xray => Ok(Arc::new(v2ray::V2Ray::new(config.v2ray())?)),
        CoreKind::Nginx => Ok(Arc::new(nginx::Nginx::new(config.nginx()))),
        #[cfg(feature = "faults")]
        CoreKind::Scripted => Ok(Arc::new(scripted::Scripted::new(config.core.api_port))),
    }
}

/// The same for a look at the template alone: leaves nothing behind.
///
/// # Errors
/// As above.
pub(crate) fn for_a_look(config: &Config) -> Result<Arc<dyn Core>, CoreError> {
    match config.core.kind {
        CoreKind::SingBox | CoreKind::Auto => Ok(Arc::new(singbox::SingBox::for_a_look(config.sing_box())?)),
        CoreKind::Relayed => Ok(Arc::new(relayed::Relayed::for_a_look(config.sing_box(), config.speed.ports())?)),
        CoreKind::V2Ray | CoreKind::Xray => Ok(Arc::new(v2ray::V2Ray::for_a_look(config.v2ray())?)),
        CoreKind::Nginx => of(config),
        #[cfg(feature = "faults")]
        CoreKind::Scripted => of(config),
    }
}

/// A proxy core on this host.
pub trait Core: Send + Sync {
    /// What the operator calls it: `sing-box`.
    fn kind(&self) -> &'static str;

    /// What it is and what it can.
    fn traits(&self) -> Traits {
        let kind = self.kind();
        Traits { kind, users_live: false, counters_outlive: false, read_every: READ_EVERY, limits: Vec::new() }
    }

    /// The incarnation that the ledger knows. Called before [`Core::watch`]. A core that works its start out from how long it
    /// has run names the same start by the same number.
    fn resume(&self, incarnation: Option<i64>) {
        let _ = incarnation;
    }

    /// Tells every event until the receiver is dropped, reconnecting with back-off. Never waits for the receiver: a
    /// reader that stalls loses events in the core, so the channel is unbounded and drained in memory.
    fn watch(&self, events: mpsc::UnboundedSender<CoreEvent>) -> Boxed<'_, ()>;

    /// Sets how often totals of live connections are told (1 s at rest, 100 ms while somebody nears a limit).
    fn set_tick(&self, tick: Duration);

    /// Opens or shuts one slot's gate, without a reload and without touching anybody else. Shutting ends the slot's
    /// connections. Fails with [`CoreError::Config`] when the running core has not loaded the slot.
    fn set_gate<'a>(&'a self, slot: &'a SlotName, open: bool) -> Boxed<'a, Result<(), CoreError>>;

    /// Ends one connection.
    fn close<'a>(&'a self, id: &'a str) -> Boxed<'a, Result<(), CoreError>>;

    /// Writes the core's file with these slots, without a reload: it counts from the core's next start. When
    /// `forget_choices` is set, what the core remembers of earlier gate changes is removed as well (it outranks the
    /// file), which only works while the core is down.
    fn write<'a>(&'a self, slots: &'a [ConfiguredSlot], forget_choices: bool) -> Boxed<'a, Result<Written, CoreError>>;

    /// Like [`Core::write`], once the template was saved while the core was down: its next start has all of the new file, if
    /// the core's program takes it. Nothing is started, and nothing is put back: the file that was there brings no core up
    /// that could be lost. Changes no more than [`Core::write`] where a core answers, or the file is not the agent's.
    fn renew<'a>(&'a self, slots: &'a [ConfiguredSlot], forget_choices: bool) -> Boxed<'a, Result<Written, CoreError>> {
        self.write(slots, forget_choices)
    }

    /// Writes the file and makes the core load it: stage, validate, check, rename, drain, reload, expect a new
    /// incarnation, otherwise put the last good file back. Starts the core when it does not run, without what it
    /// remembers of earlier gate changes.
    ///
    /// The core's counters end with its incarnation. So `kept` is awaited after all events of the drained connections
    /// were told and before the core is asked: it ends when what they say can no longer be lost.
    fn reload<'a>(&'a self, slots: &'a [ConfiguredSlot], kept: Boxed<'a, ()>) -> Boxed<'a, Result<Reload, CoreError>>;

    /// Asks the running core for every loaded slot and whether its gate is open, so that the states can be compared and
    /// applied anew at each incarnation. Fails with [`CoreError::Unreachable`] while the core is down.
    fn gates(&self) -> Boxed<'_, Result<Vec<(SlotName, bool)>, CoreError>>;

    /// Brings these slots into the running core of [`Traits::users_live`]: whoever is open can connect with these
    /// credentials, nobody else of the panel can. Tells every slot's gate as [`Core::gates`] does. Fails with
    /// [`CoreError::Config`] when the running core is not one that was started with the agent's file.
    fn bring<'a>(&'a self, slots: &'a [ConfiguredSlot]) -> Boxed<'a, Result<Vec<(SlotName, bool)>, CoreError>> {
        let _ = slots;
        self.gates()
    }

    /// How the core reaches the agent's relay; `None` when its users cannot be sent there, and so have no speed limits.
    fn relay(&self) -> Option<RelayPlan> {
        None
    }

    /// Whether the core can send users out under routing marks, by which the kernel can hold them to a speed.
    ///
    /// # Errors
    /// Why not, in words.
    fn marking(&self) -> Result<(), String> {
        Err(format!("{} does not send users out under routing marks of their own", self.kind()))
    }

    /// The routing marks that the running core has for its slots, as it told when it last came up; before that, those of its file.
    fn marks(&self) -> BTreeMap<SlotName, u32> {
        BTreeMap::new()
    }

    /// From now on the kernel holds marked users to their speed, or does not: [`Way::Slow`] leads out under the mark, or through
    /// the relay. A gate that leads the other way is told as [`Way::Stale`].
    fn hold_by_mark(&self, kernel: bool) {
        let _ = kernel;
    }

    /// Like [`Core::set_gate`], for cores that have a way through the relay. Fails with [`CoreError::Config`] when the running
    /// core has none for this slot.
    fn set_way<'a>(&'a self, slot: &'a SlotName, way: Way) -> Boxed<'a, Result<(), CoreError>> {
        self.set_gate(slot, way.is_open())
    }

    /// Like [`Core::gates`], for cores that have a way through the relay.
    fn ways(&self) -> Boxed<'_, Result<Vec<(SlotName, Way)>, CoreError>> {
        Box::pin(async move { Ok(ways_of(self.gates().await?)) })
    }

    /// The agent ends: ends what would end with it, and tells all of that.
    fn leave(&self) -> Boxed<'_, ()> {
        Box::pin(core::future::ready(()))
    }

    /// Makes a configuration of the template and has the core's program check it, as a reload would, and leaves nothing
    /// behind. Fails with [`CoreError::Config`] when the template, or what comes of it, is wrong, and with
    /// [`CoreError::Disk`] when it cannot be written beside the output.
    fn try_out(&self) -> Boxed<'_, Result<(), CoreError>> {
        Box::pin(core::future::ready(Ok(())))
    }

    /// What clients can connect to, from the operator's template.
    ///
    /// # Errors
    /// [`CoreError::Config`] when the template cannot be read or understood.
    fn inbounds(&self) -> Result<Vec<Inbound>, CoreError>;

    /// Template rules that stand before the gate and so bypass it, in words.
    fn bypasses(&self) -> Vec<String>;

    /// Tags of the inbounds whose [`Origin::source`] is what a header of the request names, which anybody can write.
    fn by_header(&self) -> Vec<String>;
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;
    use crate::testing::block_on;

    #[test]
    fn a_look_at_the_template_beside_a_running_agent_leaves_alone_what_that_one_has_staged() {
        let cases = [
            (
                "sing-box",
                "sing-box version 1.14.4",
                r#"{"tag": "in", "type": "trojan", "listen_port": 1, "users": []}"#,
            ),
            (
                "sing-box-relayed",
                "sing-box version 1.13.9",
                r#"{"tag": "in", "type": "trojan", "listen_port": 1, "users": []}"#,
            ),
            ("v2ray", "V2Ray 4.34.0", r#"{"tag": "in", "protocol": "vless", "port": 1}"#),
            ("xray", "Xray 25.1.30", r#"{"tag": "in", "protocol": "vless", "port": 1}"#),
        ];
        for (kind, says, inbound) in cases {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name);
            let outbound = r#"{"tag": "out", "type": "direct", "protocol": "freedom"}"#;
            fs::write(path("template.json"), format!(r#"{{"inbounds": [{inbound}], "outbounds": [{outbound}]}}"#))
                .unwrap();
            // It notes what is beside the output while it checks.
            let program = format!("#!/bin/sh\necho '{says}'\nls -A {0}/core >{0}/seen\n", dir.path().display());
            fs::write(path("program"), program).unwrap();
            fs::set_permissions(path("program"), fs::Permissions::from_mode(0o755)).unwrap();
            fs::create_dir(path("core")).unwrap();
            let staged = files::Staged::write(&path("core/config.json"), None, b"the agent's", 0o640).unwrap();
            let named = |name: &str| path(name).display().to_string();
            let text = format!(
                "state_dir = {:?}\n[core]\nkind = {kind:?}\nbinary = {:?}\ntemplate = {:?}\noutput = {:?}\nworking_dir = {:?}\n",
                named("state"),
                named("program"),
                named("template.json"),
                named("core/config.json"),
                named("")
            );
            let core = for_a_look(&Config::parse(&text).unwrap()).unwrap();
            block_on(core.try_out()).unwrap();
            let seen = fs::read_to_string(path("seen")).unwrap();
            assert_eq!(seen.lines().count(), 2, "{kind}: {seen}");
            let is_json = |name: &str| Path::new(name).extension().is_some_and(|end| end == "json");
            assert!(!seen.lines().any(is_json), "sing-box would read it with the other: {seen}");
            staged.commit().unwrap();
            assert_eq!(fs::read(path("core/config.json")).unwrap(), b"the agent's", "{kind}");
            assert_eq!(fs::read_dir(path("core")).unwrap().count(), 1, "{kind}");
        }
    }
}
