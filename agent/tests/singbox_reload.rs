//! Loading new files into a real sing-box, and coming back from bad ones.

mod singbox_rig;

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use serde_json::json;
use singbox_rig::{Rig, Watcher, alice_and_bob, at_once, binary, exchange, free_port, slot, socks};
use weir_agent::cores::{Core as _, CoreError, Written};

#[tokio::test]
async fn a_template_with_ten_protocols_is_accepted_and_started_by_the_core() {
    let rig = Rig::new(|_| ()).await;
    // The core makes its own self-signed pair, so that no certificate has to expire in this repository.
    let made = Command::new(binary()).args(["generate", "tls-keypair", "a.example"]).output().unwrap();
    let pem = String::from_utf8(made.stdout).unwrap();
    let split = pem.find("-----BEGIN CERTIFICATE-----").unwrap();
    fs::write(rig.dir.path().join("core/key.pem"), &pem[..split]).unwrap();
    fs::write(rig.dir.path().join("core/cert.pem"), &pem[split..]).unwrap();
    let tls =
        json!({ "enabled": true, "server_name": "a.example", "key_path": "key.pem", "certificate_path": "cert.pem" });
    rig.change_template(|template| {
        let inbounds = template["inbounds"].as_array_mut().unwrap();
        for (kind, more) in [
            ("trojan", json!({ "tls": tls })),
            ("vless", json!({ "transport": { "type": "ws", "path": "/v" } })),
            ("vmess", json!({})),
            (
                "shadowsocks",
                json!({ "method": "2022-blake3-aes-256-gcm",
                                    "password": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }),
            ),
            ("hysteria2", json!({ "tls": tls })),
            ("anytls", json!({ "tls": tls })),
            ("tuic", json!({ "tls": tls })),
            ("naive", json!({ "tls": tls })),
            ("hysteria", json!({ "tls": tls, "up_mbps": 100, "down_mbps": 100 })),
        ] {
            let mut inbound = json!({ "type": kind, "tag": kind, "listen": "127.0.0.1", "listen_port": free_port() });
            inbound.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            inbounds.push(inbound);
        }
    });
    rig.core.reload(&alice_and_bob(), at_once()).await.unwrap();
    assert_eq!(rig.core.inbounds().unwrap().len(), 10);
    rig.echo_once(&alice_and_bob()[0], 1_000).await.unwrap();
}

#[tokio::test]
async fn a_reload_loads_new_slots_tells_the_cut_connections_last_bytes_and_begins_an_incarnation() {
    let rig = Rig::running().await;
    let slots = alice_and_bob();
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let mut hers = rig.connect(&slots[0]).await.unwrap();
    exchange(&mut hers, 123_456).await.unwrap();
    watcher.until("seen", |seen| seen.live() == 1).await;

    let more = [&slots[..], &[slot("carol234", false)]].concat();
    assert!(rig.core.outdated(&more).await.unwrap());
    let reload = rig.core.reload(&more, at_once()).await.unwrap();
    assert_eq!(reload.cut, 1);
    watcher.until("up again", |seen| seen.incarnations.len() == 2).await;
    assert_eq!(watcher.incarnations[1], reload.incarnation);
    assert_eq!(watcher.of(&slots[0]), (123_456, 123_456), "told before the reload, exactly");
    assert_eq!(rig.core.loaded().len(), 3);
    assert!(!rig.core.outdated(&more).await.unwrap());
    rig.echo_once(&slots[1], 10).await.unwrap();
    assert!(rig.echo_once(&more[2], 10).await.is_err(), "a vacant slot is loaded and shut");
    rig.core.set_gate(&more[2].slot, true).await.unwrap();
    rig.echo_once(&more[2], 10).await.unwrap();
}

