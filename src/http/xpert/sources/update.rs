//! Fetching a source, keeping what is good of it, and publishing the list of all.

use weir_wire::Second;

use super::fetch::{Plan, fetch};
use super::own;
use crate::domain::source::gather::{Gathered, LeftOut, Stored, gather, nothing};
use crate::domain::source::ladder::Body;
use crate::domain::source::merge::merge;
use crate::domain::source::rules::Rules;
use crate::domain::xpert::list::Line;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::xpert::variables;
use crate::store::Statement;
use crate::store::sources::{self as store, Copy, Good, Source, State};

/// When a fetch that was cut off is begun again at the earliest, in seconds.
const CUT_OFF: i64 = 900;
/// How often the list is made before the next run does it: somebody changes sources at the same time.
const ATTEMPTS: usize = 4;

/// A good answer, and what of it is kept.
pub(super) struct Taken {
    pub(super) gathered: Gathered,
    userinfo: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
}

/// What came of a fetch that went well.
pub(super) enum Fetched {
    /// Something to keep.
    New(Box<Taken>),
    /// What is there already. The provider may say anew how much of it is used.
    Same(Option<String>),
}

/// Why an answer is not kept.
pub(super) struct Refused {
    pub(super) why: String,
    pub(super) left_out: LeftOut,
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self { why, left_out: LeftOut::new() }
    }
}

/// Fetches an address and keeps what the rules say.
pub(super) async fn take(
    call: &Call,
    url: &str,
    rules: &Rules,
    name: &str,
    known: (Option<&str>, Option<&str>),
    own: &[String],
) -> Result<Fetched, Refused> {
    let allowed = variables::sources_allowed(&call.env);
    let resolver = variables::resolver(&call.env);
    let mark = own::mark(call).map_err(|failure| failure.describe().2)?;
    let plan = Plan { allowed: &allowed, own, resolver: &resolver, mark: &mark, agent: &rules.user_agent, known };
    let answer = fetch(url, &plan).await?;
    let Some(bytes) = answer.body else { return Ok(Fetched::Same(answer.userinfo)) };
    let body = Body::read(&bytes).map_err(|trouble| trouble.to_string())?;
    let gathered = gather(&body, rules, name);
    if gathered.links.is_empty() {
        return Err(Refused { why: nothing(&gathered.left_out), left_out: gathered.left_out });
    }
    let (userinfo, etag, last_modified) = (answer.userinfo, answer.etag, answer.last_modified);
    Ok(Fetched::New(Box::new(Taken { gathered, userinfo, etag, last_modified })))
}

/// Fetches source `id`, or the one that is due the longest; returns it as it was before, none if there is nothing to fetch.
///
/// Whatever goes wrong with the provider is written into the source and is no failure of ours. Rows: 1 read per source and 1,
/// 2 written, 1 more when the links are others.
pub(super) async fn one(call: &Call, id: Option<i64>, own: &[String]) -> Result<Option<Source>, Failure> {
    let begun: Option<Source> = call.db.first(store::claim(id, call.now, call.now.plus(CUT_OFF))).await?;
    let Some(source) = begun else { return Ok(None) };
    let rules: Rules =
        serde_json::from_str(&source.rules).map_err(|error| Failure::Broken(format!("rules of a source: {error}")))?;
    let known = (source.etag.as_deref(), source.last_modified.as_deref());
    let outcome = take(call, &source.url, &rules, &source.name, known, own).await;
    call.db.run(end(&source, &outcome, i64::from(rules.interval_minutes) * 60, call.now)?).await?;
    Ok(Some(source))
}

/// What is written at the end of a fetch; `interval` in seconds.
fn end(source: &Source, outcome: &Result<Fetched, Refused>, interval: i64, now: Second) -> Result<Statement, Failure> {
    let regular = now.plus(interval);
    Ok(match outcome {
        Ok(Fetched::New(taken)) => {
            let links = json(&taken.gathered.links)?;
            let left_out = json(&taken.gathered.left_out)?;
            let good = Good {
                links: &links,
                count: taken.gathered.links.len(),
                format: taken.gathered.format.name(),
                left_out: &left_out,
                userinfo: taken.userinfo.as_deref(),
                etag: taken.etag.as_deref(),
                last_modified: taken.last_modified.as_deref(),
            };
            store::keep(source, &good, regular)
        }
        Ok(Fetched::Same(userinfo)) => store::same(source, userinfo.as_deref(), regular),
        Err(refused) => {
            store::fail(source, &refused.why, &json(&refused.left_out)?, retry(source.failures, interval, now))
        }
    })
}

/// When a source that failed is asked again: after five minutes at first, and never later than by its interval.
fn retry(failures: u32, interval: i64, now: Second) -> Second {
    let wait = 300_i64.saturating_mul(1 << failures.saturating_sub(1).min(10));
    now.plus(wait.min(interval))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Broken(format!("links of a source: {error}")))
}

/// Makes the published list anew if the sources or the direct configs are others than those it was made of.
///
/// Rows read: 1, and if so 1 more and 1 per source; written: 1.
pub(crate) async fn publish(call: &Call) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let state: Option<State> = call.db.first(store::state()).await?;
        if state.is_none_or(|state| state.version == state.published) {
            return Ok(());
        }
        let outcomes = call.db.batch(&store::copies()).await?;
        let [state, copies] = outcomes.as_slice() else {
            return Err(Failure::Broken("two statements, not two".into()));
        };
        let Some(state) = state.rows::<State>()?.pop() else { return Ok(()) };
        let copies = copies.rows::<Copy>()?;
        let broken = |error| Failure::Broken(format!("stored links: {error}"));
        let sources: Vec<Vec<Stored>> =
            copies.iter().map(|copy| serde_json::from_str(&copy.links)).collect::<Result<_, _>>().map_err(broken)?;
        let direct: Vec<Line> = serde_json::from_str(&state.direct).map_err(broken)?;
        let merged = merge(&sources, &direct);
        let note = merged.note();
        let written = call.db.run(store::publish(state.version, &json(&merged.lines)?, note.as_deref())).await?;
        if written.changes() > 0 {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_fails_is_asked_again_soon_and_then_by_its_interval() {
        let now = Second::clamped(1_800_000_000);
        let wait = |failures, interval| retry(failures, interval, now).since(now);
        assert_eq!([1, 2, 3, 4, 5].map(|failures| wait(failures, 3_600)), [300, 600, 1_200, 2_400, 3_600]);
        assert_eq!(wait(1, 60 * 5), 300);
        assert_eq!(wait(40, 86_400), 86_400);
    }
}
