use std::collections::HashMap;

use weir_wire::Bytes;

use super::*;
use crate::testing::{at, slot};

const FLOOR: u64 = 1_000;
const LONGEST: u64 = 30_000;

#[derive(Default)]
struct Slots {
    counts: HashMap<SlotName, u64>,
    ahead: u64,
    moves: bool,
    shut: bool,
}

impl View for Slots {
    fn count(&self, slot: &SlotName) -> u64 {
        self.counts.get(slot).copied().unwrap_or_default()
    }
    fn ahead(&self, _: &SlotName) -> u64 {
        self.ahead
    }
    fn moves(&self, _: &SlotName) -> bool {
        self.moves
    }
    fn is_open(&self, _: &SlotName) -> bool {
        !self.shut
    }
}

struct Bench {
    limiter: Limiter,
    slots: Slots,
    now: Moment,
    ticks: u64,
}

fn alice() -> SlotName {
    "alice".parse().unwrap()
}

impl Bench {
    fn new() -> Self {
        Self { limiter: Limiter::default(), slots: Slots::default(), now: at(100), ticks: 0 }
    }

    fn count(&mut self, count: u64) -> Option<u64> {
        self.slots.counts.insert(alice(), count);
        self.limiter.limit(&alice(), count, FLOOR, self.now)
    }

    fn asks(&mut self) -> Vec<(u64, u64)> {
        let asks = self.limiter.asks(&self.slots);
        asks.iter().map(|ask| (ask.count.get(), ask.held.get())).collect()
    }

    fn answer(&mut self, limit: Option<u64>) {
        let asks = self.limiter.asks(&self.slots);
        self.answer_to(&asks, limit);
    }

    fn answer_to(&mut self, asks: &[Ask], limit: Option<u64>) {
        let gives_back = self.limiter.giving_back(asks);
        let limits: Vec<_> =
            limit.map(|limit| Limit { slot: alice(), limit: Bytes::saturating(limit) }).into_iter().collect();
        let said = Said { asks, gives_back: &gives_back };
        self.limiter.answered(said, &limits, self.now, self.now, LONGEST, &self.slots);
    }

    fn due(&mut self) -> Option<Moment> {
        self.ticks += 1;
        self.due_within_the_tick()
    }

    fn is_due_within_the_tick(&mut self) -> bool {
        self.due_within_the_tick().is_some_and(|at| at <= self.now)
    }

    fn due_within_the_tick(&mut self) -> Option<Moment> {
        self.limiter.due(&self.slots, Moment::from_millis(self.ticks), self.now)
    }
}

/// Alice has passed 100 bytes, may pass up to 50,000, and another node needs some.
fn called(moves: bool) -> Bench {
    let mut bench = Bench::new();
    bench.count(100);
    bench.answer(Some(50_000));
    bench.slots.moves = moves;
    bench.limiter.press(&alice(), 100, true);
    bench.limiter.give_back(&bench.slots);
    bench
}

#[test]
fn the_first_byte_asks_and_the_floor_may_pass_meanwhile() {
    let mut bench = Bench::new();
    assert_eq!(bench.count(0), None);
    assert_eq!(bench.due(), None);
    assert_eq!(bench.count(10), Some(1_010));
    assert_eq!(bench.count(500), Some(1_010), "once, not again with every look");
    assert_eq!(bench.due(), Some(bench.now));
    assert_eq!(bench.asks(), [(500, 1_010)]);
    bench.answer(Some(50_000));
    assert_eq!(bench.count(500), Some(50_000));
    assert_eq!(bench.asks(), []);
}

#[test]
fn it_asks_before_the_limit_is_reached() {
    let mut bench = Bench::new();
    bench.count(10);
    bench.answer(Some(50_000));
    bench.slots.ahead = 5_000;
    bench.count(44_999);
    assert_eq!(bench.asks(), []);
    bench.count(45_000);
    assert_eq!(bench.asks(), [(45_000, 50_000)]);
    assert!(bench.due().is_some_and(|due| due <= bench.now));
}

#[test]
fn a_limited_user_is_asked_for_on_every_sync_but_causes_them_more_and_more_rarely() {
    let mut bench = Bench::new();
    bench.count(2_000);
    bench.answer(Some(2_000));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        assert_eq!(bench.asks().len(), 1);
        let due = bench.due().unwrap();
        pauses.push(due.since(bench.now) / 1_000);
        bench.now = due;
        bench.answer(Some(2_000));
    }
    assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
    bench.answer(Some(9_000));
    assert_eq!(bench.due(), None);
}

