//! When a user's usage begins anew, as he is set or as he might be.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use weir_wire::Second;
use worker::{Request, Response};

use super::users::find;
use super::{number, parameter};
use crate::domain::period::{Cycle, Strategy};
use crate::domain::zone::Zone;
use crate::http::auth::authorize_for_users;
use crate::http::call::Call;
use crate::http::failure::Failure;

/// Dates at most, and without being asked.
const MOST: u32 = 60;
const DATES: u32 = 12;

/// `GET /api/v1/users/{name}/resets`
///
/// Query: `reset_strategy`, `reset_day` and `time_zone` as a change would set them, those that are missing as they are; `limit`
/// 1..=60. The seconds at which usage begins anew, the next one first; nothing is changed. Rows read: 3.
pub(crate) async fn preview(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let user = find(call, &actor, name).await?;
    let old = user.cycle;
    let day = number(request, "reset_day", old.day.get(), 1, 31)?;
    let cycle = Cycle {
        strategy: named::<Strategy>(request, "reset_strategy", "calendar_month, no_reset, day, week, month or year")?
            .unwrap_or(old.strategy),
        day: day.try_into().unwrap_or(old.day),
        zone: named::<Zone>(request, "time_zone", "an IANA time zone, such as Asia/Tehran")?.unwrap_or(old.zone),
    };
    let limit = number(request, "limit", DATES, 1, MOST)?;
    let (start, end) = (Second::clamped(user.period_start), Second::clamped(user.period_end));
    // As a change does: a period that is over is closed by the old cycle first.
    let start = if end <= call.now { old.containing(call.now, start).start } else { start };
    let stays = cycle == old && call.now < end;
    let end = if stays { end } else { cycle.containing(call.now, start).end };
    let items: Vec<Second> = cycle.resets(end).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
    Ok(Response::from_json(&json!({ "items": items }))?)
}

/// A parameter that is one of a type's names.
fn named<T: DeserializeOwned>(request: &Request, name: &'static str, what: &str) -> Result<Option<T>, Failure> {
    let Some(text) = parameter(request, name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let found = serde_json::from_value(Value::String(text));
    found.map(Some).map_err(|_| Failure::invalid(name, what))
}
