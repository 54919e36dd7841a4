//! The SQL of grants against their model: the same random histories, and every number compared after every step.

use proptest::prelude::*;
use weir::store::epochs::{self, Guard};
use weir::store::node_list;
use weir::store::usage::{self, AnswerRow, AskRow, Charge, Landing, Late};
use weir_wire::grant::{Account, Asked, COEFFICIENT_ONE, Entry, Rules, kept};
use weir_wire::{Bytes, Epoch, NodeId, Second, SlotName};

use crate::sqlite::Sqlite;

const NOW: i64 = 1_800_000_000;
const USER: i64 = 7;

/// What happens to the one user of a history, on one of three nodes.
#[derive(Clone, Debug)]
enum Step {
    Ask { node: u8, asked: Asked },
    Report { node: u8, bytes: u64 },
    Quota { month: u64, total: u64 },
    Buy(u64),
    Reset,
    Gate(bool),
    Leave { node: u8 },
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..5,
        0_u64..5_000,
        0..Bytes::mib(300).get(),
        0..Bytes::gib(100).get(),
        // The end of the scale, from where every product must still fit into 63 bits.
        Just(Bytes::MAX.get() / 2_048),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0_u8..3;
    prop_oneof![
        5 => (node.clone(), 0_u64..40, size(), size(), any::<bool>())
            .prop_map(|(node, n, count, held, gives_back)| Step::Ask { node, asked: Asked { n, count, held, gives_back } }),
        5 => (node.clone(), size()).prop_map(|(node, bytes)| Step::Report { node, bytes }),
        1 => (size(), size()).prop_map(|(month, total)| Step::Quota { month, total }),
        1 => size().prop_map(Step::Buy),
        1 => Just(Step::Reset),
        1 => any::<bool>().prop_map(Step::Gate),
        1 => node.prop_map(|node| Step::Leave { node }),
    ]
}

/// The three nodes charge differently, one nothing at all.
fn coefficient(node: u8) -> u32 {
    [COEFFICIENT_ONE, 333, 0][usize::from(node)]
}

struct Panel {
    sqlite: Sqlite,
    slot: SlotName,
    epoch: Epoch,
}

impl Panel {
    fn new() -> Self {
        let sqlite = Sqlite::new();
        sqlite.execute(&format!(
            "INSERT INTO users (id, name, gate, slot, created_at) VALUES ({USER}, 'ann', 'open', 'slot7', 0);
             INSERT INTO slots (name, user, gate, born, changed) VALUES ('slot7', {USER}, 'open', 1, 1);
             INSERT INTO usage (user, period_start, period_end) VALUES ({USER}, {}, {});",
            NOW - 1_000,
            NOW + 1_000,
        ));
        Self { sqlite, slot: "slot7".parse().unwrap(), epoch: Epoch::from_random(9) }
    }

    fn key(&self, node: u8) -> String {
        usage::entry_key(NodeId(u32::from(node)), self.epoch, &self.slot)
    }

    fn guard(&self, node: u8) -> Guard {
        Guard { node: NodeId(u32::from(node)), epoch: self.epoch, last_seq: 0 }
    }

    fn ask(&self, node: u8, asked: Asked, rules: Rules) -> Option<u64> {
        self.ask_at(node, asked, rules, NOW).0
    }

    /// The answer, and whether grants of other nodes are called for.
    fn ask_at(&self, node: u8, asked: Asked, rules: Rules, now: i64) -> (Option<u64>, bool) {
        self.answer(self.key(node), asked, coefficient(node), rules, now)
    }

    fn answer(&self, key: String, asked: Asked, coefficient: u32, rules: Rules, now: i64) -> (Option<u64>, bool) {
        let Asked { n, count, held, gives_back } = asked;
        let (count, held) = (Bytes::saturating(count), Bytes::saturating(held));
        let row = AskRow(self.slot.clone(), key, count, held, gives_back);
        let statement = usage::ask(&[row], n, coefficient, rules, Second::clamped(now));
        let answers: Vec<AnswerRow> = self.sqlite.all(&statement).unwrap();
        let limit = answers.first().map(|row| {
            let (slot, limit): (SlotName, u64) = serde_json::from_str(&row.answer).unwrap();
            assert_eq!(slot, self.slot);
            limit
        });
        (limit, answers.first().is_some_and(|row| row.called_at == now))
    }

    /// The same of a node of its own, which charges one to one as node 0 does.
    fn ask_of_another(&self, asked: Asked, rules: Rules, now: i64) -> (Option<u64>, bool) {
        let key = usage::entry_key(NodeId(9), self.epoch, &self.slot);
        self.answer(key, asked, COEFFICIENT_ONE, rules, now)
    }