#[tokio::test]
async fn a_wrong_template_changes_neither_the_file_nor_the_core() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let before = rig.output();
    // One for each judge: our own rules, and the core's check.
    for (change, words) in [(json!({ "final": "gone" }), "gone"), (json!({ "no_such_key": 1 }), "no_such_key")] {
        rig.change_template(|template| template["route"] = change);
        let written = rig.core.write(&alice_and_bob(), false).await.unwrap();
        let Written::GatesAlone(Some(told)) = written else { panic!("{written:?}") };
        for refusal in [rig.core.reload(&alice_and_bob(), at_once()).await.unwrap_err(), told] {
            assert!(matches!(&refusal, CoreError::Config(why) if why.contains(words)), "{refusal}");
        }
    }
    assert_eq!(rig.output(), before);
    assert_eq!(fs::read_dir(rig.dir.path().join("core")).unwrap().count(), 1, "nothing is left beside it");
    rig.echo_once(&alice_and_bob()[0], 10).await.unwrap();
    watcher.until("counted", |seen| seen.live() == 0 && !seen.connections.is_empty()).await;
    assert_eq!(watcher.incarnations.len(), 1);
}

#[tokio::test]
async fn a_file_that_passes_the_check_and_fails_at_the_start_is_rolled_back_and_the_core_runs_again() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let good = rig.output();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    rig.change_template(|template| {
        let inbound = json!({ "type": "trojan", "tag": "t", "listen": "127.0.0.1", "listen_port": port });
        template["inbounds"].as_array_mut().unwrap().push(inbound);
    });
    let refusal = rig.core.reload(&alice_and_bob(), at_once()).await.unwrap_err();
    assert!(matches!(refusal, CoreError::RolledBack(_)), "{refusal}");
    assert_eq!(rig.output(), good);
    rig.echo_once(&alice_and_bob()[0], 10).await.unwrap();
    watcher.until("up again", |seen| seen.incarnations.len() == 2).await;
    assert!(rig.core.outdated(&alice_and_bob()).await.unwrap(), "the template's wish is still unfulfilled");

    // A gate that moves now must not bring the file back that the core did not take.
    let shut = [slot("alice234", false), slot("bob23456", true)];
    assert_eq!(rig.core.write(&shut, false).await, Ok(Written::GatesAlone(None)));
    rig.kill();
    rig.start().await;
    watcher.until("up a third time", |seen| seen.incarnations.len() == 3).await;
    assert_eq!(rig.core.gates().await.unwrap(), [(shut[0].slot.clone(), false), (shut[1].slot.clone(), true)]);

    drop(taken);
    rig.core.reload(&alice_and_bob(), at_once()).await.unwrap();
    assert!(!rig.core.outdated(&alice_and_bob()).await.unwrap());
}

#[tokio::test]
async fn a_core_that_is_down_gets_a_saved_template_with_its_next_start_and_is_not_started() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let (old, slots) = (rig.output(), alice_and_bob());
    let port = free_port();
    rig.change_template(|template| template["inbounds"][0]["listen_port"] = port.into());
    assert_eq!(rig.core.renew(&slots, false).await, Ok(Written::GatesAlone(None)), "the core answers");
    rig.kill();
    watcher.until("down", |seen| !seen.downs.is_empty()).await;
    rig.change_template(|template| template["no_such_key"] = json!(1));
    let refused = rig.core.renew(&slots, true).await.unwrap();
    assert!(matches!(&refused, Written::GatesAlone(Some(CoreError::Config(why))) if why.contains("no_such_key")));
    assert_eq!(rig.output(), old);
    rig.change_template(|template| drop(template.as_object_mut().unwrap().remove("no_such_key")));
    assert_eq!(rig.core.renew(&slots, true).await, Ok(Written::Whole));
    assert!(rig.core.gates().await.is_err(), "nobody has started it");
    rig.start().await;
    watcher.until("up again", |seen| seen.incarnations.len() == 2).await;
    let mut hers = socks(port, slots[0].slot.as_str(), &slots[0].credentials.proxy_password(), rig.echo).await.unwrap();
    // The template is new to the agent still; the reload for it finds that the core has it.
    let reload = rig.core.reload(&slots, at_once()).await.unwrap();
    assert_eq!((reload.incarnation, reload.cut), (watcher.incarnations[1], 0));
    exchange(&mut hers, 10).await.unwrap();
}