#[test]
fn a_lowered_limit_is_stated_once_more() {
    let mut bench = Bench::new();
    bench.count(100);
    bench.answer(Some(50_000));
    assert_eq!(bench.asks(), [], "raised: what the panel has recorded is what is held");
    bench.limiter.press(&alice(), 100, false);
    assert_eq!(bench.asks(), [(100, 50_000)]);
    bench.answer(Some(20_000));
    assert_eq!(bench.asks(), [(100, 20_000)], "the panel has still recorded 50,000");
    bench.answer(Some(20_000));
    assert_eq!(bench.asks(), []);
}

#[test]
fn a_grant_ends_after_a_day_without_a_word_and_the_next_byte_takes_the_floor_once() {
    let mut bench = Bench::new();
    bench.count(100);
    bench.answer(Some(50_000));
    bench.now = bench.now.plus(LASTS - 1);
    assert_eq!(bench.count(200), Some(50_000));
    bench.now = bench.now.plus(1);
    assert_eq!(bench.count(200), None);
    assert_eq!((bench.asks(), bench.due()), (vec![], None), "the panel frees it by itself");
    assert_eq!(bench.count(201), Some(1_201));
    assert_eq!(bench.count(900), Some(1_201));
    assert_eq!(bench.asks(), [(900, 1_201)]);
    bench.now = bench.now.plus(10 * LASTS);
    assert_eq!(bench.count(1_201), Some(1_201), "the floor is not given twice");
}

#[test]
fn a_slot_at_which_nothing_moves_lets_go_of_its_grant_when_it_is_called() {
    let mut bench = called(false);
    let asks = bench.limiter.asks(&bench.slots);
    assert_eq!(bench.asks(), [(100, 100)], "held no more, before that is said");
    assert_eq!(bench.limiter.giving_back(&asks), [alice()]);
    assert_eq!(bench.count(100), None, "and the gate stays open");
    bench.limiter.give_back(&bench.slots);
    assert_eq!(bench.asks(), [(100, 100)], "until it is answered");
    bench.answer(Some(100));
    assert_eq!((bench.asks(), bench.due()), (vec![], None), "nobody nags for it");
    bench.limiter.press(&alice(), 100, true);
    assert_eq!(bench.asks(), [(100, 100)], "a panel that forgot of it is told again");
    bench.answer(Some(100));
    assert_eq!(bench.count(101), Some(1_101), "the next byte takes the floor, and asks");
    let asks = bench.limiter.asks(&bench.slots);
    assert_eq!((bench.asks(), bench.limiter.giving_back(&asks)), (vec![(101, 1_101)], vec![]));
}

#[test]
fn a_slot_at_which_something_moves_gives_back_half_once() {
    let mut bench = called(true);
    for _ in 0..3 {
        assert_eq!(bench.asks(), [(100, 25_050)]);
        bench.limiter.give_back(&bench.slots);
    }
    let asks = bench.limiter.asks(&bench.slots);
    assert_eq!(bench.limiter.giving_back(&asks), [alice()]);
    bench.answer(Some(25_050));
    assert_eq!((bench.asks(), bench.count(100)), (vec![], Some(25_050)));
    bench.slots.ahead = 30_000;
    let asks = bench.limiter.asks(&bench.slots);
    assert_eq!((asks.len(), bench.limiter.giving_back(&asks).len()), (1, 0), "it asks for more when it needs more");
}

#[test]
fn a_byte_that_comes_before_the_panel_knows_that_all_was_let_go_takes_the_floor_and_asks() {
    let mut bench = called(false);
    let asks = bench.limiter.asks(&bench.slots);
    let gives_back = bench.limiter.giving_back(&asks);
    assert_eq!(bench.count(150), Some(1_150));
    let limit = Limit { slot: alice(), limit: Bytes::saturating(100) };
    let said = Said { asks: &asks, gives_back: &gives_back };
    bench.limiter.answered(said, &[limit], bench.now, bench.now, LONGEST, &bench.slots);
    assert_eq!(bench.count(150), Some(1_150), "the answer shuts nothing");
    assert_eq!(bench.asks(), [(150, 1_150)]);
    assert!(bench.due().is_some_and(|due| due <= bench.now), "and that is due at once");
}

#[test]
fn a_panel_of_an_earlier_release_grants_again_what_was_given_back() {
    let mut bench = called(false);
    bench.answer(Some(50_000));
    assert_eq!((bench.asks(), bench.count(100)), (vec![], Some(50_000)));
}

