//! Events in the form of Marzban's webhooks (0.8.4), for receivers that were written for those.

use serde_json::{Map, Value, json};
use weir_wire::Second;
use weir_wire::credential::hmac_sha256;

use super::{Event, Kind};

/// Kinds that Marzban's receivers know: what happens to users.
pub const KINDS: [Kind; 11] = [
    Kind::Created,
    Kind::Updated,
    Kind::Deleted,
    Kind::Limited,
    Kind::Expired,
    Kind::Enabled,
    Kind::Disabled,
    Kind::Reset,
    Kind::Revoked,
    Kind::QuotaWarning,
    Kind::Expiring,
];

/// What Marzban calls it; none for what it does not tell. Of some events more is told ([`action_of`]).
#[must_use]
pub const fn action(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Created => Some("user_created"),
        Kind::Updated => Some("user_updated"),
        Kind::Deleted => Some("user_deleted"),
        Kind::Limited => Some("user_limited"),
        Kind::Expired => Some("user_expired"),
        Kind::Enabled => Some("user_enabled"),
        Kind::Disabled => Some("user_disabled"),
        Kind::Reset => Some("data_usage_reset"),
        Kind::Revoked => Some("subscription_revoked"),
        Kind::QuotaWarning => Some("reached_usage_percent"),
        Kind::Expiring => Some("reached_days_left"),
        _ => None,
    }
}

/// What Marzban calls an event about a user as he is now. A reset by what was queued has a name of its own, and who is used up is limited there though
/// his time is over too: the word must fit his `status` beside it.
fn action_of(event: &Event, user: Option<&Value>) -> Option<&'static str> {
    match event.kind {
        Kind::Reset if is_by_next(event) => Some("data_reset_by_next"),
        Kind::Expired if user.and_then(|user| user.get("status")).is_some_and(|status| status == "limited") => {
            action(Kind::Limited)
        }
        kind => action(kind),
    }
}

/// Whether the usage began anew because what was queued did.
fn is_by_next(event: &Event) -> bool {
    event.data.get("next_plan").and_then(Value::as_bool).unwrap_or_default()
}

/// The number of the user whom an event is about.
#[must_use]
pub fn user_of(event: &Event) -> Option<i64> {
    event.data.get("user_id").and_then(Value::as_i64)
}

/// An event as such receivers read it; none if Marzban does not tell of its kind. `user` is the user as he is now, none once he is
/// deleted; `owner` is the admin whose user he is. Instants are unix seconds with a fraction, as Marzban writes them.
#[must_use]
pub fn item(event: &Event, user: Option<&Value>, owner: &Value, now: Second) -> Option<Value> {
    let action = action_of(event, user)?;
    let username = user.and_then(|user| user.get("username")).or_else(|| event.data.get("user"));
    let mut item = Map::new();
    item.insert("username".into(), username.cloned().unwrap_or_default());
    item.insert("action".into(), action.into());
    item.insert("enqueued_at".into(), json!(instant(event.at)));
    item.insert("send_at".into(), json!(instant(now.get())));
    item.insert("tries".into(), 0.into());
    if event.kind != Kind::Deleted {
        item.insert("user".into(), user.cloned().unwrap_or_default());
    }
    if is_by_somebody(event.kind) && !is_by_next(event) {
        item.insert("by".into(), owner.clone());
    }
    match event.kind {
        Kind::Disabled => {
            item.insert("reason".into(), event.data.get("reason").cloned().unwrap_or_default());
        }
        Kind::QuotaWarning => {
            let percent = event.data.get("percent").and_then(Value::as_f64).unwrap_or_default();
            item.insert("used_percent".into(), json!(percent));
        }
        Kind::Expiring => {
            item.insert("days_left".into(), event.data.get("days").cloned().unwrap_or_default());
        }
        _ => {}
    }
    Some(item.into())
}

