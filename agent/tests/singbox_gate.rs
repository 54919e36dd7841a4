//! Shutting one user's gate on a real sing-box, and nobody else's.

#![expect(clippy::expect_used, reason = "a test that panics has failed")]

mod singbox_rig;

use core::time::Duration;

use serde_json::json;
use singbox_rig::{HANG, Rig, Watcher, alice_and_bob, at_once, eventually, exchange, slot};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_agent::cores::{Core as _, CoreError};

/// Whether the other end has ended the connection, by whatever means.
async fn is_cut(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    !matches!(timeout(HANG, stream.read(&mut byte)).await.expect("an end"), Ok(1))
}

#[tokio::test]
async fn shutting_alice_s_gate_cuts_her_at_once_and_leaves_bob_s_connection_alone() {
    let rig = Rig::running().await;
    let slots = alice_and_bob();
    let [alice, bob] = &slots[..] else { unreachable!() };
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let (mut hers, mut his) = (rig.connect(alice).await.unwrap(), rig.connect(bob).await.unwrap());
    exchange(&mut hers, 1_000).await.unwrap();
    exchange(&mut his, 1_000).await.unwrap();

    rig.core.set_gate(&alice.slot, false).await.unwrap();
    assert!(is_cut(&mut hers).await);
    assert!(rig.echo_once(alice, 10).await.is_err(), "new connections are refused");
    exchange(&mut his, 1_000).await.unwrap();
    assert_eq!(rig.core.gates().await.unwrap(), [(alice.slot.clone(), false), (bob.slot.clone(), true)]);

    rig.core.set_gate(&alice.slot, true).await.unwrap();
    rig.echo_once(alice, 10).await.unwrap();
    exchange(&mut his, 1_000).await.unwrap();
    watcher.until("all counted", |seen| seen.of(alice).1 == 1_010 && seen.of(bob).1 == 3_000).await;
    assert_eq!(watcher.incarnations.len(), 1, "no reload");
}

#[tokio::test]
async fn a_gate_cuts_through_a_group_of_the_operator_s_as_well() {
    let rig = Rig::new(|template| {
        template["outbounds"] = json!([
            { "type": "selector", "tag": "exit", "outbounds": ["one", "two"] },
            { "type": "direct", "tag": "one" }, { "type": "direct", "tag": "two" },
        ]);
    })
    .await;
    let slots = alice_and_bob();
    rig.core.reload(&slots, at_once()).await.unwrap();
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let mut hers = rig.connect(&slots[0]).await.unwrap();
    exchange(&mut hers, 1_000).await.unwrap();
    watcher.until("seen", |seen| seen.live() == 1).await;
    rig.core.set_gate(&slots[0].slot, false).await.unwrap();
    assert!(is_cut(&mut hers).await);
    rig.core.set_gate(&slots[0].slot, true).await.unwrap();
    rig.echo_once(&slots[0], 10).await.unwrap();
}

#[tokio::test]
async fn a_gate_that_was_shut_stays_shut_when_the_core_is_killed_and_started() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let slots = alice_and_bob();
    rig.core.set_gate(&slots[0].slot, false).await.unwrap();
    rig.kill();
    watcher.until("down", |seen| !seen.downs.is_empty()).await;
    rig.start().await;
    watcher.until("up again", |seen| seen.incarnations.len() == 2).await;
    assert_eq!(rig.core.gates().await.unwrap()[0], (slots[0].slot.clone(), false));
    assert!(rig.echo_once(&slots[0], 10).await.is_err());
    rig.echo_once(&slots[1], 10).await.unwrap();
}

#[tokio::test]
async fn a_gate_shut_while_the_core_is_down_is_shut_when_it_starts_without_us() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let slots = alice_and_bob();
    // The core's memory says "open", and outranks what the file says.
    rig.core.set_gate(&slots[0].slot, false).await.unwrap();
    rig.core.set_gate(&slots[0].slot, true).await.unwrap();
    rig.kill();
    watcher.until("down", |seen| !seen.downs.is_empty()).await;
    let shut = rig.core.set_gate(&slots[0].slot, false).await.unwrap_err();
    assert!(matches!(shut, CoreError::Unreachable(_)), "{shut}");
    rig.core.write(&[slot("alice234", false), slot("bob23456", true)], true).await.unwrap();
    drop(watcher);
    rig.start().await;
    eventually("the core is up", || async { rig.echo_once(&slots[1], 10).await.is_ok() }).await;
    assert!(rig.echo_once(&slots[0], 10).await.is_err());
}

#[tokio::test]
async fn forgetting_choices_beside_a_running_core_leaves_its_memory_alone() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    rig.core.set_gate(&alice_and_bob()[0].slot, false).await.unwrap();
    rig.core.write(&alice_and_bob(), true).await.unwrap();
    assert!(rig.dir.path().join("state/cache.db").exists());
}

#[tokio::test]
async fn a_slot_that_the_core_has_not_loaded_has_no_gate() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let refusal = rig.core.set_gate(&"carol234".parse().unwrap(), true).await.unwrap_err();
    assert!(matches!(&refusal, CoreError::Config(why) if why.contains("carol234")), "{refusal}");
    assert_eq!(rig.core.loaded(), alice_and_bob().into_iter().map(|slot| slot.slot).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_connection_is_ended_by_its_id_and_its_last_bytes_are_told() {
    let rig = Rig::running().await;
    let slots = alice_and_bob();
    let mut watcher = Watcher::new(&rig.core);
    let (mut first, mut second) = (rig.connect(&slots[0]).await.unwrap(), rig.connect(&slots[0]).await.unwrap());
    exchange(&mut first, 7_000).await.unwrap();
    exchange(&mut second, 1_000).await.unwrap();
    watcher.until("both seen", |seen| seen.of(&slots[0]).0 == 8_000).await;
    let id = watcher.connections.iter().find(|(_, seen)| seen.up == 7_000).map(|(id, _)| id.clone()).unwrap();
    rig.core.close(&id).await.unwrap();
    assert!(is_cut(&mut first).await);
    exchange(&mut second, 1_000).await.unwrap();
    watcher.until("told", |seen| seen.connections[&id].closed).await;
    assert_eq!((watcher.connections[&id].up, watcher.connections[&id].down), (7_000, 7_000));
    rig.core.close(&id).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_starts_beside_a_running_core_learns_slots_and_gates_from_it() {
    let rig = Rig::running().await;
    let slots = alice_and_bob();
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    rig.core.set_gate(&slots[1].slot, false).await.unwrap();
    // The file on disk is ahead of the core: it was written, not loaded.
    rig.core.write(&[slot("carol234", true)], false).await.unwrap();

    let other = rig.another_adapter();
    assert_eq!(other.loaded(), []);
    let mut watcher = Watcher::new(&other);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    assert_eq!(other.loaded(), slots.iter().map(|slot| slot.slot.clone()).collect::<Vec<_>>());
    assert_eq!(other.gates().await.unwrap(), [(slots[0].slot.clone(), true), (slots[1].slot.clone(), false)]);
    assert!(other.outdated(&[slot("carol234", true)]).await.unwrap());
    other.set_tick(Duration::from_millis(100));
    other.set_gate(&slots[1].slot, true).await.unwrap();
    rig.echo_once(&slots[1], 10).await.unwrap();
}
