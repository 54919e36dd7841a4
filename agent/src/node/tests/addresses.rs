//! Where clients connect from, in the node's syncs.

use weir_wire::refusal::Code;
use weir_wire::sync::SyncRequest;

use super::panel::Panel;
use super::rig::{ALICE, BOBBY, Rig};

/// How many addresses a request tells of each user.
fn told(request: &SyncRequest) -> Vec<(String, usize)> {
    request.addresses.iter().map(|set| (set.slot.to_string(), set.hashes.len())).collect()
}

/// A rig whose core's inbounds are known.
fn rig() -> Rig {
    let mut rig = Rig::generous();
    rig.node.template_read(Vec::new(), Vec::new(), Vec::new());
    rig.sync_all();
    rig
}

#[test]
fn a_sync_tells_where_clients_come_from_and_asks_for_no_other_sync() {
    let mut rig = rig();
    assert!(rig.flow_on("new 1", ALICE, 1));
    let request = rig.sync();
    assert_eq!(told(&request), [(ALICE.to_owned(), 1)]);
    assert!(request.address_day.is_some_and(|day| day > 0));
    rig.pass(1_000);
    assert!(rig.sent.is_none());
    assert!(told(&rig.sync()).is_empty());
}

#[test]
fn a_gate_that_is_shut_lets_nobody_be_seen_and_a_restart_tells_anew_who_is_there() {
    let mut rig = rig();
    rig.flow_on("new 1", ALICE, 1);
    rig.flow_on("new 2", BOBBY, 1);
    assert_eq!(told(&rig.sync()).len(), 2);
    rig.panel.user(BOBBY, weir_wire::roster::Gate::Disabled, None);
    rig.sync_all();
    rig.crash();
    rig.node.template_read(Vec::new(), Vec::new(), Vec::new());
    rig.core.tell_all();
    rig.settle();
    rig.sync_all();
    assert_eq!(told(&rig.sync()), [(ALICE.to_owned(), 1)]);
}

#[test]
fn a_panel_that_refuses_addresses_still_gets_every_report() {
    let mut rig = rig();
    rig.flow_on("new 1", ALICE, 100);
    rig.until_sync();
    assert!(rig.sent.as_ref().is_some_and(|request| !request.addresses.is_empty()));
    let mut refusal = Panel::refusal(Code::Invalid, None);
    refusal.field = Some("addresses[0]".to_owned());
    rig.refuse(refusal);
    rig.pass(900_000);
    rig.sync_all();
    rig.flow_on("new 3", ALICE, 11);
    rig.pass(900_000);
    for request in rig.sync_all() {
        assert_eq!((request.address_day, request.addresses.len()), (None, 0));
    }
    assert_eq!((rig.panel.applied(ALICE), rig.unreported()), (112, 0));
    assert_eq!(rig.node.outbox.losses(), (0, 0, 0));
}
