use proptest::prelude::*;
use weir_wire::Second;

use super::*;
use crate::testing::{origin, slot};

fn event(id: &str, user: Option<&str>, up: u64, down: u64, closed: bool) -> ConnectionEvent {
    ConnectionEvent { id: id.to_owned(), origin: user.map(origin), up, down, closed }
}

fn apply(tally: &mut Tally, reset: bool, events: &[ConnectionEvent]) -> Moved {
    tally.connections(reset, events, Moment::from_millis(1), |slot| slot.as_str() != "stranger")
}

/// A tally whose core began after its ledger.
fn started() -> Tally {
    let mut tally = Tally::default();
    tally.down();
    tally.up(1, 0, Second::EPOCH);
    apply(&mut tally, true, &[]);
    tally
}

#[test]
fn repeated_and_late_events_are_counted_once() {
    let mut tally = started();
    let opened = event("a", Some("alice"), 10, 0, false);
    let closed = event("a", Some("alice"), 15, 100, true);
    for events in [&opened, &opened, &closed, &closed, &opened] {
        apply(&mut tally, false, core::slice::from_ref(events));
    }
    assert_eq!(tally.count(&slot("alice")).unreported(), (15, 100));
    assert_eq!(tally.live(), 0);
}

#[test]
fn a_chunk_that_is_counted_after_the_end_was_told_is_credited_once_and_leaves_no_gap() {
    let mut tally = started();
    apply(&mut tally, false, &[event("a", Some("alice"), 128, 64, true)]);
    let late = event("a", Some("alice"), 192, 64, true);
    for at in 1..4 {
        tally.totals(192, 64, Moment::from_millis(at * 1_000));
    }
    assert_eq!(tally.unattributed(), 64);
    for events in [&late, &event("a", Some("alice"), 128, 64, true), &late] {
        apply(&mut tally, true, core::slice::from_ref(events));
    }
    assert_eq!(tally.count(&slot("alice")).unreported(), (192, 64));
    tally.totals(192, 64, Moment::from_millis(4_000));
    assert_eq!((tally.unattributed(), tally.live()), (0, 0));
}

#[test]
fn the_final_total_may_correct_downwards() {
    let mut tally = started();
    apply(&mut tally, false, &[event("a", Some("alice"), 1_000, 0, false)]);
    apply(&mut tally, false, &[event("a", None, 990, 0, true)]);
    assert_eq!(tally.count(&slot("alice")).total(), 990);
}

#[test]
fn an_update_without_a_known_start_waits_for_its_origin() {
    let mut tally = started();
    apply(&mut tally, false, &[event("a", None, 50, 0, false)]);
    assert_eq!(tally.count(&slot("alice")).total(), 0);
    apply(&mut tally, false, &[event("a", Some("alice"), 70, 0, true)]);
    assert_eq!(tally.count(&slot("alice")).total(), 70);
}

#[test]
fn bytes_of_strangers_are_foreign() {
    let mut tally = started();
    let moved =
        apply(&mut tally, false, &[event("a", Some("stranger"), 5, 0, false), event("b", Some("No Slot"), 6, 0, true)]);
    assert_eq!(tally.foreign(), 11);
    assert_eq!(moved.slots, []);
    assert_eq!(moved.alive, [("a".to_owned(), slot("stranger"))]);
}

#[test]
fn what_a_running_core_counted_before_the_ledger_is_nobodys() {
    let mut tally = Tally::default();
    tally.up(7, 0, Second::EPOCH);
    apply(&mut tally, true, &[event("a", Some("alice"), 1_000, 0, false), event("b", Some("alice"), 50, 0, true)]);
    tally.totals(5_000, 0, Moment::from_millis(1));
    apply(&mut tally, false, &[event("a", None, 1_007, 0, false), event("b", Some("alice"), 50, 0, true)]);
    assert_eq!(tally.count(&slot("alice")).total(), 7);
    assert_eq!(tally.unattributed(), 0);
}

#[test]
fn a_new_incarnation_counts_from_zero_and_settles_the_old_one() {
    let mut tally = started();
    apply(&mut tally, false, &[event("a", Some("alice"), 100, 0, false)]);
    tally.totals(130, 0, Moment::from_millis(1));
    tally.up(2, 44, Second::EPOCH);
    apply(&mut tally, true, &[event("a", Some("alice"), 8, 0, false)]);
    assert_eq!(tally.count(&slot("alice")).total(), 108);
    assert_eq!(tally.unattributed(), 30);
    assert_eq!(tally.lost_estimate(), 44);
    assert_eq!(tally.last_loss().map(|loss| loss.bytes.get()), Some(44));
}

#[test]
fn a_restart_of_the_agent_goes_on_where_it_flushed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
    let mut tally = started();
    apply(
        &mut tally,
        false,
        &[event("long", Some("alice"), 100, 0, false), event("short", Some("alice"), 5, 0, false)],
    );
    tally.totals(105, 0, Moment::from_millis(1));
    apply(&mut tally, false, &[]);
    let mut batch = Batch::default();
    tally.write(&mut batch);
    ledger.commit_now(&batch).unwrap();
    assert!(!tally.has_changed());
    // Counted, but not flushed: re-derived from the absolute total of the connection that outlives the gap.
    apply(&mut tally, false, &[event("long", None, 150, 0, false), event("lost", Some("alice"), 1_000, 0, true)]);

    let mut tally = Tally::load(&ledger).unwrap();
    tally.up(1, 0, Second::EPOCH);
    apply(&mut tally, true, &[event("long", Some("alice"), 200, 0, false)]);
    for at in [2, 3, 4] {
        tally.totals(1_205, 0, Moment::from_millis(at * 1_000));
    }
    assert_eq!(tally.count(&slot("alice")).total(), 205);
    assert_eq!(tally.unattributed(), 1_000, "what lived and died inside the gap, to the byte");
}

