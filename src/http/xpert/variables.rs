//! What the operator sets by variables of the Worker: no row is read for them. The panel's own settings outrank them.

use worker::Env;

use crate::domain::xpert::settings::{Counting, Settings, is_domain};

fn text(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|text| text.to_string()).filter(|text| !text.trim().is_empty())
}

fn number(env: &Env, name: &str) -> Option<u32> {
    text(env, name)?.trim().parse().ok()
}

/// Traffic through other servers: `XPERT_TRAFFIC_TRACKING_ENABLED` (true), `XPERT_TRAFFIC_RETENTION_DAYS` (0 = keep),
/// `XPERT_DOMAIN` (where a list was fetched), `XPERT_TITLE`, `XPERT_DIRECT_TITLE`, `XPERT_QUOTA_COUNTING` (`none`,
/// `trusted`, `all`) and `FETCH_LOG_DAYS` (30).
pub(super) fn settings(env: &Env) -> Settings {
    let default = Settings::default();
    let text = |name| text(env, name);
    Settings {
        tracking_enabled: text("XPERT_TRAFFIC_TRACKING_ENABLED").map_or(default.tracking_enabled, |text| is_on(&text)),
        retention_days: number(env, "XPERT_TRAFFIC_RETENTION_DAYS").unwrap_or(default.retention_days),
        fetch_log_days: number(env, "FETCH_LOG_DAYS").filter(|days| *days > 0).unwrap_or(default.fetch_log_days),
        domain: text("XPERT_DOMAIN").filter(|domain| is_domain(domain)).unwrap_or(default.domain),
        title: text("XPERT_TITLE").unwrap_or(default.title),
        direct_title: text("XPERT_DIRECT_TITLE").unwrap_or(default.direct_title),
        quota_counting: match text("XPERT_QUOTA_COUNTING").as_deref() {
            Some("all") => Counting::All,
            Some("trusted") => Counting::Trusted,
            _ => default.quota_counting,
        },
    }
}

fn is_on(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on")
}

/// What the operator should know about variables that do nothing.
pub(super) fn notes(env: &Env) -> Vec<&'static str> {
    let ignored = env.var("XPERT_TRAFFIC_DB_PATH").is_ok();
    ignored.then_some("XPERT_TRAFFIC_DB_PATH is ignored: reports are stored in D1").into_iter().collect()
}

/// How many times the limits of reports per minute are raised: `XPERT_LIMIT_FACTOR` (1), for clients behind one address.
pub(super) fn limit_factor(env: &Env) -> u32 {
    number(env, "XPERT_LIMIT_FACTOR").filter(|factor| *factor > 0).unwrap_or(1)
}

/// What the operator calls the database: `DATABASE_NAME` (weir).
pub(super) fn database_name(env: &Env) -> String {
    text(env, "DATABASE_NAME").unwrap_or_else(|| "weir".to_owned())
}

/// Authorities (`host:port`, the port always named) at which sources may be fetched though they are private:
/// `XPERT_SOURCES_ALLOW` (none), separated by commas.
pub(super) fn sources_allowed(env: &Env) -> Vec<String> {
    let list = text(env, "XPERT_SOURCES_ALLOW").unwrap_or_default().to_ascii_lowercase();
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Where names of sources are looked up, in the JSON form of DNS over HTTPS: `XPERT_RESOLVER`.
pub(super) fn resolver(env: &Env) -> String {
    text(env, "XPERT_RESOLVER").unwrap_or_else(|| "https://cloudflare-dns.com/dns-query".to_owned())
}
