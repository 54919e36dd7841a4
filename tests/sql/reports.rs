//! What one report does beside the usage rows: gates, roster versions, digests, vacant slots.

use weir::store::epochs::{self, Caller, Guard, Sums};
use weir::store::slots::{self, EntryRow, Movable};
use weir::store::usage::{self, AnswerRow, AskRow, Charge, Landing};
use weir::store::{Statement, nodes};
use weir_wire::grant::{COEFFICIENT_ONE, Rules};
use weir_wire::roster::RosterVersion;
use weir_wire::sync::Report;
use weir_wire::{Bytes, Epoch, NodeId, Second};

use crate::scene::{message, seen};
use crate::sqlite::Sqlite;

const NOW: Second = Second::clamped(1_800_000_000);
const NODE: NodeId = NodeId(3);

fn epoch() -> Epoch {
    Epoch::from_random(5)
}

fn guard(last_seq: u64) -> Guard {
    Guard { node: NODE, epoch: epoch(), last_seq }
}

fn report(seq: u64, digest: &str) -> Report {
    Report { digest: digest.into(), ..message(seq, NOW) }
}

fn advance(last_seq: u64, seq: u64, digest: &str) -> Statement {
    let sums = Sums { up: Bytes::saturating(1), down: Bytes::saturating(2), unknown: Bytes::saturating(3) };
    epochs::advance(&report(seq, digest), &guard(last_seq), NOW, sums, &seen(NOW))
}

/// Two users with a monthly quota of 1,000 each, and a vacant slot.
fn scene() -> Sqlite {
    let sqlite = Sqlite::new();
    sqlite.execute(
        "INSERT INTO users (id, name, gate, slot, created_at) VALUES (1, 'ann', 'open', 'slot1', 0), (2, 'bob', 'open', 'slot2', 0);
         INSERT INTO slots (name, user, gate, born, changed) VALUES
           ('slot1', 1, 'open', 1, 1), ('slot2', 2, 'open', 1, 1), ('slot3', NULL, 'vacant', 1, 1);
         INSERT INTO usage (user, monthly_quota, period_end) VALUES (1, 1000, 9007199254740991), (2, 1000, 9007199254740991);
         INSERT OR REPLACE INTO counters (name, value) VALUES ('users', 2), ('users_open', 2);
         INSERT INTO node_keys (hash, node, coefficient, node_since, created_at) VALUES ('key', 3, 1000, 0, 0);",
    );
    sqlite
}

fn charge(sqlite: &Sqlite, user: i64, bytes: u64, last_seq: u64) -> [Statement; 4] {
    let slot = format!("slot{user}").parse().unwrap();
    let revision = sqlite.value(&format!("SELECT revision FROM usage WHERE user = {user}"));
    let gate = sqlite.value(&format!("SELECT gate FROM slots WHERE user = {user}"));
    let key = usage::entry_key(NODE, epoch(), &slot);
    let charge = Charge(user, key, Bytes::saturating(bytes), revision, Landing::Current, NOW, NOW, false, false);
    [
        usage::apply(&[charge], &guard(last_seq), COEFFICIENT_ONE, NOW),
        slots::decide(&[Movable(slot, gate, user, None)], &guard(last_seq), NOW),
        slots::number_change(77),
        advance(last_seq, last_seq + 1, "digest"),
    ]
}

#[test]
fn the_report_that_uses_a_quota_up_shuts_that_gate_alone_and_draws_one_version() {
    let sqlite = scene();
    let before: u64 = sqlite.value("SELECT max(number) FROM roster_versions");
    sqlite.batch(&charge(&sqlite, 1, 999, 0)).unwrap();
    assert_eq!(sqlite.value::<String>("SELECT gate FROM slots WHERE user = 1"), "open");
    assert_eq!(sqlite.value::<u64>("SELECT max(number) FROM roster_versions"), before, "nothing moved");

    sqlite.batch(&charge(&sqlite, 1, 1, 1)).unwrap();
    let gates: String = sqlite.value("SELECT group_concat(gate) FROM (SELECT gate FROM slots ORDER BY name)");
    assert_eq!(gates, "month,open,vacant");
    let mirrored: String = sqlite.value("SELECT group_concat(gate) FROM (SELECT gate FROM users ORDER BY id)");
    assert_eq!(mirrored, "month,open");
    assert_eq!(sqlite.value::<i64>("SELECT value FROM counters WHERE name = 'users_open'"), 1);
    assert_eq!(sqlite.value::<u64>("SELECT max(number) FROM roster_versions"), before + 1);
    let held = RosterVersion { number: before, salt: 0 };
    let changed: Vec<EntryRow> = sqlite.all(&slots::changed_since(held)).unwrap();
    assert_eq!(changed.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["slot1"]);
}

