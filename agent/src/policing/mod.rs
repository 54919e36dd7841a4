//! Speed limits in the kernel: users with one leave the core under a routing mark of their own, and nftables drops what is too much.
//!
//! The relay ([`crate::relay`]) is the usual way and always there: it takes over as long as this one does not work.

mod nft;
mod rules;

use core::time::Duration;
use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use weir_wire::SlotName;

use self::rules::{Limits, TABLE, Table};
use crate::lock::lock;

/// How often it is looked whether the rules are still there: other programs flush all tables of the host. A device that is new is
/// found as often, and nobody with a limit leaves by it before.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Attempts before the relay takes over, and their distance: a device may go away between the look and the rules.
const ATTEMPTS: usize = 3;
const AGAIN: Duration = Duration::from_millis(200);
/// How long a gate waits for the rules of its user.
const PATIENCE: Duration = Duration::from_secs(2);
/// The name that one agent of a network namespace can hold: two would replace each other's rules.
const LOCK: &str = "weir-agent speed limits";

/// What has to hold.
#[derive(Debug)]
struct Wanted {
    /// Counts changes.
    number: u64,
    speeds: BTreeMap<SlotName, u64>,
    marks: BTreeMap<SlotName, u32>,
    /// Why the core cannot mark, if it cannot.
    refused: Option<String>,
}

impl Wanted {
    fn limits(&self) -> Limits {
        let limit = |(slot, mark): (&SlotName, &u32)| Some((*mark, *self.speeds.get(slot)?));
        self.marks.iter().filter_map(limit).collect()
    }
}

#[derive(Debug)]
struct Orders {
    wanted: Mutex<Wanted>,
    changed: Notify,
    /// The number of the change that was last tried.
    tried: watch::Sender<u64>,
}

impl Orders {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        lock(&self.wanted)
    }

    fn change(&self, change: impl FnOnce(&mut Wanted)) {
        let mut wanted = self.wanted();
        change(&mut wanted);
        wanted.number += 1;
        drop(wanted);
        self.changed.notify_one();
    }
}

/// Keeps the kernel's rules as they have to be, in a task of its own.
#[derive(Debug)]
pub(crate) struct Police {
    orders: Arc<Orders>,
    task: JoinHandle<()>,
}

impl Police {
    /// Tells each time that it changes whether the kernel holds limits, and why not.
    pub(crate) fn start(told: mpsc::UnboundedSender<Result<(), String>>) -> Self {
        let wanted = Wanted { number: 0, speeds: BTreeMap::new(), marks: BTreeMap::new(), refused: None };
        let orders =
            Arc::new(Orders { wanted: Mutex::new(wanted), changed: Notify::new(), tried: watch::Sender::new(0) });
        let task = tokio::spawn(serve(Arc::clone(&orders), told));
        Self { orders, task }
    }

    /// Limits a slot to so many bytes a second in each direction; 0 = unlimited.
    pub(crate) fn set(&self, slot: &SlotName, speed: u64) {
        let known = self.orders.wanted().speeds.get(slot).copied().unwrap_or_default();
        if known != speed {
            self.orders.change(|wanted| match speed {
                0 => drop(wanted.speeds.remove(slot)),
                _ => drop(wanted.speeds.insert(slot.clone(), speed)),
            });
        }
    }

    /// The core's marks.
    pub(crate) fn mark(&self, marks: BTreeMap<SlotName, u32>) {
        if self.orders.wanted().marks != marks {
            self.orders.change(|wanted| wanted.marks = marks);
        }
    }

    /// Whether the core can mark at all.
    pub(crate) fn allow(&self, marking: Result<(), String>) {
        let refused = marking.err();
        if self.orders.wanted().refused != refused {
            self.orders.change(|wanted| wanted.refused = refused);
        }
    }

    /// Waits until what was ordered before holds, or cannot.
    pub(crate) fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        let number = self.orders.wanted().number;
        let mut tried = self.orders.tried.subscribe();
        async move {
            let _ = timeout(PATIENCE, tried.wait_for(|tried| *tried >= number)).await;
        }
    }

    /// Takes the rules away: the agent ends.
    pub(crate) async fn end(self) {
        self.task.abort();
        // It may be in the middle of a call, which is killed with it.
        let _ = self.task.await;
        if let Err(why) = nft::run(&["-f", "-"], &rules::removal()).await {
            tracing::warn!(%why, "the rules of speed limits could not be taken away");
        }
    }
}