const fn is_by_somebody(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Created | Kind::Updated | Kind::Deleted | Kind::Enabled | Kind::Disabled | Kind::Reset | Kind::Revoked
    )
}

/// A whole second as a number with a fraction: exact below 2^32.
fn instant(second: i64) -> f64 {
    u32::try_from(second).map_or(0.0, f64::from)
}

/// The value of `x-webhook-signature`: HMAC-SHA256 of the body as sent, in hex.
#[must_use]
pub fn sign(secret: &str, body: &str) -> String {
    hex::encode(hmac_sha256(secret.as_bytes(), body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, data: Value) -> Event {
        Event { id: "e1".into(), kind, at: 1_794_744_000, data }
    }

    #[test]
    fn an_item_has_what_marzban_sends_of_its_action() {
        let (now, owner) = (Second::clamped(1_794_744_030), json!({ "username": "boss" }));
        let user = json!({ "username": "ann", "status": "active" });
        let limited = event(Kind::Limited, json!({ "user": "ann", "user_id": 7 }));
        assert_eq!(
            item(&limited, Some(&user), &owner, now).unwrap(),
            json!({ "username": "ann", "action": "user_limited", "enqueued_at": 1_794_744_000.0, "send_at": 1_794_744_030.0,
                "tries": 0, "user": user })
        );
        let deleted = item(&event(Kind::Deleted, json!({ "user": "ann" })), None, &owner, now).unwrap();
        assert_eq!((&deleted["username"], &deleted["by"], deleted.get("user")), (&json!("ann"), &owner, None));
        let warned = item(&event(Kind::QuotaWarning, json!({ "percent": 80 })), Some(&user), &owner, now).unwrap();
        assert_eq!((&warned["used_percent"], warned.get("by")), (&json!(80.0), None));
        let expiring = item(&event(Kind::Expiring, json!({ "days": 3 })), Some(&user), &owner, now).unwrap();
        assert_eq!(expiring["days_left"], 3);
    }

    #[test]
    fn a_reset_by_what_was_queued_is_by_nobody_and_has_a_name_of_its_own() {
        let (now, owner) = (Second::clamped(1_794_744_030), json!({ "username": "boss" }));
        let user = json!({ "username": "ann", "status": "active" });
        for (data, named, by) in [
            (json!({ "next_plan": true }), "data_reset_by_next", None),
            (json!({ "next_plan": false }), "data_usage_reset", Some(&owner)),
            // From before the event told it.
            (json!({}), "data_usage_reset", Some(&owner)),
        ] {
            let told = item(&event(Kind::Reset, data), Some(&user), &owner, now).unwrap();
            assert_eq!((&told["action"], &told["user"], told.get("by")), (&json!(named), &user, by));
        }
    }

    #[test]
    fn who_expires_and_is_used_up_is_told_of_by_the_status_that_he_is_shown_with() {
        let (now, owner) = (Second::clamped(1_794_744_030), json!({ "username": "boss" }));
        let expired = event(Kind::Expired, json!({ "user": "ann" }));
        for (status, named) in [("expired", "user_expired"), ("limited", "user_limited"), ("active", "user_expired")] {
            let user = json!({ "username": "ann", "status": status });
            assert_eq!(item(&expired, Some(&user), &owner, now).unwrap()["action"], named, "{status}");
        }
        assert_eq!(item(&expired, None, &owner, now).unwrap()["action"], "user_expired");
    }

    #[test]
    fn every_kind_that_is_told_has_an_action_and_no_other_has() {
        for kind in Kind::ALL {
            assert_eq!(action(*kind).is_some(), KINDS.contains(kind), "{kind:?}");
        }
    }

    #[test]
    fn a_signature_is_the_one_that_openssl_computes() {
        // printf '[]' | openssl dgst -sha256 -hmac secret
        assert_eq!(sign("secret", "[]"), "53364a07fcc563e712f42cfc9de1e28e1e2d39f236cee430f112203e557aea3f");
    }
}