/// What really happened on one connection.
#[derive(Clone, Debug)]
struct Life {
    owner: u8,
    up: u64,
    down: u64,
    open: bool,
    /// Complete lists since it ended: after two the core does not tell it again.
    lists: u8,
}

#[derive(Clone, Debug)]
enum Step {
    Open {
        owner: u8,
    },
    Move {
        which: prop::sample::Index,
        up: u16,
        down: u16,
    },
    Close {
        which: prop::sample::Index,
    },
    /// An old event of this connection is told again.
    Repeat {
        which: prop::sample::Index,
        closed: bool,
    },
    /// The stream breaks: a complete list follows.
    List,
    /// The agent is killed, with or without a flush before, and reads a complete list.
    Kill {
        flush: bool,
    },
    Cut {
        owner: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        3 => (0..3_u8).prop_map(|owner| Step::Open { owner }),
        6 => (which(), any::<u16>(), any::<u16>()).prop_map(|(which, up, down)| Step::Move { which, up, down }),
        2 => which().prop_map(|which| Step::Close { which }),
        2 => (which(), any::<bool>()).prop_map(|(which, closed)| Step::Repeat { which, closed }),
        1 => Just(Step::List),
        1 => any::<bool>().prop_map(|flush| Step::Kill { flush }),
        1 => (0..3_u8).prop_map(|owner| Step::Cut { owner }),
    ]
}

const OWNERS: [&str; 3] = ["alice", "bobby", "stranger"];

fn tell(id: usize, life: &Life) -> ConnectionEvent {
    event(&format!("c{id}"), Some(OWNERS[usize::from(life.owner)]), life.up, life.down, !life.open)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every byte is credited once, or stated as unattributed: whatever is repeated, lost with a kill, or told anew.
    #[test]
    fn credits_and_the_gap_add_up_to_what_flowed(steps in prop::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut tally = started();
        let flush = |tally: &mut Tally| {
            let mut batch = Batch::default();
            tally.write(&mut batch);
            ledger.commit_now(&batch).unwrap();
        };
        flush(&mut tally);
        let mut lives: Vec<Life> = Vec::new();
        let mut reported = 0;
        let mut second = 0;
        for step in steps {
            match step {
                Step::Open { owner } => {
                    lives.push(Life { owner, up: 0, down: 0, open: true, lists: 0 });
                    apply(&mut tally, false, &[tell(lives.len() - 1, &lives[lives.len() - 1])]);
                }
                Step::Move { which, up, down } if !lives.is_empty() => {
                    let id = which.index(lives.len());
                    if lives[id].open {
                        lives[id].up += u64::from(up);
                        lives[id].down += u64::from(down);
                        apply(&mut tally, false, &[ConnectionEvent { origin: None, ..tell(id, &lives[id]) }]);
                    }
                }
                Step::Close { which } if !lives.is_empty() => {
                    let id = which.index(lives.len());
                    if lives[id].open {
                        lives[id].open = false;
                        apply(&mut tally, false, &[tell(id, &lives[id])]);
                    }
                }
                Step::Repeat { which, closed } if !lives.is_empty() => {
                    let id = which.index(lives.len());
                    if !lives[id].open && lives[id].lists < 2 {
                        apply(&mut tally, false, &[ConnectionEvent { closed, ..tell(id, &lives[id]) }]);
                    }
                }
                Step::List | Step::Kill { .. } => {
                    if let Step::Kill { flush: flushed } = step {
                        if flushed || reported > 0 {
                            flush(&mut tally);
                        }
                        tally = Tally::load(&ledger).unwrap();
                        tally.up(1, 0, Second::EPOCH);
                    }
                    let list: Vec<_> = lives.iter().enumerate().filter(|(_, life)| life.open).map(|(id, life)| tell(id, life)).collect();
                    apply(&mut tally, true, &list);
                    lives.iter_mut().filter(|life| !life.open).for_each(|life| life.lists += 1);
                }
                Step::Cut { owner } => {
                    let (up, down) = tally.change(&slot(OWNERS[usize::from(owner)]), Count::cut);
                    reported += up + down;
                }
                _ => {}
            }
            let flowed: u64 = lives.iter().map(|life| life.up + life.down).sum();
            for _ in 0..3 {
                second += 1;
                tally.totals(flowed, 0, Moment::from_millis(second * 1_000));
            }
            let counted: u64 = tally.counts().map(|(_, count)| count.total()).sum();
            prop_assert_eq!(counted + tally.foreign() + tally.unattributed(), flowed);
            for (place, name) in OWNERS.iter().enumerate().take(2) {
                let truth: u64 = lives.iter().filter(|life| usize::from(life.owner) == place).map(|life| life.up + life.down).sum();
                prop_assert!(tally.count(&slot(name)).total() <= truth, "nobody is billed for more than he moved");
            }
        }
    }
}
