//! Limits of devices and connections: who is over one is shown out, at once and by himself.

use super::core::Call;
use super::rig::{ALICE, BOBBY, Rig};

fn closed(rig: &Rig) -> Vec<String> {
    let id = |call| if let Call::Close(id) = call { Some(id) } else { None };
    rig.core.calls().into_iter().filter_map(id).collect()
}

/// A rig whose inbound's addresses can be trusted, where alice may have so much.
fn rig(devices: u32, streams: u32) -> Rig {
    let mut rig = Rig::generous();
    rig.node.template_read(Vec::new(), Vec::new(), Vec::new());
    rig.core.end("alice 1");
    rig.core.end("bobby 1");
    rig.panel.allow(ALICE, 0, devices, streams);
    rig.sync_all();
    rig.core.calls();
    rig
}

fn come(rig: &mut Rig, id: &str, user: &str, source: &str) {
    assert!(rig.core.come(id, user, source));
    rig.settle();
}

#[test]
fn the_device_over_the_limit_is_shown_out_and_nobody_else() {
    let mut rig = rig(1, 0);
    come(&mut rig, "phone", ALICE, "192.0.2.1:1");
    come(&mut rig, "phone again", ALICE, "192.0.2.1:2");
    come(&mut rig, "of bobby", BOBBY, "192.0.2.2:1");
    assert_eq!(closed(&rig), Vec::<String>::new());
    come(&mut rig, "laptop", ALICE, "192.0.2.2:2");
    assert_eq!(closed(&rig), ["laptop"]);
    assert_eq!(rig.report().node.held_back, 1);
    let told = rig.report().to_string();
    assert!(told.contains("held back  alice: 1 connections from one device too many, 0 over"), "{told}");
}

#[test]
fn addresses_of_one_64_are_one_device() {
    let mut rig = rig(1, 0);
    come(&mut rig, "1", ALICE, "[2001:db8::1]:1");
    come(&mut rig, "2", ALICE, "[2001:db8::ffff]:1");
    assert_eq!(closed(&rig), Vec::<String>::new());
    come(&mut rig, "3", ALICE, "[2001:db8:0:1::1]:1");
    assert_eq!(closed(&rig), ["3"]);
}

#[test]
fn an_address_that_the_client_may_have_written_is_no_device_but_its_connection_counts() {
    let mut rig = rig(1, 2);
    rig.node.template_read(Vec::new(), Vec::new(), vec!["in".to_owned()]);
    come(&mut rig, "1", ALICE, "192.0.2.1:1");
    come(&mut rig, "2", ALICE, "192.0.2.2:1");
    assert_eq!(closed(&rig), Vec::<String>::new());
    come(&mut rig, "3", ALICE, "192.0.2.3:1");
    assert_eq!(closed(&rig), ["3"]);
}

#[test]
fn behind_a_proxy_of_the_operator_s_the_header_s_address_is_the_device() {
    let mut rig = rig(1, 0);
    rig.rules(|rules| rules.behind_proxy = vec!["in".to_owned()]);
    rig.node.template_read(Vec::new(), Vec::new(), vec!["in".to_owned()]);
    come(&mut rig, "1", ALICE, "203.0.113.1:1");
    come(&mut rig, "the proxy itself", ALICE, "127.0.0.1:1");
    assert_eq!(closed(&rig), Vec::<String>::new());
    come(&mut rig, "2", ALICE, "203.0.113.2:1");
    assert_eq!(closed(&rig), ["2"]);
}

#[test]
fn a_limit_that_is_lowered_ends_what_is_too_much_and_one_that_is_raised_lets_in() {
    let mut rig = rig(0, 0);
    come(&mut rig, "1", ALICE, "192.0.2.1:1");
    come(&mut rig, "2", ALICE, "192.0.2.2:1");
    rig.panel.allow(ALICE, 0, 1, 0);
    rig.sync_all();
    assert_eq!(closed(&rig), ["2"]);
    rig.panel.allow(ALICE, 0, 2, 0);
    rig.sync_all();
    come(&mut rig, "3", ALICE, "192.0.2.2:1");
    assert_eq!(closed(&rig), Vec::<String>::new());
}

#[test]
fn limits_hold_over_a_restart_of_the_agent_while_the_panel_is_away() {
    let mut rig = rig(1, 0);
    come(&mut rig, "1", ALICE, "192.0.2.1:1");
    rig.crash();
    rig.node.template_read(Vec::new(), Vec::new(), Vec::new());
    rig.core.tell_all();
    rig.settle();
    rig.core.calls();
    come(&mut rig, "2", ALICE, "192.0.2.2:1");
    assert_eq!(closed(&rig), ["2"]);
}

#[test]
fn a_storm_is_answered_ten_times_a_second() {
    let mut rig = rig(1, 0);
    come(&mut rig, "phone", ALICE, "192.0.2.1:1");
    for number in 0..50 {
        come(&mut rig, &format!("storm {number}"), ALICE, "192.0.2.2:1");
    }
    assert_eq!(closed(&rig).len(), 20);
    rig.pass(100);
    assert_eq!(closed(&rig).len(), 30);
    come(&mut rig, "late", ALICE, "192.0.2.2:1");
    assert_eq!(closed(&rig), Vec::<String>::new());
    rig.pass(100);
    assert_eq!(closed(&rig), ["late"]);
}
