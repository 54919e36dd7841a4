//! The real program, a real sing-box, and what goes wrong on a host.

mod agent_rig;
mod singbox_rig;

use std::fs;

use agent_rig::Agent;
use agent_rig::crew::{
    ALICE, BOB, LEDGER, beside, ends, in_file, is_exact, is_shut, is_up, is_well, passes, running, secret, tells,
};
use serde_json::{Value, json};
use singbox_rig::{eventually, exchange, free_port};
use weir_wire::roster::Gate;

#[tokio::test]
async fn an_agent_counts_tells_and_reports_everything_when_it_is_asked_to_end() {
    let mut agent = running().await;
    let mut stream = agent.rig.connect(&secret(ALICE)).await.unwrap();
    exchange(&mut stream, 123_456).await.unwrap();
    agent.hears("she is online", |sync| sync.status.as_ref().is_some_and(|status| status.online == 1)).await;
    // The status file is written every five seconds.
    let told = agent.path("state/status.json");
    eventually("the status knows the panel", || async {
        fs::read_to_string(&told)
            .is_ok_and(|text| text.contains("\"heard_ago\":") && !text.contains("\"heard_ago\":null"))
    })
    .await;
    let (good, said) = agent.run_once(&["status"]).await;
    assert!(good && said.contains("paris of http://127.0.0.1") && said.contains("core       sing-box 1."), "{said}");
    drop(stream);
    agent.stop().await;
    assert_eq!(agent.with(|heard| heard.panel.applied(ALICE)), 2 * 123_456, "{}", agent.log());
    let (good, said) = agent.run_once(&["status", "--json"]).await;
    let status: Value = serde_json::from_str(&said).unwrap();
    assert!(good && status["unreported"] == 0 && status["troubles"] == json!([]), "{said}");
}

#[tokio::test]
async fn a_full_disk_is_told_and_enforcing_goes_on_and_nothing_is_lost() {
    let mut agent = running().await;
    assert!(passes(&agent, ALICE).await && passes(&agent, BOB).await);
    let good = agent.rig.output();
    agent.limit_files("1").await;
    let mut stream = agent.rig.connect(&secret(BOB)).await.unwrap();
    exchange(&mut stream, 50_000).await.unwrap();
    let sync = agent.hears("the ledger cannot be written", tells(LEDGER)).await;
    assert!(sync.report.is_none() && sync.asks.is_empty());
    agent.with(|heard| heard.panel.user(ALICE, Gate::Disabled, None));
    is_shut(&agent, ALICE).await;
    assert!(passes(&agent, BOB).await);
    agent.hears("nor can the core's file", tells("a file could not be written")).await;
    assert_eq!(agent.rig.output(), good, "the last good file stays");
    assert_eq!(beside(&agent), ["config.json"], "and no half of a new one");

    agent.limit_files("unlimited").await;
    agent.hears("all is well", is_well).await;
    eventually("her gate is shut in the file", || async { in_file(&agent, ALICE) == "weir-refuse" }).await;
    ends(&agent, stream).await;
    is_exact(&mut agent).await;
    let applied = agent.with(|heard| (heard.panel.applied(ALICE), heard.panel.applied(BOB)));
    assert_eq!(applied, (200, 2 * 50_000 + 400), "{}", agent.log());
}

