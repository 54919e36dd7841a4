//! The SQL of grants against their model: the same random histories, and every number compared after every step.

use proptest::prelude::*;
use weir::store::epochs::Guard;
use weir::store::usage::{self, AnswerRow, AskRow, Charge, Landing, Late};
use weir_wire::grant::{Account, COEFFICIENT_ONE, Entry, Rules};
use weir_wire::{Bytes, Epoch, NodeId, Second, SlotName};

use crate::sqlite::Sqlite;

const NOW: i64 = 1_800_000_000;
const USER: i64 = 7;

/// What happens to the one user of a history, on one of three nodes.
#[derive(Clone, Debug)]
enum Step {
    Ask { node: u8, n: u64, count: u64, stated: u64 },
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
        5 => (node.clone(), 0_u64..40, size(), size())
            .prop_map(|(node, n, count, stated)| Step::Ask { node, n, count, stated }),
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

    fn ask(&self, node: u8, n: u64, count: u64, stated: u64, rules: Rules) -> Option<u64> {
        let row = AskRow(self.slot.clone(), self.key(node), Bytes::saturating(count), Bytes::saturating(stated));
        let statement = usage::ask(&[row], n, coefficient(node), rules, Second::clamped(NOW));
        let answers: Vec<AnswerRow> = self.sqlite.all(&statement).unwrap();
        answers.first().map(|row| {
            let (slot, limit): (SlotName, u64) = serde_json::from_str(&row.answer).unwrap();
            assert_eq!(slot, self.slot);
            limit
        })
    }

    fn report(&self, node: u8, bytes: u64) {
        let revision = self.sqlite.value("SELECT revision FROM usage");
        let at = Second::clamped(NOW);
        let charge = Charge(USER, self.key(node), Bytes::saturating(bytes), revision, Landing::Current, at, at, false);
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
            Step::Ask { node, n, count, stated } => {
                let expected = model.ask(&panel.key(node), n, count, stated, coefficient(node), rules);
                assert_eq!(panel.ask(node, n, count, stated, rules), expected, "{step:?}");
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
    let charge = Charge(USER, panel.key(0), Bytes::mib(5), 3, Landing::Current, at, at, false);
    let outcome = panel.sqlite.run(&usage::apply(&[charge], &panel.guard(0), COEFFICIENT_ONE, at));
    assert_eq!(outcome, Err(weir::store::StoreError::Stale));
    assert_eq!(panel.account(), before);
}

#[test]
fn a_report_behind_or_ahead_of_its_epoch_changes_nothing() {
    let panel = Panel::new();
    let before = panel.account();
    let at = Second::clamped(NOW);
    let charge = Charge(USER, panel.key(0), Bytes::mib(5), 0, Landing::Current, at, at, false);
    let guard = Guard { last_seq: 1, ..panel.guard(0) };
    panel.sqlite.run(&usage::apply(&[charge], &guard, COEFFICIENT_ONE, at)).unwrap();
    assert_eq!(panel.account(), before);
}

#[test]
fn a_month_that_ends_is_kept_and_late_bytes_are_added_to_it() {
    let panel = Panel::new();
    panel.sqlite.execute("UPDATE usage SET monthly_quota = 1000");
    panel.report(0, 600);
    let (next, end) = (Second::clamped(NOW + 1_000), Second::clamped(NOW + 5_000));
    let roll = Charge(USER, panel.key(0), Bytes::saturating(40), 0, Landing::Roll, next, end, false);
    panel.sqlite.run(&usage::apply(&[roll], &panel.guard(0), COEFFICIENT_ONE, next)).unwrap();
    let late = Charge(USER, panel.key(1), Bytes::saturating(25), 1, Landing::Late, next, end, false);
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
