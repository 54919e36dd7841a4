//! Counting with a real sing-box: to the byte, per user.

mod singbox_rig;

use core::time::Duration;

use singbox_rig::{Rig, Watcher, alice_and_bob, exchange};
use weir_agent::cores::Core as _;

#[tokio::test]
async fn every_user_s_bytes_are_told_exactly_and_their_sum_is_the_core_s_own_total() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let slots = alice_and_bob();
    let [alice, bob] = &slots[..] else { unreachable!() };
    for round in 0..40 {
        let (first, second) = tokio::join!(rig.echo_once(alice, 1_000 + round), rig.echo_once(bob, 50_000));
        first.unwrap();
        second.unwrap();
    }
    let expected = (0..40).map(|round| 1_000 + round).sum::<u64>();
    watcher.until("all ended", |seen| seen.connections.len() == 80 && seen.live() == 0).await;
    assert_eq!(watcher.of(alice), (expected, expected));
    assert_eq!(watcher.of(bob), (2_000_000, 2_000_000));
    let all = expected + 2_000_000;
    watcher.until("the core's totals agree", |seen| seen.totals == (all, all)).await;
}

#[tokio::test]
async fn a_live_connection_s_total_grows_with_every_tick_and_ends_exact() {
    let rig = Rig::running().await;
    let alice = &alice_and_bob()[0];
    let mut stream = rig.connect(alice).await.unwrap();
    exchange(&mut stream, 300_000).await.unwrap();
    // The watch begins while the connection lives: the first list states what it moved before.
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("bytes from before", |seen| seen.of(alice) == (300_000, 300_000)).await;
    assert_eq!(watcher.live(), 1);
    exchange(&mut stream, 70_000).await.unwrap();
    watcher.until("bytes of now", |seen| seen.of(alice) == (370_000, 370_000)).await;
    drop(stream);
    watcher.until("ended", |seen| seen.live() == 0).await;
    assert_eq!(watcher.of(alice), (370_000, 370_000));
}

#[tokio::test]
async fn changing_the_tick_while_bytes_flow_loses_and_doubles_nothing() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let slots = alice_and_bob();
    let [alice, bob] = &slots[..] else { unreachable!() };
    let mut long = rig.connect(bob).await.unwrap();
    // Each is faster than the one before: a slower one waits, so that nobody at his limit makes us change all the time.
    for (round, tick) in [800, 400, 200, 100, 50].into_iter().enumerate() {
        rig.core.set_tick(Duration::from_millis(tick));
        for _ in 0..8 {
            let (short, on) = tokio::join!(rig.echo_once(alice, 10_000), exchange(&mut long, 100_000));
            short.unwrap();
            on.unwrap();
        }
        watcher.until("taken over", |seen| seen.resets >= round + 2).await;
    }
    drop(long);
    watcher.until("all ended", |seen| seen.connections.len() == 41 && seen.live() == 0).await;
    assert_eq!(watcher.of(alice), (400_000, 400_000));
    assert_eq!(watcher.of(bob), (4_000_000, 4_000_000));
    assert_eq!(watcher.incarnations.len(), 1, "one connection to the core served all ticks");
}

#[tokio::test]
async fn a_core_that_goes_and_comes_is_told_as_down_once_and_up_with_a_new_incarnation() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    rig.kill();
    watcher.until("down", |seen| !seen.downs.is_empty()).await;
    watcher.for_a_while(Duration::from_millis(600)).await;
    assert!(watcher.downs.len() <= 2, "an end and a refusal, not one for every try: {:?}", watcher.downs);
    rig.start().await;
    watcher.until("up again", |seen| seen.incarnations.len() == 2).await;
    assert_ne!(watcher.incarnations[0], watcher.incarnations[1]);
    rig.echo_once(&alice_and_bob()[0], 5_000).await.unwrap();
    watcher.until("counted again", |seen| seen.of(&alice_and_bob()[0]) == (5_000, 5_000)).await;
}
