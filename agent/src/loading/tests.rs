use super::*;
use crate::testing::at;

const EVERY: u64 = 600_000;
const DONE: Ended = Ended::Done { cut: 2 };

fn loading() -> Loading {
    let folder = tempfile::tempdir().unwrap();
    Loading::load(&Ledger::open(&folder.path().join("ledger")).unwrap(), EVERY).unwrap()
}

fn up(open: usize, others: usize) -> Seen {
    Seen::Up(Pending { open, others, any_loaded: true })
}

fn end(loading: &mut Loading, ended: Ended, second: u64) {
    loading.begin(Why::Users);
    loading.end(ended, at(second), Second::clamped(1_000), &mut Batch::default());
}

const TEMPLATE: Template = Template { modified: (1, 0), length: 10 };

#[test]
fn the_first_load_is_made_at_once() {
    for seen in [Seen::Down, Seen::Up(Pending { open: 0, others: 64, any_loaded: false })] {
        let mut loading = loading();
        assert_eq!(loading.due(Seen::Unknown, 0, at(1)), None);
        assert_eq!(loading.due(seen, 5, at(1)), Some(Why::First));
        loading.begin(Why::First);
        assert_eq!(loading.due(seen, 5, at(1)), None);
        loading.end(DONE, at(2), Second::clamped(1_000), &mut Batch::default());
        assert_eq!(loading.due(seen, 5, at(3)), None);
        assert_eq!(loading.last(), Some(Reload { at: Second::clamped(1_000), why: Why::First, cut: 2 }));
    }
}

#[test]
fn new_users_without_a_loaded_slot_wait_for_the_next_batch() {
    let mut loading = loading();
    end(&mut loading, DONE, 0);
    assert_eq!(loading.due(up(1, 0), 3, at(599)), None);
    assert_eq!(loading.due(up(1, 0), 3, at(600)), Some(Why::Users));
}

#[test]
fn vacant_slots_wait_for_a_quiet_moment() {
    let mut loading = loading();
    assert_eq!(loading.due(up(0, 64), 1, at(1_000)), None);
    assert_eq!(loading.due(up(0, 64), 0, at(1_001)), None);
    assert_eq!(loading.due(up(0, 64), 1, at(1_003)), None);
    assert_eq!(loading.due(up(0, 64), 0, at(1_004)), None);
    assert_eq!(loading.due(up(0, 64), 0, at(1_007)), Some(Why::Quiet));
}

#[test]
fn a_saved_template_is_loaded_with_the_next_batch() {
    let mut loading = loading();
    let mut batch = Batch::default();
    loading.look_at_template(Some(TEMPLATE), &mut batch);
    assert_eq!(loading.due(up(0, 0), 1, at(1)), None);
    loading.look_at_template(Some(Template { length: 11, ..TEMPLATE }), &mut batch);
    assert_eq!(loading.due(up(0, 0), 1, at(1)), Some(Why::Template));
    end(&mut loading, DONE, 2);
    assert_eq!(loading.due(up(0, 0), 1, at(10_000)), None);
}

#[test]
fn a_template_that_was_saved_as_it_was_counts_as_no_reload() {
    let mut loading = loading();
    let mut batch = Batch::default();
    end(&mut loading, DONE, 0);
    loading.look_at_template(Some(TEMPLATE), &mut batch);
    loading.look_at_template(Some(Template { modified: (2, 0), ..TEMPLATE }), &mut batch);
    assert_eq!(loading.due(up(0, 0), 1, at(1_000)), Some(Why::Template));
    end(&mut loading, Ended::Needless, 1_000);
    assert_eq!(loading.due(up(0, 0), 1, at(1_001)), None);
    assert_eq!(loading.reloads(), 1);
    assert_eq!(loading.due(up(1, 0), 1, at(1_001)), Some(Why::Users), "nobody was cut, so nobody waits");
}

#[test]
fn a_core_that_ran_when_the_agent_came_and_fails_later_is_the_service_manager_s_to_start() {
    let mut loading = loading();
    assert_eq!(loading.due(up(0, 0), 1, at(1)), None);
    assert_eq!(loading.due(Seen::Down, 0, at(2)), None);
    assert_eq!(loading.due(up(1, 0), 1, at(3)), Some(Why::Users));
}

#[test]
fn a_reload_that_the_core_did_not_take_is_not_repeated_at_once() {
    let mut loading = loading();
    end(&mut loading, Ended::Failed, 0);
    assert_eq!(loading.due(Seen::Down, 0, at(29)), None);
    assert_eq!(loading.due(Seen::Down, 0, at(30)), Some(Why::First));
    end(&mut loading, DONE, 100);
    end(&mut loading, Ended::Failed, 1_000);
    assert_eq!(loading.due(up(1, 0), 1, at(1_599)), None, "it may have cut connections");
    assert_eq!(loading.due(up(1, 0), 1, at(1_600)), Some(Why::Users));
}

