//! A user as Marzban's API shows him.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use weir_wire::credential::Credentials;
use weir_wire::{Bytes, Second};

use super::admin_json::{AdminJson, is_sudo};
use crate::domain::endpoint::{Endpoint, NodeWays};
use crate::domain::fetch::Fetch;
use crate::domain::marzban::choice::{Choice, Chosen};
use crate::domain::marzban::inbounds::{Inbounds, Protocol};
use crate::domain::marzban::instant::naive;
use crate::domain::marzban::status::status;
use crate::domain::period::Strategy;
use crate::domain::plan::NextValues;
use crate::domain::user::Status;
use crate::http::accounts::subscription_at;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::ways;
use crate::store::marzban_users::Seen;
use crate::store::users::User;

/// The method that Marzban gives to whoever says none.
const METHOD: &str = "chacha20-ietf-poly1305";

/// What all users of an answer have in common.
pub(crate) struct Scene {
    /// Scheme, host and port of the links to subscriptions.
    origin: String,
    nodes: Vec<NodeWays>,
    /// What of them Marzban's API can name.
    pub(super) inbounds: Inbounds,
}

impl Scene {
    /// `endpoints` is the JSON that is stored of what the nodes offer.
    pub(crate) fn new(origin: String, endpoints: &str) -> Result<Self, Failure> {
        let nodes = ways::nodes(endpoints)?;
        let inbounds = Inbounds::of(&nodes);
        Ok(Self { origin, nodes, inbounds })
    }

    /// The method of a user's Shadowsocks: what was said, as far as an inbound has it.
    pub(super) fn method<'a>(&'a self, said: Option<&'a str>) -> &'a str {
        let known = self.inbounds.methods();
        match said {
            Some(method) if known.is_empty() || known.iter().any(|one| one == method) => method,
            _ => known.first().map_or(METHOD, String::as_str),
        }
    }
}

/// See the field names; bytes are integers, `expire` is in unix seconds, other instants as [`naive`] has them.
#[derive(Serialize)]
pub(crate) struct UserResponse {
    proxies: BTreeMap<Protocol, Value>,
    /// Unix seconds; `null` = without end, or on hold.
    expire: Option<Second>,
    /// Per period; `null` = unlimited.
    data_limit: Option<Bytes>,
    data_limit_reset_strategy: &'static str,
    inbounds: BTreeMap<Protocol, Vec<String>>,
    note: Option<String>,
    /// Of the newest fetch that the log has of the last week; client by its family.
    sub_updated_at: Option<String>,
    sub_last_user_agent: Option<String>,
    online_at: Option<String>,
    /// Seconds, while he is on hold.
    on_hold_expire_duration: Option<i64>,
    on_hold_timeout: Option<String>,
    auto_delete_in_days: Option<u32>,
    next_plan: Option<NextPlanJson>,
    username: String,
    status: Status,
    used_traffic: Bytes,
    lifetime_used_traffic: Bytes,
    created_at: String,
    links: Vec<String>,
    subscription_url: String,
    excluded_inbounds: BTreeMap<Protocol, Vec<String>>,
    admin: Option<AdminJson>,
}

/// What begins when the account is used up or has expired. Of a plan that is queued, only that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NextPlanJson {
    pub(super) data_limit: Option<Bytes>,
    /// Unix seconds.
    pub(super) expire: Option<Second>,
    pub(super) add_remaining_traffic: bool,
    pub(super) fire_on_either: bool,
}

impl NextPlanJson {
    /// What is queued for a user.
    pub(super) fn of(user: &User) -> Option<Self> {
        user.next_plan.as_ref()?;
        let values = NextValues::stored(user.next_values.as_deref());
        Some(Self {
            data_limit: values.map(|values| values.data_limit).filter(|limit| !limit.is_zero()),
            expire: values.and_then(|values| values.expire),
            add_remaining_traffic: user.next_keeps_rest == 1,
            fire_on_either: user.next_on_either == 1,
        })
    }
}

/// As Marzban calls it, which knows no calendar.
pub(super) const fn strategy_name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::NoReset => "no_reset",
        Strategy::Day => "day",
        Strategy::Week => "week",
        Strategy::Month | Strategy::CalendarMonth => "month",
        Strategy::Year => "year",
    }
}

/// What of the ways in a user has, whether it was chosen or not.
pub(super) fn choice_of(user: &User, scene: &Scene) -> Choice {
    Choice::stored(user.marzban.as_deref()).unwrap_or_else(|| Choice::all(&scene.inbounds))
}

