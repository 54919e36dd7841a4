//! A user as the simple API shows and takes him.

use chrono::DateTime;
use serde::{Deserialize, Serialize, Serializer};
use weir_wire::{Bytes, Second};

use crate::domain::name::{Breaks, Email, UserName};
use crate::domain::period::{AnchorDay, Cycle, Strategy};
use crate::domain::user::{Gate, gate};
use crate::domain::zone::Zone;
use crate::http::body::given;
use crate::store::users::User;

const GB: u64 = 1 << 30;

/// A quota in whole gigabytes of 1,024^3 bytes, 0 = unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct Gigabytes(Bytes);

impl Gigabytes {
    /// What a user gets who is created without a monthly quota.
    const DEFAULT: Self = Self(Bytes::gib(100));
}

impl TryFrom<u64> for Gigabytes {
    type Error = Breaks;

    fn try_from(count: u64) -> Result<Self, Breaks> {
        let bytes = count.checked_mul(GB).and_then(|bytes| Bytes::try_from(bytes).ok());
        bytes.map(Self).ok_or(Breaks("whole gigabytes, an integer from 0 to 8388607"))
    }
}

impl Serialize for Gigabytes {
    /// As the store takes it: in bytes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A quota as scripts read it: one that is no whole number of gigabytes is rounded up, for 0 would mean unlimited.
const fn shown(quota: Bytes) -> u64 {
    quota.get().div_ceil(GB)
}

/// A user as scripts read him.
#[derive(Serialize)]
pub(super) struct UserJson {
    username: String,
    password: String,
    email: Option<String>,
    /// UTC, `2026-11-23 09:30:00`.
    created_at: String,
    /// `active` or `disabled`.
    status: &'static str,
    /// Why he is disabled: `month`, `total`, `expired`, `person`.
    reason: Option<&'static str>,
    monthly_quota: u64,
    total_quota: u64,
    reset_day: AnchorDay,
    monthly_used: Bytes,
    total_used: Bytes,
}

impl UserJson {
    /// The user at `now`, with his password of trojan.
    pub(super) fn new(user: User, password: String, now: Second) -> Self {
        let standing = user.standing_at(now);
        let gate = gate(&standing, now);
        let created = DateTime::from_timestamp(user.created_at, 0).unwrap_or(DateTime::UNIX_EPOCH);
        Self {
            password,
            username: user.name,
            email: user.email,
            created_at: created.format("%Y-%m-%d %H:%M:%S").to_string(),
            status: if gate == Gate::Open { "active" } else { "disabled" },
            reason: gate.reason(),
            monthly_quota: shown(user.monthly_quota),
            total_quota: shown(user.total_quota),
            reset_day: user.cycle.day,
            monthly_used: standing.month,
            total_used: user.lifetime,
        }
    }
}

/// The body of a creation.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    #[serde(rename(serialize = "name"))]
    pub(super) username: UserName,
    #[serde(default)]
    email: Option<Email>,
    #[serde(default = "hundred")]
    monthly_quota: Gigabytes,
    #[serde(default = "none")]
    total_quota: Gigabytes,
    #[serde(default = "first")]
    reset_day: AnchorDay,
    #[serde(skip_deserializing)]
    reset_strategy: Strategy,
    #[serde(skip_deserializing)]
    time_zone: Option<Zone>,
}

const fn hundred() -> Gigabytes {
    Gigabytes::DEFAULT
}

const fn none() -> Gigabytes {
    Gigabytes(Bytes::ZERO)
}

const fn first() -> AnchorDay {
    AnchorDay::FIRST
}

impl NewUser {
    /// Gives him the deployment's time zone and returns his cycle.
    pub(super) fn settle(&mut self, zone: Zone) -> Cycle {
        self.time_zone = Some(zone);
        Cycle { strategy: self.reset_strategy, day: self.reset_day, zone }
    }
}

/// What a script may say of a user's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wanted {
    Active,
    Disabled,
}

