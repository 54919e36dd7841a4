//! Gates: what the core is told, and what its file and its memory say when nobody is there to tell it.

use weir_wire::Epoch;
use weir_wire::roster::Gate;

use super::core::Call;
use super::rig::{ALICE, BOBBY, Rig};
use crate::cores::CoreError;
use crate::loading::Template;
use crate::node::Command;
use crate::node::reply::Dice;
use crate::testing::slot;

fn gate_calls(rig: &Rig) -> Vec<Call> {
    rig.core.calls().into_iter().filter(|call| matches!(call, Call::Gate(..))).collect()
}

#[test]
fn a_disabled_user_is_shut_and_the_file_follows_within_five_seconds() {
    let mut rig = Rig::new();
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.core.calls();
    rig.sync();
    assert_eq!(gate_calls(&rig), [Call::Gate(slot(ALICE), false)]);
    assert_eq!(rig.core.in_file(ALICE), Some(true));
    rig.pass(2_000);
    assert_eq!(rig.core.in_file(ALICE), Some(false));
    assert_eq!(rig.core.in_file(BOBBY), Some(true));
}

#[test]
fn changes_at_the_same_time_share_one_writing_and_no_reload() {
    let mut rig = Rig::new();
    rig.pass(5_000);
    rig.core.calls();
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.panel.user(BOBBY, Gate::Month, None);
    rig.sync();
    rig.pass(5_000);
    let files: Vec<_> = rig.core.calls().into_iter().filter(|call| !matches!(call, Call::Gate(..))).collect();
    assert_eq!(files, [Call::Write { forget: false }]);
}

#[test]
fn a_core_that_starts_anew_is_compared_and_set_right() {
    let mut rig = Rig::new();
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    // It comes back with a memory in which nobody was shut.
    rig.core.refuse(Some(CoreError::Unreachable("busy".to_owned())));
    rig.panel.user(BOBBY, Gate::Disabled, None);
    rig.sync();
    assert!(rig.core.is_open(BOBBY), "the core did not take it");
    rig.core.refuse(None);
    rig.core.kill();
    rig.core.start();
    rig.settle();
    assert!(!rig.core.is_open(ALICE) && !rig.core.is_open(BOBBY));
}

#[test]
fn a_gate_that_could_not_be_moved_is_tried_again_and_said_meanwhile() {
    let mut rig = Rig::new();
    rig.core.refuse(Some(CoreError::Unreachable("busy".to_owned())));
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    assert!(rig.trouble().contains("the gate of alice"), "{}", rig.trouble());
    rig.core.refuse(None);
    rig.pass(2_000);
    assert!(!rig.core.is_open(ALICE));
    assert_eq!(rig.trouble(), "");
}

#[test]
fn a_gate_that_changes_while_the_core_is_down_is_shut_when_it_starts_without_the_agent() {
    let mut rig = Rig::new();
    // The core remembers that alice was opened by hand, which outranks its file.
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    rig.panel.user(ALICE, Gate::Open, None);
    rig.sync();
    assert!(rig.core.remembers());
    rig.core.kill();
    rig.settle();
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    rig.pass(2_000);
    assert!(!rig.core.remembers(), "its memory is removed together with the writing");
    assert_eq!(rig.core.in_file(ALICE), Some(false));
    rig.core.start();
    assert!(!rig.core.is_open(ALICE), "before the agent has said a word");
}

#[test]
fn a_gate_that_changes_during_a_reload_that_fails_is_not_undone_by_the_cores_memory() {
    let mut rig = Rig::new();
    rig.pass(600_000);
    rig.sync_if_sent();
    rig.panel.user("carol", Gate::Open, None);
    rig.until_sync();
    let request = rig.sent.take().unwrap();
    let reply = rig.panel.answer(&request, rig.panel_second()).unwrap();
    // Not through the rig, which makes a reload take no time.
    let dice = Dice { jitter: 0, epoch: Epoch::from_random(9) };
    rig.node.replied(reply, rig.clock, dice);
    rig.node.tick(rig.clock);
    assert!(rig.node.commands().iter().any(|command| matches!(command, Command::Reload { .. })));
    rig.core.kill();
    rig.settle();
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    rig.node.reloaded(&Err(CoreError::RolledBack("it does not start".to_owned())), rig.clock.now);
    rig.core.calls();
    rig.pass(2_000);
    assert!(rig.core.calls().contains(&Call::Write { forget: true }));
}