#[tokio::test]
async fn an_agent_that_starts_with_a_broken_template_gates_and_counts_and_takes_it_up_when_it_is_mended() {
    let mut agent = running().await;
    agent.stop().await;
    let (good, template) = (agent.rig.output(), fs::read(agent.path("template")).unwrap());
    fs::write(agent.path("template"), "{ \"inbounds\": [").unwrap();
    let (content, said) = agent.run_once(&["--check"]).await;
    assert!(!content && said.contains("the template is not a JSON object"), "{said}");

    agent.start();
    agent.hears("the template is wrong", tells("the template is not a JSON object")).await;
    agent.with(|heard| heard.panel.user(ALICE, Gate::Disabled, None));
    is_shut(&agent, ALICE).await;
    eventually("and in the file", || async { in_file(&agent, ALICE) == "weir-refuse" }).await;
    let parts = |file: &[u8]| serde_json::from_slice::<Value>(file).unwrap()["inbounds"].clone();
    assert_eq!(parts(&agent.rig.output()), parts(&good), "all else stays");
    assert!(passes(&agent, BOB).await);

    let port = free_port();
    let mut mended: Value = serde_json::from_slice(&template).unwrap();
    let second = json!({ "type": "mixed", "tag": "second", "listen": "127.0.0.1", "listen_port": port });
    mended["inbounds"].as_array_mut().unwrap().push(second);
    fs::write(agent.path("template"), mended.to_string()).unwrap();
    let sync = agent.hears("the inbounds", |sync| sync.inbounds.as_ref().is_some_and(|all| all.len() == 2)).await;
    assert_eq!(sync.inbounds.unwrap()[1].port, port);
    agent.hears("all is well", is_well).await;
    let bob = secret(BOB);
    eventually("the core has loaded it", || async {
        singbox_rig::socks(port, BOB, &bob.credentials.proxy_password(), agent.rig.echo).await.is_ok()
    })
    .await;
    assert!(!passes(&agent, ALICE).await);
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_the_old_configuration_goes_on_until_it_is_free() {
    let mut agent = running().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    agent.rig.change_template(|template| {
        let second = json!({ "type": "mixed", "tag": "second", "listen": "127.0.0.1", "listen_port": port });
        template["inbounds"].as_array_mut().unwrap().push(second);
    });
    agent.hears("rolled back", tells("the last good one is back")).await;
    assert!(passes(&agent, ALICE).await);
    // A gate that moves now must not bring the file that the core did not take.
    agent.with(|heard| heard.panel.user(ALICE, Gate::Disabled, None));
    eventually("her gate is shut in the file", || async { in_file(&agent, ALICE) == "weir-refuse" }).await;
    let file: Value = serde_json::from_slice(&agent.rig.output()).unwrap();
    assert!(file["inbounds"].as_array().unwrap().iter().all(|inbound| inbound["tag"] != "second"), "{file}");
    agent.stop().await;
}

#[tokio::test]
async fn a_damaged_ledger_is_told_in_a_sentence_and_set_aside_only_on_request() {
    let mut agent = running().await;
    assert!(passes(&agent, ALICE).await);
    agent.stop().await;
    let path = agent.path("state/ledger.redb");
    let mut bytes = fs::read(&path).unwrap();
    // Every page but the first: what a disk leaves that had not yet written them.
    bytes[4_096..].fill(0x5a);
    fs::write(&path, &bytes).unwrap();
    for words in [&["run"][..], &["enroll", &agent.url(), "another-token"]] {
        let (good, said) = agent.run_once(words).await;
        assert!(!good && said.contains("the ledger is damaged") && said.contains("set-ledger-aside"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let (good, said) = agent.run_once(&["set-ledger-aside"]).await;
    assert!(good && said.contains("ledger.redb.aside-"), "{said}");
    assert!(!path.exists());
    let (good, said) = agent.run_once(&["run"]).await;
    assert!(!good && said.contains("this host is not enrolled"), "{said}");
    let (good, said) = agent.run_once(&["enroll", &agent.url(), "another-token"]).await;
    assert!(good, "{said}");
    let (good, said) = agent.run_once(&["set-ledger-aside"]).await;
    assert!(!good && said.contains("is a good ledger"), "{said}");
    agent.start();
    agent.hears("it goes on", is_up).await;
    assert!(passes(&agent, ALICE).await);
    agent.stop().await;
}

#[tokio::test]
async fn a_second_agent_on_the_same_ledger_is_turned_away() {
    let mut agent = running().await;
    let (good, said) = agent.run_once(&["run"]).await;
    assert!(!good && said.contains("another weir-agent has this ledger open"), "{said}");
    agent.stop().await;
}

#[tokio::test]
async fn a_check_says_what_is_there_and_leaves_nothing_behind() {
    let agent = Agent::enrolled().await;
    let before: Vec<_> = fs::read_dir(agent.path("core")).unwrap().collect();
    let (good, said) = agent.run_once(&["--check"]).await;
    assert!(good && said.contains("inbound \"in-mixed\": mixed on port"), "{said}");
    assert!(said.contains("devices on inbound \"in-mixed\" are not counted"), "{said}");
    assert_eq!(fs::read_dir(agent.path("core")).unwrap().count(), before.len());
    let settings = fs::read_to_string(agent.path("agent.toml")).unwrap();
    fs::write(agent.path("agent.toml"), format!("{settings}[addresses]\nbehind_proxy = [\"in-mixed\", \"lost\"]\n"))
        .unwrap();
    let (good, said) = agent.run_once(&["--check"]).await;
    assert!(!good && said.contains("addresses.behind_proxy: the template has no inbound \"lost\""), "{said}");
    fs::write(agent.path("agent.toml"), settings).unwrap();
    // What only the core's own check finds.
    agent.rig.change_template(|template| template["route"]["no_such_key"] = 1.into());
    let (good, said) = agent.run_once(&["--check"]).await;
    assert!(!good && said.contains("no_such_key"), "{said}");
}