#[test]
fn traffic_undoes_neither_a_persons_decision_nor_an_expiry() {
    for gate in ["disabled", "expired"] {
        let sqlite = scene();
        sqlite.execute(&format!("UPDATE slots SET gate = '{gate}' WHERE user = 1"));
        let slot = "slot1".parse().unwrap();
        // As a report would be prepared that read the gate just before it was shut.
        let stale = Movable(slot, "month".into(), 1, None);
        sqlite.batch(&[slots::decide(&[stale], &guard(0), NOW), slots::number_change(1)]).unwrap();
        assert_eq!(sqlite.value::<String>("SELECT gate FROM slots WHERE user = 1"), gate);
    }
}

#[test]
fn a_quota_that_was_raised_opens_the_gate_with_the_next_report() {
    let sqlite = scene();
    sqlite.batch(&charge(&sqlite, 1, 5_000, 0)).unwrap();
    assert_eq!(sqlite.value::<String>("SELECT gate FROM users WHERE id = 1"), "month");
    sqlite.execute("UPDATE usage SET monthly_quota = 0, total_quota = 6000 WHERE user = 1");
    sqlite.batch(&charge(&sqlite, 1, 10, 1)).unwrap();
    assert_eq!(sqlite.value::<String>("SELECT gate FROM users WHERE id = 1"), "open");
    sqlite.batch(&charge(&sqlite, 1, 990, 2)).unwrap();
    assert_eq!(sqlite.value::<String>("SELECT gate FROM users WHERE id = 1"), "total");
}

#[test]
fn a_repeated_batch_changes_nothing() {
    let sqlite = scene();
    let batch = charge(&sqlite, 1, 2_000, 0);
    sqlite.batch(&batch).unwrap();
    let dump = "SELECT (SELECT json_group_array(json_array(month, lifetime, entries)) FROM usage) ||
      (SELECT json_group_array(json_array(last_seq, up, down, unknown, digests)) FROM epochs) ||
      (SELECT json_group_array(json_array(name, gate, changed)) FROM slots) || (SELECT count(*) FROM roster_versions)";
    let before: String = sqlite.value(dump);
    sqlite.batch(&batch).unwrap();
    assert_eq!(sqlite.value::<String>(dump), before);
}

