//! One run of a backup: chunks of what is large, and at the end the one batch and the manifest.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use weir_wire::Second;
use worker::js_sys::{Object, Reflect};
use worker::wasm_bindgen::{JsCast as _, JsValue};

use super::say;
use crate::bucket::Backups;
use crate::cron::Next;
use crate::domain::settings::Backup;
use crate::http::call::{Call, sha256_hex};
use crate::http::failure::Failure;
use crate::store::backup::{self as store, Moment, Part, State};
use crate::store::d1::Outcome;
use crate::store::jobs::Job;
use crate::store::parts::{self, Source, Table};

/// Bytes that one run copies before its last one, and queries after which it copies no more. A megabyte costs about 3 ms of CPU.
const BYTES: u64 = 1_500_000;
const QUERIES: usize = 14;
/// Rows of a table's first chunk, and of any.
const FIRST_STEP: u32 = 4_000;
const LONGEST_STEP: u32 = 50_000;
/// Queries that other jobs of the same minute may have made, and those that follow the one batch.
const OTHERS: usize = 30;
/// Secrets of which the manifest has the mark (dev/deploy/secrets.mjs), so that a restore can tell whether they are the right ones.
const SECRETS: [&str; 4] = ["SLOT_KEY", "AUTH_KEY", "CREDENTIAL_KEY", "AUDIT_KEY"];

/// One run that works.
pub(super) struct Run<'a> {
    pub(super) call: &'a Call,
    pub(super) job: &'a Job,
    pub(super) bucket: &'a Backups,
    pub(super) wishes: &'a Backup,
    /// The backup's name.
    pub(super) began: i64,
}

