//! Inbounds for some plans only, and users for whom some inbounds were chosen: whoever comes where he has nothing to seek is shown out, at
//! once and without a reload.

use weir_wire::roster::Ways;
use weir_wire::sync::InboundPlans;

use super::core::Call;
use super::rig::{ALICE, BOBBY, Rig};

/// The core's only inbound.
const INBOUND: &str = "in";

fn closed(rig: &Rig) -> Vec<Call> {
    rig.core.calls().into_iter().filter(|call| !matches!(call, Call::Tick(_))).collect()
}

/// A rig whose inbound is for premium users, of whom alice is one.
fn rig() -> Rig {
    let mut rig = Rig::generous();
    rig.panel.plan(ALICE, Some("premium"));
    rig.panel.plan(BOBBY, Some("free"));
    rig.panel.inbound_plans =
        Some(vec![InboundPlans { inbound: INBOUND.to_owned(), plans: vec!["premium".to_owned()] }]);
    rig.sync_all();
    rig.core.calls();
    rig
}

#[test]
fn who_comes_without_the_plan_is_shown_out_and_nobody_else() {
    let mut rig = rig();
    rig.flow_on("of alice", ALICE, 10);
    rig.flow_on("of bobby", BOBBY, 10);
    assert_eq!(closed(&rig), [Call::Close("of bobby".to_owned())]);
    // What he moved until then is his all the same.
    assert_eq!(rig.count(BOBBY), 11);
}

#[test]
fn a_plan_that_is_lost_ends_what_is_under_way_and_one_that_is_gained_needs_no_reload() {
    let mut rig = rig();
    rig.flow_on("of alice", ALICE, 10);
    rig.panel.plan(ALICE, None);
    rig.panel.plan(BOBBY, Some("Premium"));
    rig.sync_all();
    assert_eq!(closed(&rig), ["alice 1", "of alice"].map(|id| Call::Close(id.to_owned())));
    rig.flow_on("later of bobby", BOBBY, 10);
    assert_eq!(closed(&rig), []);
}

#[test]
fn what_the_panel_said_holds_over_a_restart_while_it_is_away() {
    let mut rig = rig();
    rig.crash();
    rig.core.tell_all();
    rig.settle();
    rig.core.calls();
    rig.flow_on("of bobby", BOBBY, 10);
    assert_eq!(closed(&rig), [Call::Close("of bobby".to_owned())]);
}

#[test]
fn a_core_that_takes_users_live_is_told_at_once_who_may_not_be_where() {
    let mut rig = Rig::live();
    rig.panel.plan(ALICE, Some("premium"));
    rig.panel.plan(BOBBY, Some("free"));
    rig.sync_all();
    rig.pass_answered(2_000);
    assert_eq!((rig.core.closed(ALICE), rig.core.closed(BOBBY)), (vec![], vec![]));
    rig.panel.inbound_plans =
        Some(vec![InboundPlans { inbound: INBOUND.to_owned(), plans: vec!["premium".to_owned()] }]);
    rig.sync_all();
    rig.pass_answered(2_000);
    assert_eq!((rig.core.closed(ALICE), rig.core.closed(BOBBY)), (vec![], vec![INBOUND.to_owned()]));
    rig.panel.plan(BOBBY, Some("premium"));
    rig.sync_all();
    rig.pass_answered(2_000);
    assert_eq!(rig.core.closed(BOBBY), Vec::<String>::new());
}

/// The only protocol of the only inbound, without what is named.
fn trojan_without(tags: &[&str]) -> Ways {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Ways([("trojan".to_owned(), tags)].into())
}

#[test]
fn an_inbound_that_is_taken_from_somebody_ends_what_he_has_there_and_is_given_back_without_a_reload() {
    let mut rig = Rig::generous();
    rig.panel.ways(BOBBY, Some(trojan_without(&[])));
    rig.sync_all();
    rig.core.calls();
    rig.flow_on("of alice", ALICE, 10);
    rig.flow_on("of bobby", BOBBY, 10);
    assert_eq!(closed(&rig), []);
    rig.panel.ways(BOBBY, Some(trojan_without(&[INBOUND])));
    rig.sync_all();
    assert_eq!(closed(&rig), ["bobby 1", "of bobby"].map(|id| Call::Close(id.to_owned())));
    rig.flow_on("again of bobby", BOBBY, 10);
    assert_eq!(closed(&rig), [Call::Close("again of bobby".to_owned())]);
    rig.panel.ways(BOBBY, None);
    rig.sync_all();
    rig.core.calls();
    rig.flow_on("later of bobby", BOBBY, 10);
    assert_eq!(closed(&rig), []);
}
