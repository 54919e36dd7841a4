//! Recording what admins do: no effect without its row in the log, and no row without its effect.

use super::call::Call;
use super::failure::Failure;
use super::turn::{Turn, pause};
use crate::domain::audit::{Actor, Entry, Facts, Head, Link, Row, UNSEALED};
use crate::store::audit::{self as store, End};
use crate::store::d1::Outcome;
use crate::store::{Statement, StoreError};

/// How often an action is prepared at least before its caller is told that the database is busy.
const LEAST_ATTEMPTS: u32 = 3;
/// And at most.
const MOST_ATTEMPTS: u32 = 8;
/// Beyond the least an action is prepared again only while all that the request has asked of the database, that attempt included, stays
/// within this many queries: the platform lets 50 pass, and what follows an action needs some.
const QUERIES: usize = 44;

/// What [`recorded`] is to do.
pub(crate) struct Deed<T> {
    /// The entry, and the statements that do what it says; `None` if nothing is left to be done.
    deed: Option<(Entry, Vec<Statement>)>,
    /// For the caller.
    kept: T,
}

impl<T> Deed<T> {
    /// An entry and the statements that do what it says.
    pub(crate) fn new(entry: Entry, batch: impl Into<Vec<Statement>>, kept: T) -> Self {
        Self { deed: Some((entry, batch.into())), kept }
    }

    /// Nothing is to be done or recorded.
    pub(crate) const fn nothing(kept: T) -> Self {
        Self { deed: None, kept }
    }
}