#[test]
fn a_template_that_the_core_does_not_take_is_tried_ever_more_rarely_until_it_is_saved_again() {
    let mut loading = loading();
    let mut batch = Batch::default();
    end(&mut loading, DONE, 0);
    loading.look_at_template(Some(TEMPLATE), &mut batch);
    loading.look_at_template(Some(Template { length: 11, ..TEMPLATE }), &mut batch);
    let (mut now, mut waits) = (1_000, Vec::new());
    for _ in 0..9 {
        assert_eq!(loading.due(up(0, 0), 1, at(now)), Some(Why::Template));
        loading.begin(Why::Template);
        loading.end(Ended::Failed, at(now), Second::clamped(1_000), &mut batch);
        let wait = (0..1_000).find(|wait| loading.due(up(0, 0), 1, at(now + 600 * wait)).is_some()).unwrap();
        waits.push(wait);
        now += 600 * wait;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64], "in units of the least distance");
    loading.begin(Why::Template);
    loading.end(Ended::Failed, at(now), Second::clamped(1_000), &mut batch);
    assert_eq!(
        loading.due(up(1, 0), 1, at(now + 600)),
        Some(Why::Users),
        "whoever cannot pass without it waits no longer"
    );
    assert_eq!(loading.due(up(0, 0), 1, at(now + 600)), None);
    loading.look_at_template(Some(Template { modified: (9, 0), length: 11 }), &mut batch);
    assert_eq!(loading.due(up(0, 0), 1, at(now + 600)), Some(Why::Template));
}

/// One that was loaded, whose template was saved since.
fn saved_since(batch: &mut Batch) -> Loading {
    let mut loading = loading();
    loading.look_at_template(Some(TEMPLATE), batch);
    end(&mut loading, DONE, 0);
    assert!(!loading.may_renew());
    loading.look_at_template(Some(Template { length: 11, ..TEMPLATE }), batch);
    loading
}

#[test]
fn the_file_of_a_core_that_is_down_is_given_a_saved_template_once_and_the_core_is_not_started() {
    let mut batch = Batch::default();
    let mut loading = saved_since(&mut batch);
    assert!(loading.may_renew() && !loading.is_renewed());
    loading.renew();
    assert!(loading.is_renewed());
    assert_eq!(loading.due(Seen::Down, 0, at(10_000)), None, "it may have been stopped on purpose");
    assert_eq!(loading.due(up(0, 0), 1, at(10_000)), Some(Why::Template), "which finds it loaded");
    end(&mut loading, Ended::Needless, 10_000);
    assert_eq!(loading.due(up(0, 0), 1, at(20_000)), None);
}

#[test]
fn the_loaded_template_that_is_put_back_goes_into_a_file_that_was_given_another_one() {
    let mut batch = Batch::default();
    let mut loading = saved_since(&mut batch);
    loading.renew();
    loading.look_at_template(Some(TEMPLATE), &mut batch);
    assert!(loading.may_renew() && !loading.is_renewed() && !loading.has_loaded_template());
    assert_eq!(loading.due(up(0, 0), 1, at(10_000)), Some(Why::Template), "whatever it was started with");
}

#[test]
fn a_template_that_the_core_did_not_take_is_not_given_to_its_file_when_it_is_down() {
    let mut batch = Batch::default();
    let mut loading = saved_since(&mut batch);
    loading.begin(Why::Template);
    assert!(!loading.may_renew(), "the reload itself writes the file");
    loading.end(Ended::Failed, at(1_000), Second::clamped(1_000), &mut batch);
    assert!(!loading.may_renew());
    loading.look_at_template(Some(Template { length: 12, ..TEMPLATE }), &mut batch);
    assert!(loading.may_renew());
}

#[test]
fn a_core_that_the_agent_has_not_brought_up_yet_gets_its_file_by_the_first_load() {
    let mut loading = loading();
    let mut batch = Batch::default();
    loading.look_at_template(Some(TEMPLATE), &mut batch);
    loading.look_at_template(Some(Template { length: 11, ..TEMPLATE }), &mut batch);
    assert!(!loading.may_renew());
    assert_eq!(loading.due(Seen::Down, 0, at(1)), Some(Why::First));
}

#[test]
fn a_refused_template_is_tried_again_when_it_is_saved_and_nobody_waits_for_that() {
    let mut loading = loading();
    let mut batch = Batch::default();
    end(&mut loading, DONE, 0);
    loading.look_at_template(Some(TEMPLATE), &mut batch);
    end(&mut loading, Ended::Refused, 1_000);
    assert_eq!(loading.due(up(1, 0), 1, at(1_599)), None);
    loading.look_at_template(Some(Template { length: 11, ..TEMPLATE }), &mut batch);
    assert_eq!(loading.due(up(1, 0), 1, at(1_001)), Some(Why::Users));
    end(&mut loading, Ended::Refused, 1_001);
    loading.template_is_good();
    assert_eq!(loading.due(up(1, 0), 1, at(1_002)), Some(Why::Users));
    end(&mut loading, Ended::Refused, 1_002);
    assert_eq!(loading.due(up(1, 0), 1, at(1_602)), Some(Why::Users), "what is refused may depend on more than it");
}

#[test]
fn a_disk_that_was_full_is_tried_again_soon() {
    let mut loading = loading();
    end(&mut loading, DONE, 0);
    end(&mut loading, Ended::Unwritten, 1_000);
    assert_eq!(loading.due(up(1, 0), 1, at(1_029)), None);
    assert_eq!(loading.due(up(1, 0), 1, at(1_030)), Some(Why::Users));
}

#[test]
fn the_loaded_version_moves_only_when_all_of_it_is_loaded() {
    let mut loading = loading();
    let mut batch = Batch::default();
    let version = |number| RosterVersion { number, salt: 1 };
    loading.learn(version(3), true, false, &mut batch);
    loading.learn(version(4), false, false, &mut batch);
    assert_eq!(loading.version(), version(3));
    loading.learn(version(4), false, true, &mut batch);
    assert_eq!(loading.version(), RosterVersion::NONE);
}
