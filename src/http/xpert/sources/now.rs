//! Fetching sources at once, and looking at one before it is added.

use serde::Deserialize;
use serde_json::{Value, json};
use worker::{Request, Response};

use super::update::Fetched;
use super::{JOB, NONE, check_rules, own, publish, shown, update as fetching};
use crate::domain::audit::Entry;
use crate::domain::source::gather::Stored;
use crate::domain::source::rules::Rules;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::xpert::WRITE;
use crate::store::jobs;
use crate::store::sources::{self as store, Source};

/// Links that a test of an address shows.
const SAMPLES: usize = 5;
/// Sources that a request fetches itself; the job does the others.
const INLINE: usize = 2;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    id: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    url: String,
    #[serde(default)]
    rules: Rules,
}

/// `POST /api/xpert/update`
///
/// Fetches now: source `id`, or all that are on. A request fetches two of them itself, because it may not ask more of the
/// platform; the job goes on with the others within a minute.
pub(crate) async fn update(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let bytes = body::read(&mut request, body::MAX_JSON).await?;
    let Update { id } = if bytes.is_empty() { Update::default() } else { body::parse(&bytes)? };
    let id = id.map(i64::from);
    let prepare = async || {
        if let Some(id) = id {
            call.db.first::<Source>(store::one(id)).await?.ok_or(NONE)?;
        }
        let subject = id.map_or_else(|| "sources".to_owned(), |id| format!("sources/{id}"));
        Ok(Deed::new(Entry::new("source.update", subject), [store::hurry(id), jobs::call(JOB, call.now)], ()))
    };
    recorded(call, &actor, prepare).await?;
    let own = own::authorities(call, Some(&request)).await?;
    let mut fetched = Vec::new();
    for _ in 0..if id.is_some() { 1 } else { INLINE } {
        match fetching::one(call, id, &own).await? {
            Some(source) => fetched.push(source.id),
            None => break,
        }
    }
    publish(call).await?;
    let sources: Vec<Source> = call.db.all(store::all()).await?;
    let queued = sources.iter().filter(|source| source.enabled == 1 && source.next_at <= call.now.get()).count();
    let done = sources.iter().filter(|source| fetched.contains(&source.id));
    let done = done.map(shown).collect::<Result<Vec<_>, _>>()?;
    let good = done.iter().filter(|source| source.get("error").is_some_and(Value::is_null)).count();
    Ok(Response::from_json(&json!({
        "success": good == done.len(),
        "message": format!("{good} of {} sources updated, {queued} will follow", done.len()),
        "sources": done,
        "queued": queued,
    }))?)
}

/// `POST /api/xpert/test-url`
///
/// What a source at this address would give; nothing is stored. What is wrong with the address or the answer is in `error`.
pub(crate) async fn test(mut request: Request, call: &Call) -> Result<Response, Failure> {
    authorize(&request, call, WRITE).await?;
    let test: Test = body::json(&mut request).await?;
    check_rules(&test.rules)?;
    let own = own::authorities(call, Some(&request)).await?;
    let taken = fetching::take(call, &test.url, &test.rules, "test", (None, None), &own).await;
    Ok(Response::from_json(&match taken {
        Ok(Fetched::New(taken)) => {
            let gathered = &taken.gathered;
            let samples: Vec<&str> =
                gathered.links.iter().take(SAMPLES).map(|Stored(_, link, _)| link.as_str()).collect();
            json!({
                "success": true,
                "config_count": gathered.links.len(),
                "sample_configs": samples,
                "format": gathered.format.name(),
                "left_out": gathered.left_out,
            })
        }
        // Without anything to compare with there is no "not modified".
        Ok(Fetched::Same(_)) => {
            json!({ "success": false, "config_count": 0, "sample_configs": [], "error": "it answered 304" })
        }
        Err(refused) => json!({
            "success": false,
            "config_count": 0,
            "sample_configs": [],
            "error": refused.why,
            "left_out": refused.left_out,
        }),
    })?)
}