#[test]
fn an_agent_that_is_asked_to_end_writes_the_file_before_it_does() {
    let mut rig = Rig::new();
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    assert!(rig.node.is_writing());
    rig.node.leave(rig.clock.now);
    rig.tick();
    assert!(!rig.node.is_writing());
    assert_eq!(rig.core.in_file(ALICE), Some(false));
}

#[test]
fn a_new_process_writes_the_file_that_an_earlier_one_may_not_have_written() {
    let mut rig = Rig::new();
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    assert_eq!(rig.core.in_file(ALICE), Some(true));
    // Its roster is in the ledger, its file is not.
    rig.tick();
    rig.crash();
    rig.core.calls();
    rig.pass(2_000);
    assert_eq!(rig.core.in_file(ALICE), Some(false));
    assert!(rig.core.calls().contains(&Call::Write { forget: false }));
}

#[test]
fn a_file_that_cannot_be_written_is_tried_again_and_said_meanwhile() {
    let mut rig = Rig::new();
    rig.core.refuse(Some(CoreError::Disk("no space left on device".to_owned())));
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync();
    rig.pass(3_000);
    assert!(rig.trouble().contains("no space left"), "{}", rig.trouble());
    rig.core.refuse(None);
    rig.pass(7_000);
    assert_eq!(rig.core.in_file(ALICE), Some(false));
    assert_eq!(rig.trouble(), "");
}

#[test]
fn what_a_shut_user_still_moves_is_ended_by_its_id() {
    let mut rig = Rig::new();
    rig.flow_on("alice 1", ALICE, 10);
    rig.core.refuse(Some(CoreError::Unreachable("busy".to_owned())));
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync_all();
    rig.core.calls();
    rig.flow_on("alice 2", ALICE, 10);
    assert_eq!(rig.core.calls(), [Call::Close("alice 2".to_owned())]);
    rig.flow_on("stranger 1", "stranger", 10);
    assert_eq!(rig.core.calls(), [], "strangers are none of ours");
}

#[test]
fn a_new_user_with_a_loaded_slot_needs_no_reload_and_one_without_waits_for_the_next() {
    let mut rig = Rig::new();
    rig.panel.user("vacant", Gate::Vacant, None);
    rig.sync();
    rig.flow(ALICE, 1);
    rig.pass(590_000);
    rig.sync_if_sent();
    rig.core.calls();
    // Somebody is connected, so the vacant slot waits for a quiet moment; a user without a slot does not wait for that.
    rig.flow(ALICE, 1);
    rig.panel.user("carol", Gate::Open, None);
    rig.sync();
    rig.pass(12_000);
    assert!(rig.core.calls().contains(&Call::Reload));
    assert!(rig.core.is_open("carol") && !rig.core.is_open("vacant"));
    rig.panel.user("vacant", Gate::Open, None);
    rig.core.calls();
    rig.sync_if_sent();
    rig.sync();
    let calls = rig.core.calls();
    assert!(calls.contains(&Call::Gate(slot("vacant"), true)) && !calls.contains(&Call::Reload), "{calls:?}");
    assert!(rig.core.is_open("vacant"));
}

#[test]
fn a_version_counts_as_loaded_when_the_core_has_all_of_it() {
    let mut rig = Rig::new();
    rig.sync();
    assert_eq!(rig.sync().loaded, rig.panel.version());
    rig.flow(ALICE, 1);
    let before = rig.panel.version();
    rig.panel.user("carol", Gate::Vacant, None);
    rig.sync_all();
    let request = rig.sync();
    assert_eq!((request.held, request.loaded), (rig.panel.version(), before));
}

#[test]
fn a_reload_is_told_with_its_reason_and_what_it_cut() {
    let mut rig = Rig::new();
    rig.pass(600_000);
    rig.sync_if_sent();
    rig.flow_on("alice 1", ALICE, 10);
    rig.flow_on("alice 2", ALICE, 10);
    rig.panel.user("carol", Gate::Open, None);
    rig.sync_all();
    rig.pass(1_000);
    let report = rig.report();
    let last = report.node.reloaded.unwrap();
    assert_eq!((report.node.reloads, report.node.cut, last.cut, last.at), (2, 2, 2, rig.panel_second().plus(-1)));
    assert!(report.to_string().contains("users had no loaded slot; it cut 2\n"), "{report}");
}

