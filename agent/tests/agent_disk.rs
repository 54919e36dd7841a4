//! The real program on a disk that is full for long, or has become read-only.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod agent_rig;
mod singbox_rig;

use std::time::Duration;

use agent_rig::Agent;
use agent_rig::crew::{
    ALICE, BOB, LEDGER, ends, in_file, is_exact, is_shut, is_up, is_well, passes, running, running_on_small_disk,
    secret, tells,
};
use rustix::fs::{CWD, Mode, mkfifoat};
use singbox_rig::{HANG, eventually, exchange};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_wire::roster::Gate;

const CAROL: &str = "carol234";
/// Bytes of all time that the panel lets carol pass.
const HER_LIMIT: u64 = 300_000;

/// Carol comes, whom the panel gives a limit.
async fn with_carol(agent: &Agent) {
    agent.with(|heard| {
        heard.panel.policy.report_seconds = 1;
        heard.panel.user(CAROL, Gate::Open, None);
        heard.panel.limits.insert(CAROL.parse().unwrap(), HER_LIMIT);
    });
    // A connection that ends before the reloaded core is read again is nobody's.
    eventually("carol passes and is asked for", || async {
        passes(agent, CAROL).await
            && agent.with(|heard| heard.syncs.iter().any(|sync| sync.asks.iter().any(|ask| ask.slot.as_str() == CAROL)))
    })
    .await;
    agent.hears("the answer is in force", |_| true).await;
}

/// Carol moves bytes until her gate is shut, and not before her limit.
async fn carol_is_cut_at_her_limit(agent: &Agent) {
    let carol = secret(CAROL);
    let mut passed = 0;
    let cut = async {
        while agent.rig.echo_once(&carol, 10_000).await.is_ok() {
            passed += 20_000;
        }
    };
    timeout(HANG, cut).await.unwrap();
    assert!(passed > HER_LIMIT / 2, "{passed}");
    is_shut(agent, CAROL).await;
}

/// Short connections of bob's, each with rows of its own, until this is told.
async fn bob_until_told(agent: &Agent, what: &'static str) {
    let bob = secret(BOB);
    let told = async {
        while !agent.status().last_error.contains(what) {
            agent.rig.echo_once(&bob, 10).await.unwrap();
        }
    };
    assert!(timeout(HANG, told).await.is_ok(), "never told: {:?}\n{}", agent.status(), agent.log());
}

/// For so many syncs nothing is promised that the ledger would not keep.
async fn only_tells(agent: &Agent, syncs: usize, what: &'static str) {
    for _ in 0..syncs {
        let sync = agent.hears("it goes on telling", tells(what)).await;
        assert!(sync.report.is_none() && sync.asks.is_empty());
    }
}

/// A connection that is to live through everything.
async fn lasting(agent: &Agent) -> TcpStream {
    let mut stream = agent.rig.connect(&secret(BOB)).await.unwrap();
    exchange(&mut stream, 50_000).await.unwrap();
    stream
}

/// What is told when the disk is full and the ledger has room of its own.
const FULL: &str = "the status file cannot be written";

/// Fills the disk until that is told.
async fn is_full(agent: &Agent) {
    eventually("it is told that the disk is full", || async {
        // The status file that was being written gives room back.
        agent.disk().fill();
        let told = agent.status().last_error;
        told.contains(FULL) && told.contains("No space left on device")
    })
    .await;
}

/// So many syncs in which nothing is said of the ledger, and a report among them.
async fn goes_on_reporting(agent: &Agent, syncs: usize) {
    let mut reports = 0;
    for _ in 0..syncs {
        agent.rig.echo_once(&secret(BOB), 100).await.unwrap();
        let sync = agent.hears("it goes on telling", tells(FULL)).await;
        assert!(!tells(LEDGER)(&sync), "{:?}", sync.status);
        reports += usize::from(sync.report.is_some());
    }
    assert!(reports > 0);
}

#[tokio::test]
async fn a_disk_that_stays_full_over_a_kill_9_of_the_agent_costs_no_byte_no_gate_and_no_limit() {
    let Some(mut agent) = running_on_small_disk().await else { return };
    with_carol(&agent).await;
    let mut stream = lasting(&agent).await;
    is_full(&agent).await;
    agent.with(|heard| heard.panel.user(ALICE, Gate::Disabled, None));
    is_shut(&agent, ALICE).await;
    carol_is_cut_at_her_limit(&agent).await;
    for _ in 0..300 {
        agent.rig.echo_once(&secret(BOB), 10).await.unwrap();
    }
    exchange(&mut stream, 10_000).await.unwrap();
    goes_on_reporting(&agent, 10).await;

    agent.kill().await;
    exchange(&mut stream, 10_000).await.unwrap();
    assert!(!passes(&agent, ALICE).await && !passes(&agent, CAROL).await, "the core holds what it was told");
    agent.start();
    agent.hears("the core is seen again", is_up).await;
    assert!(!passes(&agent, ALICE).await && !passes(&agent, CAROL).await);
    goes_on_reporting(&agent, 5).await;

    agent.disk().free();
    agent.hears("all is well", is_well).await;
    exchange(&mut stream, 10_000).await.unwrap();
    assert!(!passes(&agent, ALICE).await && !passes(&agent, CAROL).await);
    ends(&agent, stream).await;
    is_exact(&mut agent).await;
    let his = 2 * (50_000 + 3 * 10_000 + 300 * 10 + 15 * 100);
    assert_eq!(agent.with(|heard| heard.panel.applied(BOB)), his, "{}", agent.log());
}

