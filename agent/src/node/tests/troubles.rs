//! What is wrong is told for as long as it is wrong, and no longer.

use weir_wire::roster::Gate;

use super::core::Call;
use super::rig::{ALICE, BOBBY, Rig};
use crate::cores::{CoreError, Written};
use crate::loading::Template;

const fn template(length: u64) -> Template {
    Template { modified: (1, 0), length }
}

/// A node whose core does not run, before it starts it.
fn before_the_first_load() -> Rig {
    let mut rig = Rig::bare();
    for user in [ALICE, BOBBY] {
        rig.panel.user(user, Gate::Open, None);
    }
    rig.sync();
    rig.node.template_seen(Some(template(5)));
    rig
}

#[test]
fn a_first_load_that_failed_is_over_when_the_service_manager_has_started_the_core_with_the_file() {
    let mut rig = before_the_first_load();
    rig.core.refuse(Some(CoreError::NotTaken("the core never answered".to_owned())));
    rig.core.kill();
    rig.pass(2_000);
    rig.core.refuse(None);
    rig.pass(10_000);
    assert!(rig.trouble().contains("the core does not come up"), "{}", rig.trouble());
    rig.core.start();
    rig.pass(2_000);
    assert_eq!(rig.trouble(), "");
    assert!(!rig.core.calls().contains(&Call::Reload), "it runs with all of it");
}

#[test]
fn a_template_that_the_core_did_not_take_is_told_until_a_better_one_is_saved() {
    let mut rig = Rig::new();
    rig.node.template_seen(Some(template(5)));
    rig.pass(600_000);
    // The last good file is back, and is another one than the template makes.
    rig.core.refuse(Some(CoreError::RolledBack("address already in use".to_owned())));
    rig.core.writes(Written::GatesAlone(None));
    rig.node.template_seen(Some(template(6)));
    rig.pass(1_000);
    rig.core.refuse(None);
    rig.pass(60_000);
    rig.core.kill();
    rig.core.start();
    rig.pass(60_000);
    assert!(rig.trouble().contains("address already in use"), "{}", rig.trouble());
    rig.node.template_seen(Some(template(7)));
    rig.pass(600_000);
    assert_eq!(rig.trouble(), "");
}

#[test]
fn a_first_load_that_was_rolled_back_is_told_though_the_core_has_all_users_in_the_last_good_file() {
    let mut rig = before_the_first_load();
    rig.core.refuse(Some(CoreError::RolledBack("address already in use".to_owned())));
    rig.core.writes(Written::GatesAlone(None));
    rig.core.kill();
    rig.pass(2_000);
    rig.core.refuse(None);
    rig.pass(10_000);
    rig.core.start();
    rig.pass(60_000);
    assert!(rig.trouble().contains("address already in use"), "{}", rig.trouble());
}

#[test]
fn a_load_that_failed_for_new_users_is_over_when_they_are_gone() {
    let mut rig = Rig::new();
    rig.pass(600_000);
    rig.sync_if_sent();
    rig.core.refuse(Some(CoreError::RolledBack("address already in use".to_owned())));
    rig.panel.user("carol", Gate::Open, None);
    rig.sync();
    rig.pass(1_000);
    rig.core.refuse(None);
    rig.pass(10_000);
    assert!(rig.trouble().contains("address already in use"), "{}", rig.trouble());
    rig.panel.remove("carol");
    rig.sync_all();
    rig.pass(2_000);
    assert_eq!(rig.trouble(), "");
}

#[test]
fn that_only_gates_can_be_written_is_told_until_all_of_a_file_can_be() {
    let mut rig = Rig::new();
    let wrong = CoreError::Config("sing-box check: unknown field".to_owned());
    rig.core.writes(Written::GatesAlone(Some(wrong)));
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    rig.pass(2_000);
    assert!(rig.trouble().contains("unknown field"), "{}", rig.trouble());
    rig.core.writes(Written::GatesAlone(None));
    rig.panel.user(ALICE, Gate::Open, None);
    rig.sync();
    rig.pass(2_000);
    assert_eq!(rig.trouble(), "");
}

#[test]
fn that_a_gate_could_not_be_moved_is_over_when_it_is_wanted_as_it_is() {
    let mut rig = Rig::new();
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    rig.core.refuse(Some(CoreError::Unreachable("busy".to_owned())));
    rig.panel.user(ALICE, Gate::Open, None);
    rig.sync();
    assert!(rig.trouble().contains("the gate of alice"), "{}", rig.trouble());
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    rig.core.refuse(None);
    rig.core.calls();
    rig.pass(10_000);
    assert_eq!(rig.trouble(), "");
    assert!(!rig.core.calls().iter().any(|call| matches!(call, Call::Gate(..))), "it was never moved");
}