#[test]
fn a_template_that_cannot_be_used_is_said_until_it_can() {
    let mut rig = Rig::new();
    let seen = Template { modified: (1, 0), length: 5 };
    assert!(rig.node.template_seen(Some(seen)));
    rig.node.template_refused(&CoreError::Config("template route: must be an object".to_owned()), rig.clock.now);
    assert!(rig.trouble().contains("template route: must be an object"), "{}", rig.trouble());
    assert!(rig.sync().status.unwrap().last_error.contains("template route"), "the panel hears it");
    rig.crash();
    assert!(rig.node.template_seen(Some(seen)), "another process looks again");
    rig.node.template_refused(&CoreError::Config("the same".to_owned()), rig.clock.now);
    assert!(rig.node.template_seen(Some(seen)), "and again, until it is good");
    rig.node.template_read(Vec::new(), Vec::new(), Vec::new());
    assert!(!rig.node.template_seen(Some(seen)));
    assert_eq!(rig.trouble(), "");
    assert!(rig.node.template_seen(None), "a file that is gone is looked for at once");
}

#[test]
fn a_core_that_is_down_has_a_saved_template_from_its_next_start_on_and_is_not_started_for_it() {
    let mut rig = Rig::new();
    let seen = |length| Some(Template { modified: (1, 0), length });
    rig.node.template_seen(seen(5));
    rig.pass(600_000);
    rig.core.kill();
    rig.pass(60_000);
    rig.core.calls();
    rig.node.template_seen(seen(6));
    rig.core.refuse(Some(CoreError::Disk("no space left on device".to_owned())));
    rig.pass(3_000);
    rig.core.refuse(None);
    rig.pass(600_000);
    assert_eq!(rig.core.calls(), [Call::Renew, Call::Renew, Call::Write { forget: true }]);
    rig.core.start();
    rig.pass(2_000);
    assert!(rig.core.calls().contains(&Call::Reload), "which finds that it runs with it");
    rig.core.kill();
    rig.pass(600_000);
    assert!(!rig.core.calls().contains(&Call::Renew));
    assert!(rig.trouble().starts_with("the core does not answer"), "{}", rig.trouble());
}

#[test]
fn a_refused_template_is_loaded_as_soon_as_it_is_mended() {
    let mut rig = Rig::new();
    let seen = |length| Some(Template { modified: (1, 0), length });
    rig.node.template_seen(seen(5));
    rig.pass(600_000);
    rig.core.refuse(Some(CoreError::Config("sing-box check: unknown field".to_owned())));
    rig.node.template_seen(seen(6));
    rig.pass(1_000);
    assert!(rig.trouble().contains("unknown field"), "{}", rig.trouble());
    rig.core.refuse(None);
    rig.core.calls();
    rig.pass(60_000);
    assert!(!rig.core.calls().contains(&Call::Reload), "the same template again");
    rig.node.template_seen(seen(7));
    rig.pass(1_000);
    assert!(rig.core.calls().contains(&Call::Reload));
    assert_eq!(rig.trouble(), "");
}

#[test]
fn what_was_said_of_a_template_is_over_when_the_loaded_one_is_put_back_as_it_was() {
    let mut rig = Rig::new();
    let seen = |length| Some(Template { modified: (1, 0), length });
    rig.node.template_seen(seen(5));
    rig.pass(600_000);
    rig.core.refuse(Some(CoreError::RolledBack("address already in use".to_owned())));
    rig.node.template_seen(seen(6));
    rig.pass(1_000);
    assert!(rig.trouble().contains("address already in use"), "{}", rig.trouble());
    rig.core.refuse(None);
    rig.core.calls();
    rig.node.template_seen(seen(5));
    assert_eq!(rig.trouble(), "");
    rig.pass(600_000);
    assert!(!rig.core.calls().contains(&Call::Reload), "the core runs with it");
}
