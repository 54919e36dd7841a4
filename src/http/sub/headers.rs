//! The headers of a list that clients read.

use weir_wire::Second;
use worker::Headers;

use crate::domain::subscription;
use crate::http::failure::Failure;
use crate::http::settings::Profile;
use crate::store::users::User;

/// Every header of a list but its type and length; each value is ASCII.
pub(super) fn of_list(
    profile: &Profile,
    page: &str,
    user: &User,
    userinfo: &str,
    announce: Option<&str>,
) -> Result<Headers, Failure> {
    let headers = Headers::new();
    headers.set("content-disposition", &subscription::disposition(&profile.title))?;
    headers.set("profile-title", &subscription::title(&profile.title))?;
    headers.set("profile-update-interval", &profile.update_hours.to_string())?;
    headers.set("subscription-userinfo", userinfo)?;
    if !user.monthly_quota.is_zero() && user.period_end < Second::LAST.get() {
        headers.set("subscription-refill-date", &user.period_end.to_string())?;
    }
    headers.set("profile-web-page-url", page)?;
    if let Some(url) = &profile.support_url {
        headers.set("support-url", url)?;
    }
    if let Some(text) = announce {
        headers.set("announce", &subscription::header_text(text))?;
    }
    headers.set("cache-control", "no-store")?;
    headers.set("x-robots-tag", "noindex")?;
    headers.set("vary", "User-Agent, Accept")?;
    Ok(headers)
}
