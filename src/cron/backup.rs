//! The backup: the whole database as of one instant, in parts that SQL makes as JSON text, in the bucket `BACKUP`.
//!
//! D1 has no snapshot across requests, so the instant is one batch. In it leave all tables that are small, `usage` and `epochs`
//! whatever their size, and of every other table what has changed since its copying began: triggers have noted the keys. Those
//! other tables were copied before, in chunks over as many runs as it takes. So the large part comes first and the one batch
//! last; the other way round a chunk would hold bytes that agents report once more after a restore, and sums would be too high.
//!
//! A run may be cut off anywhere. What a chunk has stored counts once it is noted; what was not noted is stored again under
//! another name. The manifest is written last and makes the backup complete.

mod run;

use weir_wire::Second;

use self::run::Run;
use super::Next;
use crate::bucket::{Backups, UNBOUND};
use crate::domain::schedule::Schedule;
use crate::domain::settings::Backup;
use crate::http::api::settings::read;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::store::backup::{self as store, State};
use crate::store::jobs::{self, Job};
use crate::store::parts::{self, Table};

/// Tables whose changes one run ceases to note: three queries each.
const TIDIED: usize = 5;
/// A backup that is not complete after so many seconds shows nothing that anybody waits for.
const STALE: i64 = 2 * 86_400;

/// Rows read: three for each row of the database; written: 2 a part.
pub(super) async fn run(call: &Call, job: &Job) -> Result<Next, Failure> {
    if call.db.run(store::hold(call.now)).await?.changes() == 0 {
        return Ok(Next::Waits(store::is_over(call.now)));
    }
    let outcome = work(call, job).await;
    call.db.run(store::let_go()).await?;
    outcome
}

async fn work(call: &Call, job: &Job) -> Result<Next, Failure> {
    let wishes: Backup = read(call).await?;
    let state: State = call.db.first(store::state()).await?.unwrap_or_default();
    let daily = Schedule::Daily(i64::from(wishes.hour) * 3_600);
    let zone = settings::zone(&call.env);
    let later = Next::At(daily.after(call.now, zone));
    if state.began_at.is_none() && tidy(call).await? {
        return Ok(Next::At(call.now));
    }
    let Some(bucket) = Backups::bound(&call.env) else {
        if state.began_at.is_some() {
            give_up(call, None, &state).await?;
            return Ok(Next::At(call.now));
        }
        say(call, job, UNBOUND).await?;
        return Ok(later);
    };
    let due = daily.after(call.now.plus(-86_400), zone).min(call.now);
    let is_due = wishes.enabled && state.made_at.is_none_or(|made| made < due.get());
    match state.began_at {
        Some(began) if state.migration == state.newest && call.now.get().saturating_sub(began) < STALE => {
            let run = Run { call, job, bucket: &bucket, wishes: &wishes, began };
            run.go_on(state, later).await
        }
        Some(_) => {
            give_up(call, Some(&bucket), &state).await?;
            Ok(Next::At(call.now))
        }
        None if is_due || state.wanted_at.is_some() => {
            // Also after the clock was set back no two have the same name.
            let began = call.now.get().max(state.made_at.unwrap_or_default().saturating_add(1));
            call.db.batch(&store::begin(Second::clamped(began))).await?;
            let run = Run { call, job, bucket: &bucket, wishes: &wishes, began };
            let state = State { began_at: Some(began), migration: state.newest.clone(), ..State::default() };
            run.go_on(state, later).await
        }
        None => {
            let newest = state.made_at.map(|made| format!("the newest backup is {made}"));
            let off = (!wishes.enabled).then(|| "is switched off in the settings".to_owned());
            say(call, job, &off.or(newest).unwrap_or_else(|| "waits for its hour".to_owned())).await?;
            Ok(later)
        }
    }
}

/// Forgets the backup under way.
async fn give_up(call: &Call, bucket: Option<&Backups>, state: &State) -> Result<(), Failure> {
    if let (Some(bucket), Some(began)) = (bucket, state.began_at) {
        bucket.delete(&began.to_string()).await?;
    }
    call.db.batch(&store::end(None)).await?;
    Ok(())
}

/// Ends the noting of changes that a backup has left. Returns whether there was any.
async fn tidy(call: &Call) -> Result<bool, Failure> {
    let tables: Vec<Table> = call.db.all(parts::tables()).await?;
    let watched: Vec<&Table> = tables.iter().filter(|table| table.is_watched()).take(TIDIED).collect();
    if !watched.is_empty() {
        call.db.batch(&store::tidy(&watched)).await?;
    }
    Ok(!watched.is_empty())
}

async fn say(call: &Call, job: &Job, note: &str) -> Result<(), Failure> {
    if job.note.as_deref() != Some(note) {
        call.db.run(jobs::note(&job.name, Some(note))).await?;
    }
    Ok(())
}
