//! What callers say of a user when they create and change him, and what is said alike in both.

mod change;
mod new;

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second};

pub(crate) use self::change::UserChange;
pub(super) use self::new::NewUser;
use crate::domain::marzban::choice::{Choice, Chosen};
use crate::domain::name::{Breaks, PlanName};
use crate::domain::plan::NextValues;
use crate::http::failure::Failure;

/// The plan that begins when the account is used up or has expired, or values that do.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "SaidNext")]
pub(crate) struct NextPlan {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<PlanName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<NextValues>,
    add_remaining_traffic: bool,
    fire_on_either: bool,
}

/// The same as it is said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidNext {
    #[serde(default)]
    plan: Option<PlanName>,
    #[serde(default)]
    monthly_quota: Option<Bytes>,
    #[serde(default)]
    expires_at: Option<Second>,
    /// What is left of the quota then becomes a bonus.
    #[serde(default)]
    add_remaining_traffic: bool,
    /// On either, or only when both have come.
    #[serde(default = "yes")]
    fire_on_either: bool,
}

impl TryFrom<SaidNext> for NextPlan {
    type Error = Breaks;

    fn try_from(said: SaidNext) -> Result<Self, Breaks> {
        let SaidNext { plan, monthly_quota, expires_at, add_remaining_traffic, fire_on_either } = said;
        let has_values = monthly_quota.is_some() || expires_at.is_some();
        if plan.is_some() == has_values {
            return Err(Breaks("either a plan, or monthly_quota or expires_at or both"));
        }
        let values =
            has_values.then(|| NextValues { data_limit: monthly_quota.unwrap_or_default(), expire: expires_at });
        Ok(Self { plan, values, add_remaining_traffic, fire_on_either })
    }
}

/// The protocols that a user has, with what of their inbounds he has not.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Choice")]
struct Protocols(Choice);

/// Inbounds that may be named of a protocol, and the letters of a tag.
const MOST_TAGS: usize = 100;
const LONGEST_TAG: usize = 128;

impl TryFrom<Choice> for Protocols {
    type Error = Breaks;

    fn try_from(choice: Choice) -> Result<Self, Breaks> {
        let fits = |chosen: &Chosen| {
            ["", "xtls-rprx-vision"].contains(&chosen.flow.as_str())
                && chosen.method.as_ref().is_none_or(|method| method.len() <= LONGEST_TAG)
                && chosen.excluded.len() <= MOST_TAGS
                && chosen.excluded.iter().all(|tag| tag.len() <= LONGEST_TAG)
        };
        if choice.0.is_empty() || !choice.0.values().all(fits) {
            return Err(Breaks(
                "at least one of vmess, vless, trojan and shadowsocks, with a flow that is empty or xtls-rprx-vision, and at most 100 tags",
            ));
        }
        Ok(Self(choice))
    }
}

const fn yes() -> bool {
    true
}

/// Whether an account that waits, or does not, can have this expiry and this time-out.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
fn check_hold(waits: bool, expires: Option<Option<Second>>, until: Option<Second>) -> Result<(), Failure> {
    if waits && expires.flatten().is_some() {
        return Err(Failure::invalid("expires_at", "not together with hold_seconds, after which the account expires"));
    }
    if !waits && until.is_some() {
        return Err(Failure::invalid("hold_until", "only with hold_seconds from 1"));
    }
    Ok(())
}