    fn report(&self, node: u8, bytes: u64) {
        let revision = self.sqlite.value("SELECT revision FROM usage");
        let at = Second::clamped(NOW);
        let charge =
            Charge(USER, self.key(node), Bytes::saturating(bytes), revision, Landing::Current, at, at, false, false);
        self.sqlite.run(&usage::apply(&[charge], &self.guard(node), coefficient(node), at)).unwrap();
    }

    /// The account as the database has it.
    fn account(&self) -> Account<String> {
        let number = |column: &str| self.sqlite.value::<u64>(&format!("SELECT {column} FROM usage"));
        let entries: String = self.sqlite.value("SELECT entries FROM usage");
        let entries: std::collections::BTreeMap<String, [u64; 7]> = serde_json::from_str(&entries).unwrap();
        Account {
            open: self.sqlite.value::<String>("SELECT gate FROM slots") == "open",
            monthly_quota: number("monthly_quota"),
            total_quota: number("total_quota"),
            month: number("month"),
            lifetime: number("lifetime"),
            bonus_left: number("bonus_left"),
            bonus_spent: number("bonus_spent"),
            remainder: number("remainder"),
            known: number("known"),
            out: number("out"),
            entries: entries
                .into_iter()
                .map(|(key, [n, count, reported, held, known, spendable, _])| {
                    (key, Entry { n, count, reported, held, known, spendable })
                })
                .collect(),
        }
    }
}