#[tokio::test]
async fn the_service_that_the_agent_asks_may_move_with_a_reload() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    rig.change_template(|template| {
        let service = json!({ "type": "api", "listen": "127.0.0.1", "listen_port": free_port(), "secret": "own" });
        template["services"] = json!([service]);
    });
    rig.core.reload(&alice_and_bob(), at_once()).await.unwrap();
    watcher.until("up again", |seen| seen.incarnations.len() == 2).await;
    rig.core.set_gate(&alice_and_bob()[0].slot, false).await.unwrap();
}

#[tokio::test]
async fn a_core_that_does_not_run_is_started() {
    let rig = Rig::running().await;
    rig.kill();
    let reload = rig.core.reload(&alice_and_bob(), at_once()).await.unwrap();
    assert_eq!(reload.cut, 0);
    rig.echo_once(&alice_and_bob()[0], 10).await.unwrap();
}

#[tokio::test]
async fn a_template_that_is_saved_as_it_was_cuts_nobody() {
    let rig = Rig::running().await;
    let mut watcher = Watcher::new(&rig.core);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let mut hers = rig.connect(&alice_and_bob()[0]).await.unwrap();
    rig.change_template(|_| ());
    let reload = rig.core.reload(&alice_and_bob(), at_once()).await.unwrap();
    assert_eq!((reload.incarnation, reload.cut), (watcher.incarnations[0], 0));
    exchange(&mut hers, 10).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_starts_with_a_broken_template_goes_on_steering_the_core_that_runs() {
    let rig = Rig::running().await;
    rig.change_template(|template| *template = json!("not a configuration"));
    let other = rig.another_adapter();
    assert!(matches!(other.inbounds(), Err(CoreError::Config(_))));
    let mut watcher = Watcher::new(&other);
    watcher.until("up", |seen| !seen.incarnations.is_empty()).await;
    let [alice, bob] = &alice_and_bob()[..] else { panic!("two") };
    other.set_gate(&alice.slot, false).await.unwrap();
    assert!(rig.echo_once(alice, 10).await.is_err());
    rig.echo_once(bob, 10).await.unwrap();
    // And the shut gate survives the core, in the file that was there.
    let shut = [slot("alice234", false), slot("bob23456", true)];
    rig.kill();
    watcher.until("down", |seen| !seen.downs.is_empty()).await;
    assert!(matches!(other.write(&shut, true).await, Ok(Written::GatesAlone(Some(CoreError::Config(_))))));
    assert!(!rig.dir.path().join("state/cache.db").exists(), "the core's own memory is gone");
    rig.start().await;
    watcher.until("up again", |seen| seen.incarnations.len() == 2).await;
    assert!(rig.echo_once(alice, 10).await.is_err());
    rig.echo_once(bob, 10).await.unwrap();
}

#[tokio::test]
async fn the_configuration_from_before_weir_is_put_back_when_the_first_one_fails() {
    let rig = Rig::new(|_| ()).await;
    let own = br#"{"log":{"disabled":true}}"#;
    fs::write(rig.dir.path().join("core/config.json"), own).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    rig.change_template(|template| template["inbounds"][0]["listen_port"] = port.into());
    let refusal = rig.core.reload(&alice_and_bob(), at_once()).await.unwrap_err();
    assert!(matches!(refusal, CoreError::RolledBack(_)), "{refusal}");
    assert_eq!(rig.output(), own);
}

#[tokio::test]
async fn a_first_configuration_that_fails_with_nothing_to_go_back_to_is_told_as_such() {
    let rig = Rig::new(|_| ()).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    rig.change_template(|template| template["inbounds"][0]["listen_port"] = port.into());
    let refusal = rig.core.reload(&alice_and_bob(), at_once()).await.unwrap_err();
    assert!(matches!(&refusal, CoreError::NotTaken(why) if why.contains("Connection refused")), "{refusal}");
    drop(taken);
    rig.core.reload(&alice_and_bob(), at_once()).await.unwrap();
}
