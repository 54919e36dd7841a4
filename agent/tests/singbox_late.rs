//! Bytes that the core counts after it has told a connection's end, which it does of about one in a hundred busy connections that
//! are ended by force: a later list names them, unless the core has collected garbage in between.

mod singbox_rig;

use core::time::Duration;

use singbox_rig::{Rig, Watcher, alice_and_bob, exchange};
use weir_agent::cores::Core as _;

/// So many rounds, each with so many connections: without the list after each round every run had bytes that nobody was credited
/// with.
const ROUNDS: usize = 8;
const CONNECTIONS: usize = 40;

#[tokio::test]
async fn connections_that_are_ended_by_force_are_counted_to_their_last_chunk() {
    let rig = Rig::remembering().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let alice = &alice_and_bob()[0];
    for _ in 0..ROUNDS {
        rig.core.set_gate(&alice.slot, true).await.unwrap();
        let mut busy = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = rig.connect(alice).await.unwrap();
            busy.push(tokio::spawn(async move { while exchange(&mut stream, 64).await.is_ok() {} }));
        }
        watcher.for_a_while(Duration::from_millis(200)).await;
        rig.core.set_gate(&alice.slot, false).await.unwrap();
        for one in busy {
            one.await.unwrap();
        }
        watcher.until("all ended", |seen| seen.live() == 0).await;
        // The core tells its totals once a second; those that are told next are no older than the connections' ends.
        watcher.for_a_while(Duration::from_millis(1_500)).await;
        watcher.until("the core's own totals", |seen| seen.of(alice) == seen.totals).await;
    }
}