/// The body of a change: fields that it lacks stay. What a script read and sends back unchanged changes nothing.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChange {
    #[serde(default, rename(serialize = "name"), skip_serializing_if = "Option::is_none")]
    username: Option<UserName>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    email: Option<Option<Email>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monthly_quota: Option<Gigabytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total_quota: Option<Gigabytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reset_day: Option<AnchorDay>,
    #[serde(default, skip_serializing)]
    status: Option<Wanted>,
    #[serde(default, skip_serializing)]
    reason: Option<String>,
    /// Derived from the user's slot; only the present one is taken.
    #[serde(default, skip_serializing)]
    pub(super) password: Option<String>,
    #[serde(default, skip_serializing, rename = "created_at")]
    _created_at: Option<String>,
    #[serde(default, skip_serializing, rename = "monthly_used")]
    _monthly_used: Option<u64>,
    #[serde(default, skip_serializing, rename = "total_used")]
    _total_used: Option<u64>,
}

impl UserChange {
    /// The change without quotas that `user` is shown with: written as they are shown, those that are no whole number of gigabytes would
    /// grow.
    pub(super) fn but_quotas_of(&self, user: &User) -> Self {
        let differs = |quota: &Gigabytes, own: Bytes| quota.0.get() != shown(own).saturating_mul(GB);
        Self {
            monthly_quota: self.monthly_quota.filter(|quota| differs(quota, user.monthly_quota)),
            total_quota: self.total_quota.filter(|quota| differs(quota, user.total_quota)),
            ..self.clone()
        }
    }

    /// Whether a person shuts him out (`true`) or lets him in again. A user who is disabled for another reason and is sent
    /// back as he was read stays as he is.
    pub(super) fn shuts(&self) -> Option<bool> {
        let as_read = self.reason.as_deref().is_some_and(|reason| reason != "person");
        match self.status? {
            Wanted::Active => Some(false),
            Wanted::Disabled => (!as_read).then_some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shuts(body: &str) -> Option<bool> {
        serde_json::from_str::<UserChange>(body).unwrap().shuts()
    }

    #[test]
    fn a_user_who_is_sent_back_as_he_was_read_is_not_shut_out_by_a_person() {
        assert_eq!(shuts(r#"{"status":"disabled"}"#), Some(true));
        assert_eq!(shuts(r#"{"status":"disabled","reason":"person"}"#), Some(true));
        assert_eq!(shuts(r#"{"status":"disabled","reason":"month"}"#), None);
        assert_eq!(shuts(r#"{"status":"active","reason":null}"#), Some(false));
        assert_eq!(shuts("{}"), None);
    }

    #[test]
    fn a_quota_that_is_sent_back_as_it_was_shown_is_not_written() {
        let half = GB / 2;
        let user: User = serde_json::from_value(json!({
            "id": 7, "name": "ann", "email": null, "note": "", "slot": "abcd2345", "generation": 1, "disabled_at": null,
            "suspended_until": null, "expires_at": null, "created_at": 0, "plan": null, "plan_version": 0,
            "speed_limit": 0, "device_limit": 0, "stream_limit": 0, "address_limit": null, "hwid_limit": null, "delete_after_days": null,
            "next_plan": null, "next_keeps_rest": 0, "next_on_either": 1, "hold": 0, "hold_until": null,
            "monthly_quota": half, "total_quota": 3 * half, "month": 0, "lifetime": 0, "bonus_left": 0, "bonus_spent": 0,
            "reset_strategy": "calendar_month", "reset_day": 1, "time_zone": "UTC", "period_start": 0,
            "period_end": 9, "last_at": 0, "revision": 3,
        }))
        .unwrap();
        let written = |body: &str| {
            let change: UserChange = serde_json::from_str(body).unwrap();
            serde_json::to_value(change.but_quotas_of(&user)).unwrap()
        };
        assert_eq!((shown(user.monthly_quota), shown(user.total_quota)), (1, 2));
        assert_eq!(written(r#"{"monthly_quota":1,"total_quota":2,"reset_day":4}"#), json!({ "reset_day": 4 }));
        assert_eq!(written(r#"{"monthly_quota":2,"total_quota":2}"#), json!({ "monthly_quota": 2 * GB }));
        assert_eq!(written(r#"{"monthly_quota":0,"total_quota":1}"#), json!({ "monthly_quota": 0, "total_quota": GB }));
    }

    #[test]
    fn gigabytes_are_whole_and_fit_into_bytes() {
        assert_eq!(Gigabytes::try_from(8_388_607), Ok(Gigabytes(Bytes::gib(8_388_607))));
        assert!(Gigabytes::try_from(8_388_608).is_err());
        assert!(Gigabytes::try_from(u64::MAX).is_err());
    }
}