/// Does what `prepare` says and records it, in one batch that is done whole or not at all. Returns the outcomes of the
/// statements, none if there was nothing to do, and what `prepare` kept.
///
/// `prepare` runs after the head was read and again when the head has moved meanwhile, so what it reads is as no other
/// recorded action has changed it since: it should read all that it decides by, and all that the entry tells of before.
/// Rows: 1 read, 2 written.
pub(crate) async fn recorded<T>(
    call: &Call,
    actor: &Actor,
    prepare: impl AsyncFn() -> Result<Deed<T>, Failure>,
) -> Result<(Vec<Outcome>, T), Failure> {
    let key = call.secret("AUDIT_KEY")?;
    let mut turn = Turn::take().await?;
    // Queries of batches that came to nothing, which the database's handle does not count.
    let mut lost = 0;
    let mut attempt = 0;
    loop {
        let before = call.db.cost().queries;
        let end = if attempt == 0 { swift(call, &key).await? } else { careful(call, &key).await? };
        turn.keep();
        let Deed { deed, kept } = prepare().await?;
        let Some((entry, mut batch)) = deed else { return Ok((Vec::new(), kept)) };
        let own = batch.len();
        let (rows, head) = end.grow(call, actor, &entry, &key)?;
        match rows.as_slice() {
            [(row, link)] if end.is_trusted => batch.extend(store::append_next(row, link, &head, &end.found)),
            rows => batch.extend(store::append(rows, &head, &end.found)),
        }
        turn.keep();
        match call.db.batch(&batch).await {
            Ok(mut outcomes) => {
                outcomes.truncate(own);
                return Ok((outcomes, kept));
            }
            Err(StoreError::Stale) => {
                lost += batch.len();
                attempt += 1;
                let asked = call.db.cost().queries;
                if !is_worthwhile(attempt, asked + lost, asked - before + batch.len()) {
                    return Err(StoreError::Stale.into());
                }
                // Whoever waits in this isolate goes meanwhile: this one met another isolate, or took longer than a turn lasts.
                drop(turn);
                pause(25 << attempt.min(3)).await?;
                turn = Turn::take().await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether one more attempt is to be made after so many that came to nothing, `asked` queries of this request, and `last` of the last attempt.
const fn is_worthwhile(attempts: u32, asked: usize, last: usize) -> bool {
    attempts < LEAST_ATTEMPTS || (attempts < MOST_ATTEMPTS && asked + last <= QUERIES)
}

/// The end of the chain, for the daily report and the backup: kept outside, it shows whether the log was written anew.
pub(crate) async fn head(call: &Call) -> Result<Option<Head>, Failure> {
    Ok(call.db.first(store::head()).await?)
}

/// Where the next row goes.
struct Place {
    number: i64,
    previous: Link,
    /// The head's link as it was found, ours or not: it must still be so when the row comes.
    found: String,
    /// What is to be told before the row, because the head was not sealed by our key.
    unsealed: Option<Entry>,
    /// The head was taken at its word: the database says whether the last row has its number.
    is_trusted: bool,
}

/// Takes a head's word for it if our key has sealed it, and if it is one that was never used: should there be rows all the
/// same, the first number is taken and the second attempt looks. Rows read: 1.
async fn swift(call: &Call, key: &[u8]) -> Result<Place, Failure> {
    let trusted = |place: Place| Place { is_trusted: true, ..place };
    match head(call).await? {
        Some(head) if head.is_new() => Ok(trusted(after(0, Link::NONE, &head.link))),
        Some(head) => match head.link(key) {
            Some(previous) => Ok(trusted(after(head.count, previous, &head.link))),
            None => careful(call, key).await,
        },
        None => careful(call, key).await,
    }
}

fn after(count: i64, previous: Link, found: &str) -> Place {
    Place { number: count.saturating_add(1), previous, found: found.to_owned(), unsealed: None, is_trusted: false }
}

/// Looks at the rows too. A head that is not ours, and rows that it knows nothing of, do not stop the panel: the log goes on
/// behind all that is there, and says for good what was found. Rows read: 4.
async fn careful(call: &Call, key: &[u8]) -> Result<Place, Failure> {
    let found: Option<End> = call.db.first(store::end()).await?;
    let end = found.ok_or_else(|| Failure::Broken("one row gave none".into()))?;
    let head = end.head();
    let last = end.last.unwrap_or(0);
    let text = head.as_ref().map_or("", |head| &head.link);
    match head.as_ref().and_then(|head| Some((head, head.link(key)?))) {
        Some((head, previous)) if last <= head.count => Ok(after(head.count, previous, text)),
        None if last == 0 && head.as_ref().is_some_and(Head::is_new) => Ok(after(0, Link::NONE, text)),
        _ => {
            let facts = Facts::new()
                .plain("count", head.as_ref().map(|head| head.count))
                .plain("link", head.as_ref().map(|head| head.link.clone()))
                .plain("last", end.last);
            let previous = end.last_link.as_deref().and_then(Link::read).unwrap_or(Link::NONE);
            let unsealed = Some(Entry::new(UNSEALED, "audit").before(facts));
            Ok(Place { unsealed, ..after(last.max(0), previous, text) })
        }
    }
}

impl Place {
    /// The rows to add, and the head behind them.
    fn grow(&self, call: &Call, actor: &Actor, entry: &Entry, key: &[u8]) -> Result<(Vec<(Row, Link)>, Head), Failure> {
        let mut rows = Vec::with_capacity(2);
        let (mut number, mut previous) = (self.number, self.previous);
        for entry in self.unsealed.iter().chain([entry]) {
            let row = Row::new(number, call.now.get(), actor, entry, call.id()?, key);
            previous = Link::of(key, previous, &row);
            number = number.saturating_add(1);
            rows.push((row, previous));
        }
        Ok((rows, Head::sealed(key, number.saturating_sub(1), previous)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts of an action that always loses: each asks so many queries, after `before` that its handler asked.
    fn attempts(before: usize, each: usize) -> (u32, usize) {
        let (mut made, mut asked) = (0, before);
        loop {
            made += 1;
            asked += each;
            if !is_worthwhile(made, asked, each) {
                return (made, asked);
            }
        }
    }

    #[test]
    fn a_small_action_is_tried_often_and_a_large_one_as_often_as_the_platform_lets_it() {
        assert_eq!(attempts(2, 5), (8, 42));
        assert_eq!(attempts(4, 10), (4, 44));
        assert_eq!(attempts(2, 14), (3, 44));
    }

    #[test]
    fn every_action_is_tried_three_times() {
        assert_eq!(attempts(10, 20), (3, 70));
    }
}
