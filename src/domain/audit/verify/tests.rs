//! The log of a few rows, changed in every way that somebody might try.

use super::*;

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A log as it lies in the database.
struct Log {
    rows: Vec<(Row, String)>,
    head: Option<Head>,
}

fn row(number: i64) -> Row {
    let text = |prefix: &str| format!("{prefix} {number}");
    Row {
        number,
        at: 1_794_744_000 + number,
        actor_kind: "operator".into(),
        actor: text("admin"),
        action: "user.change".into(),
        subject: text("users/ann"),
        before: Some(text("before")),
        after: Some(text("after")),
        origin: Some("192.0.2.1".into()),
        request: text("request"),
    }
}

fn log_of(key: &[u8], rows: impl IntoIterator<Item = Row>) -> Log {
    let mut previous = Link::NONE;
    let mut linked = Vec::new();
    for row in rows {
        previous = Link::of(key, previous, &row);
        linked.push((row, previous.to_string()));
    }
    let count = i64::try_from(linked.len()).unwrap();
    Log { rows: linked, head: Some(Head::sealed(key, count, previous)) }
}

fn log(count: i64) -> Log {
    log_of(KEY, (1..=count).map(row))
}

impl Log {
    fn whole(&self) -> Verdict {
        verify(KEY, &Walk { from: 1, rows: &self.rows, most: 1_000, ended: true, head: self.head.as_ref() })
    }

    /// Pieces of `most` rows, as the API reads them, until the first that is not right.
    fn in_pieces(&self, most: usize) -> Verdict {
        let mut from = 1;
        loop {
            let low = if from == 1 { i64::MIN } else { from - 1 };
            let rows: Vec<_> = self.rows.iter().filter(|(row, _)| row.number >= low).cloned().collect();
            let window = most + LOOK_AHEAD + 1;
            let ended = rows.len() <= window;
            let rows = rows.get(..rows.len().min(window)).unwrap();
            let verdict = verify(KEY, &Walk { from, rows, most, ended, head: self.head.as_ref() });
            match verdict.next {
                Some(next) if verdict.is_ok() || verdict.first_broken.is_none() => from = next,
                _ => return verdict,
            }
        }
    }

    fn broken(&self) -> Option<(i64, Kind)> {
        let whole = self.whole();
        assert_eq!(whole.is_ok(), whole.first_broken.is_none() && whole.head == HeadState::Ok);
        for most in [1, 2, 3, 7] {
            let piece = self.in_pieces(most);
            assert_eq!(piece.first_broken, whole.first_broken, "in pieces of {most}");
            assert_eq!(piece.head, whole.head);
        }
        whole.first_broken.map(|broken| (broken.number, broken.kind))
    }
}

#[test]
fn a_log_as_it_was_written_is_right_in_one_piece_and_in_many() {
    for count in [1, 2, 30] {
        let log = log(count);
        assert_eq!(log.broken(), None);
        assert_eq!((log.whole().tail, log.whole().head), (Tail::Ok, HeadState::Ok));
        assert_eq!(log.in_pieces(4).tail, Tail::Ok);
    }
}

#[test]
fn any_field_that_is_edited_is_found_wherever_it_is() {
    let edits: [fn(&mut Row); 9] = [
        |row| row.at += 1,
        |row| row.actor_kind.push('x'),
        |row| row.actor.push('x'),
        |row| row.action.push('x'),
        |row| row.subject.push('x'),
        |row| row.before = None,
        |row| row.after = None,
        |row| row.origin = None,
        |row| row.request.push('x'),
    ];
    for edit in edits {
        for number in [1, 10, 20] {
            let mut log = log(20);
            edit(&mut log.rows[number - 1].0);
            assert_eq!(log.broken(), Some((i64::try_from(number).unwrap(), Kind::Edited)));
        }
    }
}

#[test]
fn an_edited_link_is_found() {
    for link in ["", "no link", &Link::NONE.to_string()] {
        let mut log = log(20);
        log.rows[9].1 = link.into();
        assert_eq!(log.broken(), Some((10, Kind::Edited)));
    }
    let mut log = log(20);
    log.rows[19].1 = Link::NONE.to_string();
    assert_eq!(log.broken(), Some((20, Kind::Rewritten)));
}