fn play(steps: Vec<Step>, floor: u64) {
    let rules = Rules { floor: Bytes::saturating(floor), ..Rules::default() };
    let panel = Panel::new();
    let mut model = panel.account();
    for step in steps {
        match step.clone() {
            Step::Ask { node, asked } => {
                let expected = model.ask(&panel.key(node), asked, coefficient(node), rules);
                assert_eq!(panel.ask(node, asked, rules), expected, "{step:?}");
            }
            Step::Report { node, bytes } => {
                model.report(&panel.key(node), bytes, coefficient(node));
                panel.report(node, bytes);
            }
            Step::Quota { month, total } => {
                (model.monthly_quota, model.total_quota) = (month, total);
                panel.sqlite.execute(&format!("UPDATE usage SET monthly_quota = {month}, total_quota = {total}"));
            }
            Step::Buy(bytes) => {
                model.bonus_left += bytes;
                panel.sqlite.execute(&format!("UPDATE usage SET bonus_left = bonus_left + {bytes}"));
            }
            Step::Reset => {
                model.month = 0;
                panel.sqlite.execute("UPDATE usage SET month = 0");
            }
            Step::Gate(open) => {
                model.open = open;
                let gate = if open { "open" } else { "disabled" };
                panel.sqlite.execute(&format!("UPDATE slots SET gate = '{gate}'"));
            }
            Step::Leave { node } => {
                model.leave(&panel.key(node));
                panel.sqlite.run(&usage::leave_epoch(panel.epoch, &panel.guard(node))).unwrap();
            }
        }
        assert_eq!(panel.account(), model, "after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn sql_and_model_agree_on_every_history(
        steps in prop::collection::vec(step(), 1..40),
        floor in prop_oneof![Just(0), Just(10), Just(Bytes::mib(1).get())],
    ) {
        play(steps, floor);
    }
}

#[test]
fn a_report_prepared_on_an_older_revision_changes_nothing() {
    let panel = Panel::new();
    let before = panel.account();
    let at = Second::clamped(NOW);
    let charge = Charge(USER, panel.key(0), Bytes::mib(5), 3, Landing::Current, at, at, false, false);
    let outcome = panel.sqlite.run(&usage::apply(&[charge], &panel.guard(0), COEFFICIENT_ONE, at));
    assert_eq!(outcome, Err(weir::store::StoreError::Stale));
    assert_eq!(panel.account(), before);
}

#[test]
fn a_report_behind_or_ahead_of_its_epoch_changes_nothing() {
    let panel = Panel::new();
    let before = panel.account();
    let at = Second::clamped(NOW);
    let charge = Charge(USER, panel.key(0), Bytes::mib(5), 0, Landing::Current, at, at, false, false);
    let guard = Guard { last_seq: 1, ..panel.guard(0) };
    panel.sqlite.run(&usage::apply(&[charge], &guard, COEFFICIENT_ONE, at)).unwrap();
    assert_eq!(panel.account(), before);
}

#[test]
fn what_a_ledger_set_aside_had_counted_blocks_a_quota_for_a_day_and_is_known_again_should_it_come_back() {
    let (panel, rules) = (Panel::new(), Rules::default());
    let mib = |count| Bytes::mib(count).get();
    panel.sqlite.execute(&format!("UPDATE usage SET monthly_quota = {}", mib(100)));
    let fresh = usage::entry_key(NodeId(0), Epoch::from_random(10), &panel.slot);
    let hear = |epoch, now| {
        let seen = crate::scene::seen(Second::clamped(now));
        panel.sqlite.run(&epochs::see(NodeId(0), epoch, &seen)).unwrap();
    };
    let ask = |key: &str, n, count, held, now| {
        let asked = Asked { n, count, held, gives_back: false };
        panel.answer(key.to_owned(), asked, COEFFICIENT_ONE, rules, now)
    };
    let free = |now| panel.sqlite.run(&usage::free_idle(&[USER], Second::clamped(now))).unwrap();
    hear(panel.epoch, NOW);
    assert_eq!(ask(&panel.key(0), 1, 0, 0, NOW), (Some(mib(50)), false));
    assert_eq!(ask(&panel.key(0), 2, mib(100), mib(50), NOW), (Some(mib(100)), false), "nothing of it is reported");
    let day = NOW + usage::GRANT_FREED_AFTER;
    assert_eq!(panel.ask_of_another(Asked { n: 1, ..Asked::default() }, rules, day), (Some(0), false));
    free(day);
    assert_eq!(panel.account().known, mib(100), "the node is down, and may report it yet");
    hear(Epoch::from_random(10), day - 1);
    assert_eq!(ask(&fresh, 1, 0, 0, day - 1), (Some(0), false));
    free(day - 1);
    assert_eq!(panel.account().known, mib(100), "its old ledger may come back");
    hear(Epoch::from_random(10), day);
    assert_eq!(ask(&fresh, 2, 0, 0, day), (Some(0), true));
    free(day);
    assert_eq!(panel.account().known, 0);
    assert_eq!(ask(&fresh, 3, 0, 0, day + 30), (Some(mib(50)), false));
    assert_eq!(ask(&panel.key(0), 3, mib(100), mib(100), day + 60).0, Some(mib(100)), "it did");
    free(day + 60);
    assert_eq!(panel.account().known, mib(100));
    panel.report(0, mib(100));
    assert_eq!((panel.account().month, panel.account().known), (mib(100), 0));
}

#[test]
fn a_month_that_ends_is_kept_and_late_bytes_are_added_to_it() {
    let panel = Panel::new();
    panel.sqlite.execute("UPDATE usage SET monthly_quota = 1000");
    panel.report(0, 600);
    let (next, end) = (Second::clamped(NOW + 1_000), Second::clamped(NOW + 5_000));
    let roll = Charge(USER, panel.key(0), Bytes::saturating(40), 0, Landing::Roll, next, end, false, false);
    panel.sqlite.run(&usage::apply(&[roll], &panel.guard(0), COEFFICIENT_ONE, next)).unwrap();
    let late = Charge(USER, panel.key(1), Bytes::saturating(25), 1, Landing::Late, next, end, false, false);
    let at = Second::clamped(NOW);
    panel
        .sqlite
        .batch(&[
            usage::apply(&[late], &panel.guard(1), COEFFICIENT_ONE, at),
            usage::apply_late(&[Late(USER, next, end)], &panel.guard(1), at),
        ])
        .unwrap();
    let account = panel.account();
    assert_eq!((account.month, account.lifetime), (40, 665));
    let kept: String = panel.sqlite.value("SELECT json_array(start, end, quota, bytes) FROM periods");
    assert_eq!(kept, format!("[{},{},1000,625]", NOW - 1_000, NOW + 1_000));
}

#[test]
fn late_bytes_of_two_slots_of_one_user_are_all_added_to_the_period_in_which_they_flowed() {
    let panel = Panel::new();
    panel.sqlite.execute("UPDATE usage SET monthly_quota = 1000, bonus_left = 500");
    panel.report(0, 600);
    // The sweep begins the next period before the report comes.
    let (next, end) = (NOW + 1_000, NOW + 5_000);
    panel.sqlite.execute(&format!(
        "UPDATE usage SET month = 0, period_start = {next}, period_end = {end}, revision = revision + 1"
    ));
    let at = Second::clamped(NOW);
    let (start, until) = (Second::clamped(NOW - 1_000), Second::clamped(next));
    let line = |slot: &str, bytes, again| {
        let key = usage::entry_key(NodeId(0), panel.epoch, &slot.parse().unwrap());
        Charge(USER, key, Bytes::saturating(bytes), 1, Landing::Late, start, until, false, again)
    };
    // His credentials were replaced just before the period's end; of the third line 100 bytes fit under its quota.
    let lines = [line("slot7", 250, false), line("slot8", 50, true), line("slot9", 225, true)];
    panel
        .sqlite
        .batch(&[
            usage::apply(&lines, &panel.guard(0), COEFFICIENT_ONE, at),
            usage::apply_late(&[Late(USER, start, until)], &panel.guard(0), at),
        ])
        .unwrap();
    let account = panel.account();
    assert_eq!((account.month, account.lifetime), (0, 1_125));
    assert_eq!((account.bonus_left, account.bonus_spent), (375, 125));
    assert_eq!(panel.sqlite.value::<String>("SELECT json_group_array(bytes) FROM periods"), "[1000]");
}

#[test]
fn a_node_is_deleted_together_with_what_it_holds_and_what_it_has_counted_stays_known() {
    let (panel, rules) = (Panel::new(), Rules::default());
    panel.sqlite.execute(
        "UPDATE usage SET monthly_quota = 1000000000;
         INSERT INTO nodes (id, name, address, created_at) VALUES (1, 'a', 'a', 0), (2, 'b', 'b', 0)",
    );
    panel.ask(1, Asked { n: 1, count: 300, held: 300, gives_back: false }, rules).unwrap();
    panel.ask(2, Asked { n: 1, count: 0, held: 500, gives_back: false }, rules).unwrap();
    let before = panel.account();
    // Nothing follows: whoever deletes it again finds no node.
    panel.sqlite.batch(&node_list::delete(NodeId(1), Second::clamped(NOW))).unwrap();
    assert_eq!(panel.sqlite.value::<String>("SELECT group_concat(id) FROM nodes WHERE deleted_at IS NULL"), "2");
    let account = panel.account();
    assert!(account.entries[&panel.key(1)].spendable == 0 && before.entries[&panel.key(1)].spendable > 0);
    assert_eq!(account.entries[&panel.key(2)], before.entries[&panel.key(2)]);
    assert_eq!((account.out, account.known), (account.entries[&panel.key(2)].spendable, before.known));
}

/// A user whose last floor is held by a node at which he does nothing, and the node where he is, by turns: the first is called
/// whenever the panel says so, and answers as `give_back` says. Returns after how many calls the other one has everything.
fn calls_until_the_last_floor_arrives(give_back: impl Fn(u64) -> Option<u64>) -> Option<u32> {
    let (panel, rules) = (Panel::new(), Rules::default());
    panel.sqlite.execute(&format!("UPDATE usage SET monthly_quota = {}", Bytes::mib(10).get()));
    let (mut idle, mut busy) = (0, 0);
    let ask =
        |node, n, count, held, gives_back, now| panel.ask_at(node, Asked { n, count, held, gives_back }, rules, now);
    let mut calls = 0;
    for turn in 0..200 {
        let (n, now) = (1 + u64::try_from(turn).unwrap(), NOW + 30 * turn);
        if turn == 0 {
            idle = ask(0, n, 0, idle, false, now).0.unwrap();
        }
        // All that he may pass, passes.
        let asked = Asked { n, count: busy, held: busy, gives_back: false };
        let (limit, calls_others) = panel.ask_of_another(asked, rules, now);
        busy = limit.unwrap();
        if calls_others {
            calls += 1;
            let kept = give_back(idle);
            idle = ask(0, n + 1_000, 0, kept.unwrap_or(idle), kept.is_some(), now).0.unwrap();
        }
        assert!(idle + busy <= Bytes::mib(10).get(), "{idle} and {busy} of 10 MiB");
        if busy == Bytes::mib(10).get() {
            return Some(calls);
        }
    }
    None
}

#[test]
fn a_node_that_asks_when_it_is_called_keeps_the_last_floor_and_one_that_gives_back_does_not() {
    // An agent of an earlier release.
    assert_eq!(calls_until_the_last_floor_arrives(|_| None), None, "two hundred calls are not enough");
    assert_eq!(calls_until_the_last_floor_arrives(|left| Some(kept(left, false))), Some(1));
    let halves = calls_until_the_last_floor_arrives(|left| Some(kept(left, true)));
    assert!(halves.is_some_and(|calls| calls <= 24), "{halves:?}");
}