/// Whether this process may use `nft`, and what it is, for `weir-agent doctor`.
///
/// # Errors
/// Why not, in words.
pub(crate) async fn look() -> Result<String, String> {
    let version = nft::run(&["--version"], "").await?;
    let example = Table { devices: nft::devices()?, limits: Limits::from([(crate::cores::singbox::marks::MARKS, 1)]) };
    nft::run(&["-c", "-f", "-"], &example.whole()).await?;
    Ok(version.trim().to_owned())
}

async fn serve(orders: Arc<Orders>, told: mpsc::UnboundedSender<Result<(), String>>) {
    let mut lock = None;
    let mut held = None;
    let mut said = None;
    loop {
        let (number, limits, refused) = {
            let wanted = orders.wanted();
            (wanted.number, wanted.limits(), wanted.refused.clone())
        };
        let outcome = match refused {
            Some(why) => Err(why),
            None => match locked(&mut lock, LOCK) {
                Ok(()) => bring(&mut held, limits, said == Some(Ok(()))).await,
                Err(why) => Err(why),
            },
        };
        if said.as_ref() != Some(&outcome) {
            said = Some(outcome.clone());
            if told.send(outcome).is_err() {
                return;
            }
        }
        orders.tried.send_replace(number);
        // An order of meanwhile has left its permit.
        let _ = timeout(LOOK_EVERY, orders.changed.notified()).await;
    }
}

/// Takes the name that only one process of this network namespace can have, unless it is taken already by this one.
fn locked(lock: &mut Option<UnixListener>, name: &str) -> Result<(), String> {
    if lock.is_none() {
        let name = SocketAddr::from_abstract_name(name).map_err(|why| why.to_string())?;
        let other = "another agent of this host holds speed limits by nft";
        *lock = Some(UnixListener::bind_addr(&name).map_err(|why| match why.kind() {
            std::io::ErrorKind::AddrInUse => other.to_owned(),
            _ => why.to_string(),
        })?);
    }
    Ok(())
}

/// Brings the kernel's rules to these limits. `held` is what the kernel has, as far as is known.
async fn bring(held: &mut Option<Table>, limits: Limits, patient: bool) -> Result<(), String> {
    let mut attempt = 1;
    loop {
        let tried = bring_once(held, limits.clone()).await;
        if tried.is_ok() || !patient || attempt == ATTEMPTS {
            return tried;
        }
        *held = None;
        attempt += 1;
        sleep(AGAIN).await;
    }
}

async fn bring_once(held: &mut Option<Table>, limits: Limits) -> Result<(), String> {
    let wanted = Table { devices: nft::devices()?, limits };
    let change = match held.as_ref() {
        Some(there) if is_there().await => wanted.change(there),
        _ => None,
    };
    let script = change.unwrap_or_else(|| wanted.whole());
    if !script.is_empty() {
        *held = None;
        nft::run(&["-f", "-"], &script).await?;
        *held = Some(wanted);
    }
    Ok(())
}

/// Whether the rules are there that everything else hangs on.
async fn is_there() -> bool {
    for (family, chain, rule) in [("inet", "in", "ct mark vmap @users"), ("netdev", "out", "meta mark vmap @users")] {
        let listed = nft::run(&["list", "chain", family, TABLE, chain], "").await;
        if !listed.is_ok_and(|listed| listed.contains(rule)) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::slot;

    #[test]
    fn one_agent_of_a_network_namespace_holds_limits() {
        let name = format!("{LOCK} of test {}", std::process::id());
        let (mut one, mut other) = (None, None);
        assert_eq!(locked(&mut one, &name), Ok(()));
        assert_eq!(locked(&mut one, &name), Ok(()), "it has it");
        assert!(locked(&mut other, &name).unwrap_err().contains("another agent of this host"));
        drop(one);
        assert_eq!(locked(&mut other, &name), Ok(()));
    }

    #[test]
    fn who_has_a_speed_and_a_mark_is_held() {
        let wanted = Wanted {
            number: 0,
            speeds: BTreeMap::from([(slot("alice234"), 1_000), (slot("bob23456"), 2_000)]),
            marks: BTreeMap::from([(slot("alice234"), 7), (slot("carol234"), 8)]),
            refused: None,
        };
        assert_eq!(wanted.limits(), Limits::from([(7, 1_000)]));
    }
}
