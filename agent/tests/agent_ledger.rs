//! The real program on a ledger that is torn, rotten, or of a later version.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod agent_rig;
mod singbox_rig;

use std::fs;
use std::path::Path;

use agent_rig::Agent;
use agent_rig::crew::{ALICE, BOB, ends, is_exact, is_shut, is_well, passes, running, secret, tells};
use redb::{Database, TableDefinition};
use singbox_rig::{HANG, eventually, exchange};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_wire::roster::Gate;

/// Alice is disabled and cut, and bob has a connection that is to live through everything.
async fn running_with_a_gate_shut() -> (Agent, TcpStream) {
    let agent = running().await;
    agent.with(|heard| {
        heard.panel.policy.report_seconds = 1;
        heard.panel.user(ALICE, Gate::Disabled, None);
    });
    is_shut(&agent, ALICE).await;
    let mut stream = agent.rig.connect(&secret(BOB)).await.unwrap();
    exchange(&mut stream, 50_000).await.unwrap();
    (agent, stream)
}

/// The core goes on with its file and its gates, and bob's connection lives.
async fn the_core_goes_on(agent: &Agent, stream: &mut TcpStream, file: &[u8]) {
    exchange(stream, 1_000).await.unwrap();
    assert!(!passes(agent, ALICE).await && passes(agent, BOB).await);
    assert_eq!(agent.rig.output(), file);
}

