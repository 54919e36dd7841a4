//! A user as the API shows him.

use serde::Serialize;
use weir_wire::{Bytes, Second};
use worker::Request;

use crate::domain::period::{AnchorDay, Strategy};
use crate::domain::user::{Status, gate, status};
use crate::domain::zone::Zone;
use crate::http::accounts::subscription_url;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::users::User;

/// See the field names; bytes are integers, instants unix seconds.
#[derive(Serialize)]
pub(super) struct UserJson {
    id: i64,
    name: String,
    email: Option<String>,
    note: String,
    status: Status,
    /// Why he may not pass: `month`, `total`, `expired`, `person`.
    reason: Option<&'static str>,
    created_at: i64,
    expires_at: Option<i64>,
    /// Per period, 0 = unlimited.
    monthly_quota: Bytes,
    /// Over the lifetime, 0 = unlimited.
    total_quota: Bytes,
    /// `calendar_month`, `no_reset`, `day`, `week`, `month`, `year`.
    reset_strategy: Strategy,
    reset_day: AnchorDay,
    time_zone: Zone,
    period_start: i64,
    /// When usage begins anew.
    period_end: Option<i64>,
    monthly_used: Bytes,
    total_used: Bytes,
    bonus_left: Bytes,
    /// End of the newest report with bytes of his.
    last_seen_at: Option<i64>,
    subscription_url: String,
}

impl UserJson {
    /// Renders a user as he stands now.
    pub(super) fn new(user: User, request: &Request, call: &Call) -> Result<Self, Failure> {
        let mut standing = user.standing();
        // The period has ended, and nothing has been written since that would have begun the next one.
        if user.period_end <= call.now.get() {
            standing.month = Bytes::ZERO;
        }
        Ok(Self {
            subscription_url: subscription_url(&user, request, call)?,
            id: user.id,
            name: user.name,
            email: user.email,
            note: user.note,
            status: status(&standing, call.now),
            reason: gate(&standing, call.now).reason(),
            created_at: user.created_at,
            expires_at: user.expires_at,
            monthly_quota: user.monthly_quota,
            total_quota: user.total_quota,
            reset_strategy: user.cycle.strategy,
            reset_day: user.cycle.day,
            time_zone: user.cycle.zone,
            period_start: user.period_start,
            period_end: (user.period_end < Second::LAST.get()).then_some(user.period_end),
            monthly_used: standing.month,
            total_used: user.lifetime,
            bonus_left: user.bonus_left,
            last_seen_at: (user.last_at > 0).then_some(user.last_at),
        })
    }
}