#[test]
fn a_slot_near_its_limit_one_at_it_and_a_list_of_all_ask_as_ever() {
    for (count, ahead, full) in [(49_000, 2_000, false), (50_000, 0, false), (100, 0, true)] {
        let mut bench = Bench::new();
        bench.count(100);
        bench.answer(Some(50_000));
        bench.slots.ahead = ahead;
        bench.count(count);
        bench.limiter.press(&alice(), count, !full);
        bench.limiter.give_back(&bench.slots);
        let asks = bench.limiter.asks(&bench.slots);
        assert_eq!((bench.asks(), bench.limiter.giving_back(&asks)), (vec![(count, 50_000)], vec![]));
    }
}

#[test]
fn what_was_let_go_of_is_not_held_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
    let mut bench = called(false);
    let mut batch = Batch::default();
    bench.limiter.write(&mut batch);
    ledger.commit_now(&batch).unwrap();
    for same_boot in [true, false] {
        bench.limiter = Limiter::load(&ledger, same_boot).unwrap();
        assert_eq!((bench.count(100), bench.asks()), (None, vec![(100, 100)]), "which is still to be said");
    }
}

#[test]
fn a_grant_of_an_earlier_boot_has_ended_and_one_of_this_boot_has_not() {
    for (same_boot, expected) in [(true, Some(50_000)), (false, None)] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut bench = Bench::new();
        bench.count(100);
        bench.answer(Some(50_000));
        let mut batch = Batch::default();
        bench.limiter.write(&mut batch);
        assert!(!bench.limiter.has_changed());
        ledger.commit_now(&batch).unwrap();
        bench.limiter = Limiter::load(&ledger, same_boot).unwrap();
        assert_eq!(bench.count(100), expected);
        assert_eq!(bench.asks().is_empty(), same_boot, "the panel must learn of it");
        assert_eq!(bench.count(101), if same_boot { expected } else { Some(1_101) });
    }
}

#[test]
fn a_touched_entry_asks_when_there_is_something_to_tell() {
    let mut bench = Bench::new();
    bench.limiter.press(&alice(), 0, true);
    assert_eq!(bench.asks(), []);
    bench.slots.shut = true;
    bench.slots.counts.insert(alice(), 70);
    bench.limiter.press(&alice(), 70, true);
    assert_eq!(bench.asks(), [(70, 70)], "a shut slot without a limit states its count");
    bench.answer(Some(70));
    assert_eq!(bench.asks(), []);
}

#[test]
fn a_removed_slot_frees_its_grant_with_one_ask() {
    let mut bench = Bench::new();
    bench.count(100);
    bench.answer(Some(50_000));
    bench.limiter.remove(&alice(), 100);
    bench.slots.shut = true;
    assert_eq!(bench.count(120), Some(100));
    assert_eq!(bench.asks(), [(120, 100)]);
    bench.answer(None);
    assert_eq!(bench.asks(), []);
    assert!(bench.limiter.held.is_empty());
}

#[test]
fn the_nearest_come_first_when_more_ask_than_fit() {
    let mut bench = Bench::new();
    bench.slots.ahead = u64::MAX;
    for number in 0..=MAX_ASKS as u64 {
        let slot = slot(&format!("slot{number}"));
        bench.slots.counts.insert(slot.clone(), number);
        bench.limiter.limit(&slot, number.max(1), 1_000 - number, bench.now);
        bench.slots.counts.insert(slot, number * 3);
    }
    let asks = bench.limiter.asks(&bench.slots);
    assert_eq!(asks.len(), MAX_ASKS);
    let left: Vec<_> = asks.iter().map(|ask| ask.held.get() - ask.count.get()).collect();
    assert!(left.is_sorted());
}

#[test]
fn another_epoch_has_no_limits() {
    let mut bench = Bench::new();
    bench.count(100);
    bench.answer(Some(50_000));
    bench.limiter.clear();
    assert_eq!(bench.count(100), Some(1_100));
    assert!(bench.limiter.has_changed());
}

#[test]
fn a_slot_that_moved_is_looked_at_and_the_others_when_time_has_passed() {
    let mut bench = Bench::new();
    bench.slots.ahead = 100;
    bench.count(10);
    bench.answer(Some(5_000));
    assert_eq!(bench.due(), None);
    bench.slots.counts.insert(alice(), 4_950);
    assert!(!bench.is_due_within_the_tick(), "nobody has told that it moved");
    bench.count(4_950);
    assert!(bench.is_due_within_the_tick());
    assert!(bench.is_due_within_the_tick(), "until it is answered");
    bench.answer(Some(50_000));
    assert!(!bench.is_due_within_the_tick());
    bench.slots.ahead = 100_000;
    assert!(!bench.is_due_within_the_tick());
    bench.ticks += 1;
    assert!(bench.is_due_within_the_tick(), "it has become faster");
}