/// The agent refuses to run and to enrol, in a sentence with these words.
async fn is_refused(agent: &Agent, words: [&str; 2]) {
    for command in [&["run"][..], &["enroll", &agent.url(), "another-token"]] {
        let (good, said) = agent.run_once(command).await;
        assert!(!good && words.iter().all(|word| said.contains(word)), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// It runs again on the ledger, and the panel gets every byte of the core once.
async fn goes_on_to_the_byte(mut agent: Agent, mut stream: TcpStream) {
    agent.start();
    agent.hears("all is well", is_well).await;
    exchange(&mut stream, 20_000).await.unwrap();
    assert!(!passes(&agent, ALICE).await);
    ends(&agent, stream).await;
    is_exact(&mut agent).await;
}

/// What the panel has of bob, and what may be missing there because a copy of the ledger may have reported it.
fn of_bob(agent: &Agent) -> (u64, u64) {
    (agent.with(|heard| heard.panel.applied(BOB)), agent.status().ambiguous.get())
}

#[tokio::test]
async fn a_ledger_that_was_torn_is_told_as_damaged_and_the_core_goes_on_and_the_good_one_is_exact() {
    let (mut agent, mut stream) = running_with_a_gate_shut().await;
    agent.stop().await;
    let (path, file) = (agent.path("state/ledger.redb"), agent.rig.output());
    let good = fs::read(&path).unwrap();
    let mut row = good.clone();
    // The name of the node, wherever a page has it: one letter of a row.
    for at in 0..good.len() - 5 {
        if &good[at..at + 5] == b"paris" {
            row[at] = b'b';
        }
    }
    let mut half_written = good.clone();
    half_written[8_192..].fill(0);
    let mut header = good.clone();
    header[..4_096].fill(0);
    let torn = [
        ("a row", row),
        ("never written to its end", half_written),
        ("without its first page", header),
        ("cut off", good[..8_192].to_vec()),
        ("cut off in its first page", good[..100].to_vec()),
        ("cut off to nothing", Vec::new()),
    ];
    for (what, bytes) in torn {
        assert!(bytes != good, "{what}");
        fs::write(&path, bytes).unwrap();
        is_refused(&agent, ["the ledger is damaged", "set-ledger-aside"]).await;
        the_core_goes_on(&agent, &mut stream, &file).await;
    }
    fs::write(&path, good).unwrap();
    goes_on_to_the_byte(agent, stream).await;
}

/// Tears the last commit of a ledger whose agent was killed, as a disk does that had not yet written all of it. Returns
/// whether it is undone. An agent that was killed while it wrote another one has taken the place of the commit before:
/// then there is nothing to go back to, which is told, and the ledger is left as it was.
async fn undo_last_commit(agent: &Agent) -> bool {
    let path = agent.path("state/ledger.redb");
    let whole = fs::read(&path).unwrap();
    let mut torn = whole.clone();
    // Two commits are kept in slots of 128 bytes; a bit names the newer one.
    let newer = 64 + 128 * usize::from(whole[9] & 1);
    torn[newer + 8..newer + 40].fill(0xa5);
    fs::write(&path, torn).unwrap();
    let (damaged, said) = agent.run_once(&["set-ledger-aside"]).await;
    assert!(damaged || said.contains("is a good ledger"), "{said}");
    if damaged {
        fs::write(&path, whole).unwrap();
    }
    !damaged
}

#[tokio::test]
async fn a_last_commit_that_was_half_written_is_undone_and_no_byte_is_lost() {
    let (mut agent, stream) = running_with_a_gate_shut().await;
    eventually("all is reported", || async { agent.with(|heard| heard.panel.applied(BOB)) == 2 * 50_000 }).await;
    // And acknowledged: what is left to write is of this second.
    for _ in 0..3 {
        agent.hears("quiet", |sync| sync.report.is_none()).await;
    }
    agent.kill().await;
    while !undo_last_commit(&agent).await {
        agent.start();
        agent.hears("all is well", is_well).await;
        agent.kill().await;
    }
    goes_on_to_the_byte(agent, stream).await;
}

#[tokio::test]
async fn a_commit_that_is_undone_behind_a_report_bills_no_byte_twice_and_states_what_is_unsure() {
    let (mut agent, mut stream) = running_with_a_gate_shut().await;
    let (mut moved, mut undone) = (2 * 50_000, 0);
    while undone < 3 {
        let flowing = async {
            let from = agent.with(|heard| heard.panel.reports.len());
            while agent.with(|heard| heard.panel.reports.len()) < from + 2 {
                exchange(&mut stream, 1_000).await.unwrap();
                moved += 2 * 1_000;
                // Slowly: a new epoch begins with no limit but the floor.
                agent.hears("the next sync", |_| true).await;
            }
        };
        timeout(HANG, flowing).await.unwrap();
        // A report is with the panel that the ledger does not know any more, or whose answer it does not know.
        agent.kill().await;
        undone += u8::from(undo_last_commit(&agent).await);
        agent.start();
        agent.hears("all is well", is_well).await;
        let (applied, ambiguous) = of_bob(&agent);
        assert!(applied <= moved, "{undone}: {applied} of {moved}, {ambiguous} ambiguous");
    }
    ends(&agent, stream).await;
    agent.stop().await;
    let (applied, ambiguous) = of_bob(&agent);
    assert!(applied <= moved && applied + ambiguous >= moved, "{applied} of {moved}, {ambiguous} ambiguous");
}

#[tokio::test]
async fn a_ledger_that_is_emptied_under_the_agent_is_told_while_it_enforces_and_no_byte_is_billed_twice() {
    let (mut agent, mut stream) = running_with_a_gate_shut().await;
    let mut moved = 2 * 50_000;
    let path = agent.path("state/ledger.redb");
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let told = async {
        while !agent.status().last_error.contains("the ledger is damaged") {
            agent.rig.echo_once(&secret(BOB), 10).await.unwrap();
            moved += 2 * 10;
        }
    };
    assert!(timeout(HANG, told).await.is_ok(), "never told: {:?}\n{}", agent.status(), agent.log());
    let sync = agent.hears("it goes on telling", tells("set-ledger-aside")).await;
    assert!(sync.report.is_none() && sync.asks.is_empty());
    exchange(&mut stream, 1_000).await.unwrap();
    moved += 2 * 1_000;
    agent.with(|heard| heard.panel.user(BOB, Gate::Disabled, None));
    is_shut(&agent, BOB).await;
    agent.kill().await;
    let file = agent.rig.output();
    is_refused(&agent, ["the ledger is damaged", "set-ledger-aside"]).await;
    assert!(agent.rig.output() == file && !passes(&agent, ALICE).await && !passes(&agent, BOB).await);

    let (good, said) = agent.run_once(&["set-ledger-aside"]).await;
    assert!(good, "{said}");
    let (good, said) = agent.run_once(&["enroll", &agent.url(), "another-token"]).await;
    assert!(good, "{said}");
    agent.with(|heard| heard.panel.user(BOB, Gate::Open, None));
    agent.start();
    agent.hears("all is well", is_well).await;
    eventually("bob passes again", || passes(&agent, BOB)).await;
    let reported = || agent.with(|heard| heard.panel.applied(BOB));
    eventually("it is reported", || async { reported() >= 200 }).await;
    agent.stop().await;
    let applied = agent.with(|heard| heard.panel.applied(BOB));
    assert!(applied <= moved + 200, "{applied} of {moved}: once, whatever the old ledger had reported");
}

/// What a version that writes another format leaves.
fn of_format(path: &Path, format: &str) -> Database {
    let database = Database::open(path).unwrap();
    let change = database.begin_write().unwrap();
    {
        let mut rows = change.open_table(TableDefinition::<&[u8], &[u8]>::new("meta")).unwrap();
        rows.insert(b"format".as_slice(), format.as_bytes()).unwrap();
    }
    change.commit().unwrap();
    database
}

#[tokio::test]
async fn a_ledger_of_a_later_version_is_named_and_not_touched_and_that_version_goes_on_exactly() {
    let (mut agent, mut stream) = running_with_a_gate_shut().await;
    agent.stop().await;
    let (path, file) = (agent.path("state/ledger.redb"), agent.rig.output());
    drop(of_format(&path, "7"));
    let in_order = fs::read(&path).unwrap();
    // And as it is on disk when the later version is killed.
    let open = of_format(&path, "7");
    let killed = fs::read(&path).unwrap();
    drop(open);
    for bytes in [killed, in_order] {
        fs::write(&path, &bytes).unwrap();
        is_refused(&agent, ["the ledger has format 7", "install the version that wrote it, or a later one"]).await;
        assert!(fs::read(&path).unwrap() == bytes, "its bytes are the same");
        the_core_goes_on(&agent, &mut stream, &file).await;
    }
    // The version that knows this format.
    drop(of_format(&path, "1"));
    goes_on_to_the_byte(agent, stream).await;
}
