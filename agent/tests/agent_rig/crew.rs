//! The users of these tests, what passes for them, and whether all of it is in the books.

use std::fs;

use serde_json::Value;
use tokio::net::TcpStream;
use weir_agent::cores::{ConfiguredSlot, Core as _};
use weir_wire::roster::Gate;
use weir_wire::sync::SyncRequest;

use super::{Agent, panel};
use tokio::time::timeout;

use crate::singbox_rig::{HANG, Watcher, eventually, slot};

pub const ALICE: &str = "alice234";
pub const BOB: &str = "bob23456";

/// What is told of a ledger that cannot be used now.
pub const LEDGER: &str = "the ledger cannot be read or written";

/// An agent that runs with alice and bob, who may pass as much as they like, and whose core it has started.
pub async fn running() -> Agent {
    started(Agent::enrolled().await).await
}

/// The same on a small disk of its own, which holds the agent's state and nothing else. `None` where nobody may mount.
pub async fn running_on_small_disk() -> Option<Agent> {
    Some(started(Agent::enrolled_on(Some("16m")).await?).await)
}

async fn started(mut agent: Agent) -> Agent {
    agent.with(|heard| {
        for name in [ALICE, BOB] {
            heard.panel.user(name, Gate::Open, None);
            heard.panel.grants.insert(name.parse().unwrap(), 1 << 40);
        }
    });
    agent.start();
    agent.hears("the core is up", is_up).await;
    agent
}

/// The core answers.
pub fn is_up(sync: &SyncRequest) -> bool {
    sync.status.as_ref().is_some_and(|status| status.incarnation != 0)
}

/// All is well, and the core answers.
pub fn is_well(sync: &SyncRequest) -> bool {
    is_up(sync) && sync.status.as_ref().is_some_and(|status| status.last_error.is_empty())
}

/// This is told as an error.
pub fn tells(what: &'static str) -> impl Fn(&SyncRequest) -> bool {
    move |sync| sync.status.as_ref().is_some_and(|status| status.last_error.contains(what))
}

pub fn secret(name: &str) -> ConfiguredSlot {
    ConfiguredSlot { credentials: panel::secret(name).into(), ..slot(name, true) }
}

/// Whether a user's bytes pass.
pub async fn passes(agent: &Agent, name: &str) -> bool {
    agent.rig.echo_once(&secret(name), 100).await.is_ok()
}

/// Waits until a user's gate is shut in the core, and sees that it is.
pub async fn is_shut(agent: &Agent, name: &str) {
    eventually("the gate is shut in the core", || async {
        agent.rig.core.gates().await.unwrap().contains(&(name.parse().unwrap(), false))
    })
    .await;
    assert!(!passes(agent, name).await);
}

/// Ends a connection, and waits until the agent has counted its last bytes.
pub async fn ends(agent: &Agent, stream: TcpStream) {
    drop(stream);
    let all_over = |sync: &SyncRequest| sync.status.as_ref().is_some_and(|status| status.connections == 0);
    agent.hears("every connection is over", all_over).await;
}

/// The gate of a user in the core's file.
pub fn in_file(agent: &Agent, name: &str) -> Value {
    let file: Value = serde_json::from_slice(&agent.rig.output()).unwrap();
    let outbounds = file["outbounds"].as_array().unwrap();
    let gate = outbounds.iter().find(|outbound| outbound["tag"] == format!("weir:{name}")).unwrap();
    gate["default"].clone()
}

/// Names of the files beside the core's.
pub fn beside(agent: &Agent) -> Vec<std::ffi::OsString> {
    fs::read_dir(agent.path("core")).unwrap().map(|of| of.unwrap().file_name()).collect()
}

/// What the panel has of everybody and of nobody, in a ledger that had one epoch.
pub fn in_books(agent: &Agent) -> u64 {
    agent.with(|heard| {
        assert_eq!(heard.panel.epochs.len(), 1);
        let nobodys = heard.panel.reports.last().map(|last| last.unattributed.get() + last.foreign.get());
        heard.panel.applied.values().sum::<u64>() + nobodys.unwrap_or_default()
    })
}

/// Waits until the panel has every byte of the core once, to the byte, and sees that the agent's end changes nothing.
pub async fn is_exact(agent: &mut Agent) {
    agent.with(|heard| heard.panel.policy.report_seconds = 1);
    let counted = |seen: &Watcher| seen.totals.0 + seen.totals.1;
    let mut watcher = Watcher::new(&agent.rig.core);
    let all_there = watcher.until("", |seen| counted(seen) > 0 && counted(seen) == in_books(agent));
    if timeout(HANG / 2, all_there).await.is_err() {
        let (applied, last) = agent.with(|heard| (heard.panel.applied.clone(), heard.panel.reports.last().cloned()));
        panic!("the core has {:?}; {applied:?} {last:?} {:?} {}", watcher.totals, agent.status(), agent.log());
    }
    agent.stop().await;
    assert_eq!(in_books(agent), counted(&watcher), "{}", agent.log());
}
