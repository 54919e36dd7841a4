//! What the operator sets by variables of the Worker: no row is read for them. What the panel has set wins.

use weir_wire::Bytes;
use weir_wire::grant::Rules;
use weir_wire::sync::Policy;
use worker::Env;

use super::failure::Failure;
use crate::domain::presentation::{Barred, Presentation};
use crate::domain::zone::Zone;

fn number(env: &Env, name: &str) -> Option<u64> {
    env.var(name).ok()?.to_string().parse().ok()
}

fn positive(env: &Env, name: &str, default: u32) -> u32 {
    number(env, name).and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0).unwrap_or(default)
}

/// When agents sync and report: `SYNC_SECONDS` (30), `REPORT_BYTES` (256 MiB), `REPORT_SECONDS` (900) and
/// `GRANT_FLOOR_BYTES` (1 MiB).
pub(crate) fn policy(env: &Env) -> Policy {
    let default = Policy::default();
    Policy {
        interval: positive(env, "SYNC_SECONDS", default.interval),
        report_bytes: number(env, "REPORT_BYTES").map_or(default.report_bytes, Bytes::saturating),
        report_seconds: positive(env, "REPORT_SECONDS", default.report_seconds),
        floor: grant_rules(env).floor,
    }
}

/// How much is granted: `GRANT_FLOOR_BYTES` (1 MiB) and `GRANT_MAX_BYTES` (16 GiB).
pub(crate) fn grant_rules(env: &Env) -> Rules {
    let default = Rules::default();
    Rules {
        floor: number(env, "GRANT_FLOOR_BYTES").map_or(default.floor, Bytes::saturating),
        largest: number(env, "GRANT_MAX_BYTES").map_or(default.largest, Bytes::saturating),
    }
}

/// The time zone of users who were given none of their own: `TIME_ZONE`, of the IANA database (UTC).
pub(crate) fn zone(env: &Env) -> Zone {
    let name = env.var("TIME_ZONE").ok().map(|name| name.to_string());
    name.and_then(|name| name.trim().parse().ok()).unwrap_or(Zone::UTC)
}

/// How subscriptions present themselves.
pub(crate) struct Profile {
    /// What clients call the subscription: `SUBSCRIPTION_TITLE` (Weir).
    pub(crate) title: String,
    /// Hours until clients fetch again, from 1: `SUBSCRIPTION_HOURS` (12).
    pub(crate) update_hours: u32,
    /// Where users get help: `SUPPORT_URL`, an ASCII URL (none).
    pub(crate) support_url: Option<String>,
    /// What a user gets who may not pass.
    pub(crate) barred: Barred,
}

/// See [`Profile`]. `stored` is JSON of a [`Presentation`], which a fetch has read with the rest.
pub(crate) fn profile(env: &Env, stored: Option<&str>) -> Result<Profile, Failure> {
    let set: Presentation = stored.map_or(Ok(Presentation::default()), |text| {
        serde_json::from_str(text).map_err(|error| Failure::Broken(format!("settings of subscriptions: {error}")))
    })?;
    let text = |name| env.var(name).ok().map(|text| text.to_string()).filter(|text| !text.trim().is_empty());
    let support_url = || text("SUPPORT_URL").filter(|url| url.bytes().all(|b| b.is_ascii_graphic()));
    Ok(Profile {
        title: set.title.or_else(|| text("SUBSCRIPTION_TITLE")).unwrap_or_else(|| "Weir".to_owned()),
        update_hours: set.update_hours.unwrap_or_else(|| positive(env, "SUBSCRIPTION_HOURS", 12)),
        support_url: set.support_url.or_else(support_url),
        barred: set.barred,
    })
}