#[test]
fn the_last_64_digests_are_kept_and_a_gap_starts_them_anew() {
    let sqlite = scene();
    for seq in 1..=70 {
        sqlite.run(&advance(seq - 1, seq, &format!("d{seq}"))).unwrap();
    }
    let digests: Vec<String> = serde_json::from_str(&sqlite.value::<String>("SELECT digests FROM epochs")).unwrap();
    assert_eq!(digests.len(), epochs::DIGESTS);
    assert_eq!((digests[0].as_str(), digests[63].as_str()), ("d7", "d70"));
    assert_eq!(sqlite.value::<i64>("SELECT up FROM epochs"), 70);

    sqlite.run(&advance(70, 75, "d75")).unwrap();
    assert_eq!(sqlite.value::<String>("SELECT digests FROM epochs"), r#"["d75"]"#);
    sqlite.run(&advance(70, 76, "late")).unwrap();
    assert_eq!(sqlite.value::<i64>("SELECT last_seq FROM epochs"), 75, "it does not follow");
}

#[test]
fn bytes_that_are_lost_in_a_gap_block_no_quota_once_their_epoch_is_left() {
    let sqlite = scene();
    let key = |epoch: Epoch| usage::entry_key(NODE, epoch, &"slot1".parse().unwrap());
    let ask = |epoch, n, count| {
        let bytes = Bytes::saturating;
        let row = AskRow("slot1".parse().unwrap(), key(epoch), bytes(count), bytes(count), false);
        let rules = Rules { floor: bytes(10), ..Rules::default() };
        let answers: Vec<AnswerRow> = sqlite.all(&usage::ask(&[row], n, COEFFICIENT_ONE, rules, NOW)).unwrap();
        serde_json::from_str::<(String, u64)>(&answers[0].answer).unwrap().1 - count
    };
    let known = || sqlite.value::<i64>("SELECT known FROM usage WHERE user = 1");
    // Report 1 told 100 bytes, 2 to 4 told 900 and are gone, and 5 tells 50.
    sqlite.batch(&charge(&sqlite, 1, 100, 0)).unwrap();
    let [applied, ..] = charge(&sqlite, 1, 50, 1);
    sqlite.batch(&[applied, advance(1, 5, "five")]).unwrap();
    assert_eq!((ask(epoch(), 7, 1_050), known()), (0, 900));
    sqlite.execute("UPDATE usage SET month = 0, revision = revision + 1 WHERE user = 1");
    assert_eq!((ask(epoch(), 8, 1_050), known()), (50, 900), "no new period makes it better");
    // The first report of the next epoch, with 20 bytes, says that this one was left.
    let next = Epoch::from_random(6);
    let guard = Guard { node: NODE, epoch: next, last_seq: 0 };
    let charge = Charge(1, key(next), Bytes::saturating(20), 1, Landing::Current, NOW, NOW, false, false);
    sqlite
        .batch(&[
            usage::apply(&[charge], &guard, COEFFICIENT_ONE, NOW),
            epochs::note_lost(&guard, NOW, epoch(), 6),
            usage::leave_epoch(epoch(), &guard),
            epochs::advance(&report(1, "one"), &guard, NOW, Sums::default(), &seen(NOW)),
        ])
        .unwrap();
    assert_eq!((known(), sqlite.value::<i64>("SELECT out FROM usage WHERE user = 1")), (0, 0));
    assert_eq!(ask(next, 9, 20), 490, "half of all that is left");
    assert_eq!(sqlite.value::<i64>("SELECT count(*) FROM node_events"), 0, "the gap was told when it happened");
}

#[test]
fn a_panel_that_was_restored_to_before_an_epoch_was_left_says_what_nobody_will_send_any_more() {
    let sqlite = scene();
    sqlite.run(&advance(0, 3, "three")).unwrap();
    let guard = Guard { node: NODE, epoch: Epoch::from_random(6), last_seq: 0 };
    let detail =
        || sqlite.value::<String>("SELECT json_group_array(json_array(node, at, kind, detail)) FROM node_events");
    sqlite.run(&epochs::note_lost(&Guard { last_seq: 1, ..guard }, NOW, epoch(), 9)).unwrap();
    assert_eq!(detail(), "[]", "another report was applied meanwhile");
    sqlite.run(&epochs::note_lost(&guard, NOW, epoch(), 9)).unwrap();
    let said = format!("reports 4 to 8 of epoch {} are lost", epoch());
    assert_eq!(detail(), format!("[[3,{},\"gap\",\"{said}\"]]", NOW.get()));
}

#[test]
fn a_vacant_slot_that_moved_bytes_is_retired_and_one_that_was_taken_is_not() {
    let sqlite = scene();
    let leaked = ["slot2".parse().unwrap(), "slot3".parse().unwrap()];
    sqlite.batch(&[slots::retire_vacant(&leaked, &guard(0)), slots::number_change(1)]).unwrap();
    let gates: String = sqlite.value("SELECT group_concat(gate) FROM (SELECT gate FROM slots ORDER BY name)");
    assert_eq!(gates, "open,open,retired");
}

#[test]
fn a_caller_is_found_with_its_epoch_and_the_salt_of_the_roster_that_it_holds() {
    let sqlite = scene();
    sqlite.execute("INSERT INTO roster_versions (number, salt) VALUES (2, 22), (3, 33)");
    let caller = |hash, held| sqlite.all::<Caller>(&epochs::authenticate(hash, epoch(), true, held)).unwrap();
    assert_eq!(caller("nobody", 0), []);
    let unknown = &caller("key", 2)[0];
    assert_eq!((unknown.last_seq, unknown.digests.as_deref()), (0, None));
    assert_eq!((unknown.roster_number, unknown.roster_salt, unknown.held_salt), (3, 33, Some(22)));
    sqlite.run(&advance(0, 1, "one")).unwrap();
    let known = &caller("key", 9)[0];
    assert_eq!((known.last_seq, known.digests.as_deref()), (1, Some(r#"["one"]"#)));
    assert_eq!(known.held_salt, None, "a number that the panel never drew");
}

#[test]
fn the_first_sync_with_a_new_key_ends_the_older_ones() {
    let sqlite = scene();
    sqlite.execute(
        "INSERT INTO nodes (id, name, address, token_hash, token_expires, created_at) VALUES (3, 'n', 'a', 't', 1, 0)",
    );
    sqlite.batch(&nodes::enroll(NODE, "new", NOW)).unwrap();
    let expires: i64 = sqlite.value("SELECT expires_at FROM node_keys WHERE hash = 'key'");
    assert_eq!(expires, NOW.get() + nodes::OLD_KEY_LASTS);
    sqlite.batch(&nodes::enroll(NODE, "thief", NOW)).unwrap();
    assert_eq!(sqlite.value::<i64>("SELECT count(*) FROM node_keys WHERE hash = 'thief'"), 0, "the token was used");
    sqlite.batch(&nodes::settle_key("new", NODE)).unwrap();
    assert_eq!(sqlite.value::<String>("SELECT group_concat(hash) FROM node_keys"), "new");
}