impl Run<'_> {
    /// Copies what is large, a chunk at a time, and comes to the end if that is done.
    pub(super) async fn go_on(&self, mut state: State, later: Next) -> Result<Next, Failure> {
        let tables: Vec<Table> = self.call.db.all(parts::tables()).await?;
        let mut copied = 0;
        if let Some(table) = tables.iter().find(|table| Some(&table.name) == state.tab.as_ref())
            && !self.copy(table, &mut state, &mut copied).await?
        {
            return self.pause(&state).await;
        }
        let sizes = self.measure(&tables).await?;
        let is_large = |table: &&Table| sizes.get(&table.name).is_some_and(|bytes| parts::is_large(*bytes));
        for table in tables.iter().filter(is_large) {
            if !self.copy(table, &mut state, &mut copied).await? {
                return self.pause(&state).await;
            }
        }
        // The one batch takes as much CPU as several chunks: a run that copied some has no room for it.
        if copied > 0 {
            return self.pause(&state).await;
        }
        // Those that are copied by now, in this run or in an earlier one.
        let (mut noted, mut whole) = (Vec::new(), Vec::new());
        for table in &tables {
            if table.is_watched() || is_large(&table) { noted.push(table) } else { whole.push(table) }
        }
        self.finish(&sizes, &noted, &whole, later).await
    }

    async fn pause(&self, state: &State) -> Result<Next, Failure> {
        let table = state.tab.as_deref().unwrap_or("the rest");
        say(self.call, self.job, &format!("copies {table}, part {}", state.parts + 1)).await?;
        Ok(Next::At(self.call.now))
    }

    /// Sizes of the tables that may have to be copied.
    async fn measure(&self, tables: &[Table]) -> Result<HashMap<String, u64>, Failure> {
        let candidates: Vec<&Table> = tables.iter().filter(|table| !table.is_watched() && !table.is_hot()).collect();
        let mut sizes = HashMap::new();
        for statement in parts::measure(&candidates) {
            let rows: Vec<HashMap<String, u64>> = self.call.db.all(statement).await?;
            sizes.extend(rows.into_iter().flatten());
        }
        Ok(sizes)
    }

    /// Copies chunks of a table. Returns whether it came to the end of it; otherwise the run has done enough.
    async fn copy(&self, table: &Table, state: &mut State, copied: &mut u64) -> Result<bool, Failure> {
        loop {
            if *copied >= BYTES || self.call.db.cost().queries >= QUERIES {
                return Ok(false);
            }
            let is_first = state.tab.as_ref() != Some(&table.name);
            if is_first {
                *state =
                    State { tab: Some(table.name.clone()), step: FIRST_STEP, after: None, parts: 0, ..state.clone() };
            }
            let mut batch = Vec::new();
            if is_first {
                // In one batch: a table that is watched and is not the one under way counts as copied.
                batch.extend(store::kept(None, state));
                batch.extend(table.watch());
            }
            batch.push(table.chunk(state.after.as_deref(), state.step));
            let outcomes = self.call.db.batch(&batch).await?;
            let row =
                outcomes.last().map(row).transpose()?.ok_or_else(|| Failure::Broken("a chunk gave no row".into()))?;
            let rows = number(&row, "rows");
            if rows == 0 {
                *state = State { tab: None, after: None, parts: 0, ..state.clone() };
                self.note(None, state).await?;
                return Ok(true);
            }
            state.parts += 1;
            state.after = get(&row, "last").as_string();
            // A little more than fits, once it is known what fits: what is beyond is read for nothing.
            let step =
                if number(&row, "bytes") < parts::PART / 2 { rows.saturating_mul(2) } else { rows + rows / 16 + 1 };
            state.step = u32::try_from(step).unwrap_or(LONGEST_STEP).clamp(100, LONGEST_STEP);
            let name = format!("{}.{:05}", table.name, state.parts);
            let part = self.store(&name, &get(&row, "part")).await?;
            *copied += part.bytes;
            self.note(Some(&part), state).await?;
        }
    }

    async fn note(&self, part: Option<&Part>, state: &State) -> Result<(), Failure> {
        self.call.db.batch(&store::kept(part, state)).await?;
        Ok(())
    }

    /// Stores a part under a name that no other run uses: two that overlap would leave one's bytes under the other's digest.
    async fn store(&self, name: &str, text: &JsValue) -> Result<Part, Failure> {
        let name = format!("{name}.{}", self.call.now.get());
        let stored = self.bucket.put(self.began, &name, text).await?;
        let header: Header = serde_json::from_str(&stored.header)
            .map_err(|error| Failure::Broken(format!("the first line of {name}: {error}")))?;
        Ok(Part { name, rows: header.rows, bytes: stored.bytes, sha256: stored.sha256 })
    }

    /// The one batch, and the manifest.
    async fn finish(
        &self,
        sizes: &HashMap<String, u64>,
        noted: &[&Table],
        whole: &[&Table],
        later: Next,
    ) -> Result<Next, Failure> {
        let db = &self.call.db;
        let hot = whole.iter().filter(|table| table.is_hot()).map(|table| Source::Whole(table));
        let cut: Vec<Source<'_>> = hot.chain(noted.iter().map(|table| Source::Changes(table))).collect();
        let mut cuts: HashMap<String, String> = HashMap::new();
        for statement in parts::cuts(&cut) {
            cuts.extend(db.all::<HashMap<String, String>>(statement).await?.into_iter().flatten());
        }
        let mut pieces = Vec::new();
        for source in &cut {
            let cuts = cuts.get(source.name()).map_or("[]", String::as_str);
            pieces.extend(source.pieces(cuts).map_err(|error| Failure::Broken(format!("cuts: {error}")))?);
        }
        for table in whole.iter().filter(|table| !table.is_hot()) {
            pieces.push(Source::Whole(table).whole(sizes.get(&table.name).copied().unwrap_or_default()));
        }
        let made = Second::clamped(self.began);
        let mut batch = vec![store::moment(), store::parts()];
        batch.extend(parts::audit_head(whole.iter().chain(noted).copied()));
        let others = batch.len();
        batch.extend(parts::make(&pieces));
        let needed = OTHERS + db.cost().queries + batch.len();
        if needed > usize::try_from(self.wishes.queries).unwrap_or(usize::MAX) {
            return Err(too_large(needed, self.wishes.queries));
        }
        let at = crate::clock::now();
        let outcomes = db.batch(&batch).await?;
        let (heads, results) = outcomes.split_at_checked(others).unwrap_or((&[], &[]));
        let moment = heads.first().map(Outcome::rows::<Moment>).transpose()?.and_then(|mut rows| rows.pop());
        let moment = moment.ok_or_else(|| Failure::Broken("the batch of a backup gave no moment".into()))?;
        let mut all: Vec<Part> = heads.get(1).map(Outcome::rows).transpose()?.unwrap_or_default();
        let audit = heads.get(2).map(Outcome::rows::<Head>).transpose()?.and_then(|mut rows| rows.pop());
        if !self.is_whole(&moment, noted, whole) {
            // Somebody has applied a migration, or another run has come to the end: the next run sees to it.
            return Ok(Next::At(self.call.now));
        }
        for outcome in results {
            let row = row(outcome)?;
            for name in Object::keys(row.unchecked_ref::<Object>()).iter().filter_map(|name| name.as_string()) {
                all.push(self.store(&name, &get(&row, &name)).await?);
            }
        }
        self.complete(at, &moment, audit.map(|head| head.head), &all).await?;
        db.batch(&store::end(Some(made))).await?;
        say(self.call, self.job, &format!("the newest backup is {}", self.began)).await?;
        self.bucket.prune(usize::try_from(self.wishes.keep).unwrap_or(usize::MAX), self.began).await?;
        Ok(if noted.is_empty() { later } else { Next::At(self.call.now) })
    }

    /// Whether the tables of the batch are all that there were in its moment.
    fn is_whole(&self, moment: &Moment, noted: &[&Table], whole: &[&Table]) -> bool {
        let mut names: Vec<&str> = noted.iter().chain(whole).map(|table| table.name.as_str()).collect();
        names.sort_unstable();
        let found: Result<Vec<&str>, _> = serde_json::from_str(&moment.tables);
        found.is_ok_and(|found| found == names) && moment.began_at == Some(self.began)
    }

    async fn complete(&self, at: Second, moment: &Moment, audit: Option<String>, all: &[Part]) -> Result<(), Failure> {
        let parse = |text: &str| serde_json::from_str(text).unwrap_or(Json::Null);
        let (rows, bytes) = all.iter().fold((0, 0), |(rows, bytes), part| (rows + part.rows, bytes + part.bytes));
        let secrets: HashMap<&str, String> = SECRETS
            .into_iter()
            .filter_map(|name| Some((name, self.call.env.secret(name).ok()?.to_string())))
            .map(|(name, value)| (name, sha256_hex(&format!("weir {name} {value}"))))
            .collect();
        let manifest = json!({
            "format": 1,
            "instant": self.began,
            "at": at,
            "weir": env!("CARGO_PKG_VERSION"),
            "migrations": parse(&moment.migrations),
            "tables": parse(&moment.tables),
            "sequences": parse(&moment.sequences),
            "secrets": secrets,
            "audit": audit.as_deref().map(parse),
            "rows": rows,
            "bytes": bytes,
            "parts": all,
        });
        let summary = [("at", at.get().to_string()), ("rows", rows.to_string()), ("bytes", bytes.to_string())];
        let summary = summary.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.bucket.complete(self.began, manifest.to_string(), summary).await
    }
}

fn too_large(needed: usize, allowed: u32) -> Failure {
    Failure::Conflict {
        code: "backup_too_large",
        message: format!(
            "what must be of one moment needs {needed} queries and a run has {allowed}: on the platform's paid plan, set `queries` \
             of the settings `backup` to 1000"
        ),
    }
}

/// The part of a part's first line that the manifest repeats.
#[derive(Deserialize)]
struct Header {
    rows: u64,
}

/// What [`parts::audit_head`] gives.
#[derive(Deserialize)]
struct Head {
    head: String,
}

/// A row as the runtime's own object: the texts of a part never come into the Worker's memory.
fn row(outcome: &Outcome) -> Result<JsValue, Failure> {
    let row = outcome.raw().iter().last();
    row.ok_or_else(|| Failure::Broken("a statement of a backup gave no row".into()))
}

fn get(row: &JsValue, column: &str) -> JsValue {
    Reflect::get(row, &column.into()).unwrap_or(JsValue::NULL)
}

fn number(row: &JsValue, column: &str) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows, from 0")]
    get(row, column).as_f64().map_or(0, |number| number as u64)
}