#[test]
fn a_row_that_is_gone_is_found() {
    for number in [1, 10, 19] {
        let mut log = log(20);
        log.rows.remove(number - 1);
        assert_eq!(log.broken(), Some((i64::try_from(number).unwrap(), Kind::Missing)));
    }
}

#[test]
fn a_cut_tail_is_found() {
    for left in [0, 1, 19] {
        let mut log = log(20);
        log.rows.truncate(left);
        assert_eq!(log.broken(), Some((i64::try_from(left).unwrap() + 1, Kind::Cut)));
        assert_eq!(log.whole().tail, Tail::Cut);
    }
}

#[test]
fn a_head_that_is_moved_without_the_key_is_found() {
    let mut log = log(20);
    log.rows.truncate(15);
    let head = log.head.as_mut().unwrap();
    (head.count, head.link) = (15, log.rows[14].1.clone());
    assert_eq!((log.broken(), log.whole().head, log.whole().tail), (None, HeadState::Forged, Tail::Unknown));
    log.head = None;
    assert_eq!((log.whole().head, log.whole().is_ok()), (HeadState::Missing, false));
}

#[test]
fn a_log_that_was_wiped_with_its_head_is_not_right() {
    let head = Head { count: 0, link: String::new(), seal: String::new() };
    let wiped = Log { rows: Vec::new(), head: Some(head) };
    assert_eq!((wiped.whole().head, wiped.whole().is_ok()), (HeadState::New, false));
}

#[test]
fn rows_that_changed_places_are_found() {
    let mut log = log(20);
    let (one, other) = (log.rows[4].clone(), log.rows[9].clone());
    log.rows[4] = (Row { number: 5, ..other.0 }, other.1);
    log.rows[9] = (Row { number: 10, ..one.0 }, one.1);
    assert_eq!(log.broken(), Some((5, Kind::Edited)));
}

#[test]
fn rows_that_were_added_are_found() {
    let mut log = log(20);
    log.rows.push((row(21), Link::NONE.to_string()));
    assert_eq!(log.broken(), Some((21, Kind::Beyond)));
    log.rows.pop();
    log.rows.insert(0, (row(-3), Link::NONE.to_string()));
    assert_eq!(log.broken(), Some((-3, Kind::Beyond)));
}

#[test]
fn a_row_that_was_pushed_in_between_is_found() {
    let mut log = log(20);
    for (row, _) in &mut log.rows[9..] {
        row.number += 1;
    }
    log.rows.insert(9, (row(10), Link::NONE.to_string()));
    assert_eq!(log.broken(), Some((10, Kind::Rewritten)));
}

#[test]
fn a_log_that_was_rewritten_with_another_key_is_found_from_its_first_row_on() {
    for from in [1, 12] {
        let mut log = log(20);
        let other = log_of(b"another key", (1..=20).map(row));
        log.rows.truncate(from - 1);
        log.rows.extend(other.rows.into_iter().skip(from - 1));
        log.head = other.head;
        assert_eq!(log.broken(), Some((i64::try_from(from).unwrap(), Kind::Rewritten)));
        assert_eq!(log.whole().head, HeadState::Forged);
    }
}

#[test]
fn an_older_head_that_was_put_back_is_found_by_the_rows_beyond_it() {
    let mut log = log(20);
    log.head = Some(self::log(15).head.unwrap());
    assert_eq!(log.broken(), Some((16, Kind::Beyond)));
}

#[test]
fn rows_of_another_life_of_the_database_do_not_pass() {
    let mut log = log(20);
    let other = Row { actor: "somebody else".into(), ..row(20) };
    let link = Link::of(KEY, Link::read(&log.rows[18].1).unwrap(), &other);
    log.rows[19] = (other, link.to_string());
    assert_eq!(log.broken(), Some((20, Kind::Rewritten)));
}

#[test]
fn a_log_that_went_on_after_its_head_was_forged_says_so_for_good() {
    let mut rows: Vec<Row> = (1..=20).map(row).collect();
    rows[9].action = UNSEALED.into();
    assert_eq!(log_of(KEY, rows).broken(), Some((10, Kind::Unsealed)));
}

#[test]
fn a_piece_without_the_row_before_it_is_not_right() {
    let log = log(20);
    let walk = Walk { from: 5, rows: &log.rows[4..], most: 100, ended: true, head: log.head.as_ref() };
    assert_eq!(verify(KEY, &walk).first_broken, Some(Broken { number: 4, kind: Kind::Missing }));
}
