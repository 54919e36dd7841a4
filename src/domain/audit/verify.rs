//! Finding out whether the log is as it was written.
//!
//! A long log is looked at a piece at a time. A piece begins behind a row that an earlier one has found right, and takes
//! that row's stored link for granted; the first begins at row 1.

use serde::Serialize;

use super::{Head, Link, Row, UNSEALED};

/// Rows beyond a piece that are read besides: they tell an edited row from a rewritten chain.
pub const LOOK_AHEAD: usize = 8;

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Its link does not fit it, and rows after it fit again.
    Edited,
    /// Its link does not fit, and none after it does: from here on it is not our chain.
    Rewritten,
    /// It is not there, and later ones are.
    Missing,
    /// It is not there, nor are any after it that the head knows of.
    Cut,
    /// The head knows nothing of it: it was added, or an older head was put back.
    Beyond,
    /// It says that the head was not sealed by our key when the log went on here.
    Unsealed,
}

/// The first row that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Its number.
    pub number: i64,
    /// What is wrong.
    pub kind: Kind,
}

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tail {
    /// The last row is the one that the head names.
    Ok,
    /// Rows that the head counts are not there.
    Cut,
    /// This piece does not reach the end, or the head cannot be believed.
    Unknown,
}

/// The head row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadState {
    /// Sealed by our key.
    Ok,
    /// Not sealed by our key: somebody wrote it, or the key is another one since.
    Forged,
    /// As a panel is made. Either nothing was ever recorded, or everything was wiped away.
    New,
    /// There is no head row.
    Missing,
}

/// A head that was kept outside, against the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The log passes through it.
    Ok,
    /// The row with its number has another link: everything up to there was written anew.
    Differs,
    /// There is no row with its number.
    Missing,
}

/// A piece of the log, as it was read.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    /// Number of the first row to look at, from 1 on.
    pub from: i64,
    /// The rows from the one before it on, in order of their numbers, each with its stored link; with `from` 1 all that
    /// come first, whatever their numbers.
    pub rows: &'a [(Row, String)],
    /// How many of them to look at, not counting the one before the first. The others are [`LOOK_AHEAD`].
    pub most: usize,
    /// Whether no row follows the last of `rows`.
    pub ended: bool,
    /// The head row.
    pub head: Option<&'a Head>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Rows that were looked at.
    pub checked: usize,
    /// The first row that is not as it was written.
    pub first_broken: Option<Broken>,
    /// The end.
    pub tail: Tail,
    /// The head.
    pub head: HeadState,
    /// Where the next piece begins.
    pub next: Option<i64>,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.first_broken.is_none() && self.tail != Tail::Cut && self.head == HeadState::Ok
    }
}

/// Looks at a piece of the log.
#[must_use]
pub fn verify(key: &[u8], walk: &Walk<'_>) -> Verdict {
    let sealed = walk.head.and_then(|head| head.link(key).map(|link| (head.count, link)));
    let (before, rows) = match walk.rows.split_first() {
        Some((row, rest)) if walk.from > 1 && row.0.number == walk.from - 1 => (Some(row), rest),
        _ => (None, walk.rows),
    };
    let (looked_at, ahead) = rows.split_at(rows.len().min(walk.most));
    let reaches_end = walk.ended && ahead.is_empty();
    let mut steps = Vec::with_capacity(rows.len());
    let mut previous = before.map_or(Link::NONE, |(_, link)| stored(link));
    for (row, link) in rows {
        steps.push(Link::of(key, previous, row).to_string() == *link);
        previous = stored(link);
    }

    let mut first_broken =
        (walk.from > 1 && before.is_none()).then_some(Broken { number: walk.from - 1, kind: Kind::Missing });
    let mut expected = walk.from;
    for (index, (row, _)) in looked_at.iter().enumerate() {
        let number = row.number;
        let fits = steps.get(index).is_some_and(|fits| *fits);
        let kind = if number > expected {
            Some((expected, Kind::Missing))
        } else if number < expected || sealed.is_some_and(|(count, _)| number > count) {
            Some((number, Kind::Beyond))
        } else if !fits {
            let fits_again = steps.iter().skip(index + 1).any(|fits| *fits)
                || (walk.ended && sealed == rows.last().map(|(row, link)| (row.number, stored(link))));
            Some((number, if fits_again { Kind::Edited } else { Kind::Rewritten }))
        } else {
            (row.action == UNSEALED).then_some((number, Kind::Unsealed))
        };
        first_broken = first_broken.or(kind.map(|(number, kind)| Broken { number, kind }));
        expected = number.saturating_add(1);
    }

    let last = looked_at.last().or(before);
    let tail = match sealed {
        Some((count, link)) if reaches_end => {
            let end = last.map_or(0, |(row, _)| row.number);
            if end < count {
                first_broken = first_broken.or(Some(Broken { number: end.saturating_add(1).max(1), kind: Kind::Cut }));
                Tail::Cut
            } else {
                // A row that is right in itself and not the one that was sealed: from an older copy of the log.
                if end == count && last.is_some_and(|(_, text)| stored(text) != link) {
                    first_broken = first_broken.or(Some(Broken { number: end, kind: Kind::Rewritten }));
                }
                Tail::Ok
            }
        }
        _ => Tail::Unknown,
    };
    let head = match (walk.head, sealed) {
        (None, _) => HeadState::Missing,
        (Some(_), Some(_)) => HeadState::Ok,
        (Some(head), None) if head.is_new() => HeadState::New,
        (Some(_), None) => HeadState::Forged,
    };
    Verdict { checked: looked_at.len(), first_broken, tail, head, next: (!reaches_end).then_some(expected) }
}

/// A stored link; what is none stands for no row's.
fn stored(text: &str) -> Link {
    Link::read(text).unwrap_or(Link::NONE)
}

#[cfg(test)]
mod tests;