/// The name that we have for the credential of a protocol, of Shadowsocks with a method.
pub(super) const fn secret_name(protocol: Protocol, method: &str) -> &'static str {
    match (protocol, method.as_bytes()) {
        (Protocol::Vmess, _) => "vmess_uuid",
        (Protocol::Vless, _) => "vless_uuid",
        (Protocol::Trojan, _) => "trojan_password",
        (Protocol::Shadowsocks, b"2022-blake3-aes-128-gcm") => "shadowsocks_key_16",
        (Protocol::Shadowsocks, b"2022-blake3-aes-256-gcm") => "shadowsocks_key_32",
        (Protocol::Shadowsocks, _) => "shadowsocks_password",
    }
}

/// That credential of a user.
pub(super) fn secret(protocol: Protocol, method: &str, of: &Credentials) -> String {
    match secret_name(protocol, method) {
        "vmess_uuid" => of.vmess_uuid(),
        "vless_uuid" => of.vless_uuid(),
        "trojan_password" => of.trojan_password(),
        "shadowsocks_key_16" => of.shadowsocks_key_16(),
        "shadowsocks_key_32" => of.shadowsocks_key_32(),
        _ => of.shadowsocks_password(),
    }
}

fn proxy(protocol: Protocol, chosen: &Chosen, credentials: &Credentials, scene: &Scene) -> Value {
    let method = scene.method(chosen.method.as_deref());
    let secret = secret(protocol, method, credentials);
    let mut settings = Map::new();
    let secret_name = if matches!(protocol, Protocol::Vmess | Protocol::Vless) { "id" } else { "password" };
    settings.insert(secret_name.into(), json!(secret));
    match protocol {
        Protocol::Vmess => {}
        Protocol::Vless | Protocol::Trojan => drop(settings.insert("flow".into(), json!(chosen.flow))),
        Protocol::Shadowsocks => drop(settings.insert("method".into(), json!(method))),
    }
    Value::Object(settings)
}

impl UserResponse {
    /// A user as he stands now.
    pub(crate) fn new(seen: Seen, scene: &Scene, call: &Call) -> Result<Self, Failure> {
        let admin = admin_of(&seen);
        let (last_client, last_fetch) = last_fetch(seen.fetched.as_deref());
        let user = seen.user;
        let now = call.now;
        let standing = user.standing_at(now);
        let waits = standing.hold.filter(|_| standing.is_waiting(now));
        let credentials = ways::credentials(call, &user)?;
        let choice = choice_of(&user, scene);
        let tags = |has: bool| {
            let of_each = choice.0.keys().map(|one| {
                let (his, not) = choice.split(*one, &scene.inbounds);
                let tags = if has { his } else { not };
                (*one, tags.into_iter().map(str::to_owned).collect())
            });
            of_each.collect()
        };
        let links = ways::of(call, &user, &standing, &scene.nodes, &credentials);
        Ok(Self {
            proxies: choice.0.iter().map(|(one, chosen)| (*one, proxy(*one, chosen, &credentials, scene))).collect(),
            expire: standing.ends_at().filter(|_| waits.is_none()),
            data_limit: Some(user.monthly_quota).filter(|limit| !limit.is_zero()),
            data_limit_reset_strategy: strategy_name(user.cycle.strategy),
            inbounds: tags(true),
            excluded_inbounds: tags(false),
            sub_updated_at: last_fetch.map(naive),
            sub_last_user_agent: last_client,
            online_at: (user.last_at > 0).then(|| naive(Second::clamped(user.last_at))),
            on_hold_expire_duration: waits.map(|hold| hold.seconds),
            on_hold_timeout: waits.and_then(|hold| hold.until).map(naive),
            auto_delete_in_days: user.delete_after_days,
            next_plan: NextPlanJson::of(&user),
            status: status(&standing, now),
            used_traffic: standing.month,
            lifetime_used_traffic: user.lifetime,
            created_at: naive(Second::clamped(user.created_at)),
            links: links.iter().map(Endpoint::link).collect(),
            subscription_url: subscription_at(&scene.origin, &user, call)?,
            admin,
            note: Some(user.note).filter(|note| !note.is_empty()),
            username: user.name,
        })
    }
}

/// Client family and instant of the newest of some fetches. Within an hour the first of each family is kept.
fn last_fetch(logged: Option<&str>) -> (Option<String>, Option<Second>) {
    let entries: Vec<Fetch> = logged.and_then(|logged| serde_json::from_str(logged).ok()).unwrap_or_default();
    let newest = entries.into_iter().max_by_key(|fetch| fetch.2);
    newest.map_or((None, None), |Fetch(family, _, at)| (Some(family), Some(Second::clamped(at))))
}

/// His owner, as far as the user's row and its owner's tell of him. His Discord webhook lets in whoever has it: he and owners are told it as an
/// admin's, and not everybody who may read users, or is told of them.
fn admin_of(seen: &Seen) -> Option<AdminJson> {
    Some(AdminJson {
        username: seen.owner_name.clone()?,
        is_sudo: seen.owner_role.is_some_and(is_sudo),
        telegram_id: seen.owner_telegram_id,
        discord_webhook: None,
        users_usage: None,
    })
}
