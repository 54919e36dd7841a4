//! The headers of a list that clients read.

use weir_wire::Second;
use worker::Headers;

use super::Visit;
use crate::domain::subscription;
use crate::http::failure::Failure;

/// Every header of a list but its type and length; each value is ASCII.
pub(super) fn of_list(visit: &Visit, now: Second) -> Result<Headers, Failure> {
    let Visit { user, profile, .. } = visit;
    let headers = Headers::new();
    headers.set("content-disposition", &subscription::disposition(&profile.title))?;
    headers.set("profile-title", &subscription::title(&profile.title))?;
    headers.set("profile-update-interval", &profile.update_hours.to_string())?;
    headers.set("subscription-userinfo", &subscription::userinfo(&visit.standing))?;
    // The stored period may have ended unnoticed: clients show when traffic comes, not when it came.
    let period = user.period(now);
    if !user.monthly_quota.is_zero() && period.ends() {
        headers.set("subscription-refill-date", &period.end.get().to_string())?;
    }
    headers.set("profile-web-page-url", &visit.url)?;
    if let Some(url) = &profile.support_url {
        headers.set("support-url", url)?;
    }
    if let Some(text) = &visit.reason {
        headers.set("announce", &subscription::header_text(text))?;
    }
    headers.set("cache-control", "no-store")?;
    headers.set("x-robots-tag", "noindex")?;
    headers.set("vary", "User-Agent, Accept")?;
    Ok(headers)
}