#[tokio::test]
async fn an_agent_that_starts_on_a_full_disk_gates_and_counts_as_on_any_other() {
    let Some(mut agent) = running_on_small_disk().await else { return };
    with_carol(&agent).await;
    let mut stream = lasting(&agent).await;
    agent.stop().await;
    agent.disk().fill();
    agent.with(|heard| heard.panel.user(ALICE, Gate::Disabled, None));
    agent.start();
    is_full(&agent).await;
    is_shut(&agent, ALICE).await;
    carol_is_cut_at_her_limit(&agent).await;
    goes_on_reporting(&agent, 3).await;
    exchange(&mut stream, 10_000).await.unwrap();
    agent.disk().free();
    agent.hears("all is well", is_well).await;
    ends(&agent, stream).await;
    is_exact(&mut agent).await;
}

#[tokio::test]
async fn a_state_that_becomes_read_only_is_told_and_enforcing_goes_on_and_nothing_is_lost() {
    let Some(mut agent) = running_on_small_disk().await else { return };
    with_carol(&agent).await;
    let mut stream = lasting(&agent).await;
    // The disk can be made read-only from outside only while the ledger is not open, which a failed write brings about.
    agent.limit_files("1").await;
    bob_until_told(&agent, LEDGER).await;
    agent.disk().remount("ro").await;
    agent.limit_files("unlimited").await;
    agent.hears("what is wrong", tells("Read-only file system")).await;
    agent.with(|heard| heard.panel.user(ALICE, Gate::Disabled, None));
    is_shut(&agent, ALICE).await;
    carol_is_cut_at_her_limit(&agent).await;
    only_tells(&agent, 5, "Read-only file system").await;
    eventually("her gate is shut in the file", || async { in_file(&agent, ALICE) == "weir-refuse" }).await;
    exchange(&mut stream, 10_000).await.unwrap();
    agent.disk().remount("rw").await;
    agent.hears("all is well", is_well).await;
    ends(&agent, stream).await;
    is_exact(&mut agent).await;
}

#[tokio::test]
async fn an_agent_whose_state_is_read_only_when_it_starts_says_why_and_leaves_the_core_as_it_is() {
    let Some(mut agent) = running_on_small_disk().await else { return };
    agent.with(|heard| heard.panel.user(ALICE, Gate::Disabled, None));
    is_shut(&agent, ALICE).await;
    let mut stream = lasting(&agent).await;
    agent.stop().await;
    let file = agent.rig.output();
    agent.disk().remount("ro").await;
    let (good, said) = agent.run_once(&["run"]).await;
    assert!(!good && said.contains(LEDGER) && said.contains("Read-only file system"), "{said}");
    exchange(&mut stream, 10_000).await.unwrap();
    assert!(!passes(&agent, ALICE).await && passes(&agent, BOB).await);
    assert_eq!(agent.rig.output(), file);
    agent.disk().remount("rw").await;
    agent.start();
    agent.hears("all is well", is_well).await;
    ends(&agent, stream).await;
    is_exact(&mut agent).await;
}

#[tokio::test]
async fn an_agent_that_is_killed_while_its_ledger_cannot_be_written_states_to_the_byte_what_it_lost() {
    let mut agent = running().await;
    let mut stream = lasting(&agent).await;
    agent.limit_files("1").await;
    bob_until_told(&agent, LEDGER).await;
    for _ in 0..50 {
        agent.rig.echo_once(&secret(BOB), 1_000).await.unwrap();
    }
    exchange(&mut stream, 10_000).await.unwrap();
    agent.kill().await;
    agent.start();
    agent.hears("all is well", is_well).await;
    ends(&agent, stream).await;
    is_exact(&mut agent).await;
    let applied = agent.with(|heard| heard.panel.applied(BOB));
    assert!(applied >= 2 * 60_000, "{applied}: the connection that outlived it is exact");
}

#[tokio::test]
async fn a_disk_that_hangs_under_the_status_file_holds_up_no_gate_and_not_the_end() {
    let mut agent = running().await;
    // Whoever opens it to write waits for a reader, and there is none.
    mkfifoat(CWD, agent.path("state/status.new"), Mode::RUSR | Mode::WUSR).unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    agent.with(|heard| heard.panel.user(ALICE, Gate::Disabled, None));
    is_shut(&agent, ALICE).await;
    agent.hears("it goes on telling", is_well).await;
    agent.stop().await;
    assert!(agent.log().contains("the disk took longer than"), "{}", agent.log());
}
