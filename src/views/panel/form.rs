//! Forms that add and change. A script sends them to the API, which judges them; its answer is shown beside the field.

use askama::Template;
use weir_wire::{Bytes, Second};

use super::super::asset;
use super::say::Say;
use super::shell::Shell;
use super::user_more::More;
use crate::store::plans::Plan;
use crate::store::users::User;

/// A plan to choose, with what it gives as a form writes it.
pub(crate) struct PlanChoice {
    name: String,
    monthly: String,
    total: String,
    days: String,
    speed: String,
    devices: String,
    is_chosen: bool,
}

impl PlanChoice {
    fn new(plan: &Plan, chosen: Option<&str>) -> Self {
        Self {
            monthly: gigabytes(plan.monthly_quota),
            total: gigabytes(plan.total_quota),
            days: plan.duration_days.get().to_string(),
            speed: (plan.speed_limit.get() >> 10).to_string(),
            devices: plan.device_limit.get().to_string(),
            is_chosen: chosen.is_some_and(|chosen| chosen.eq_ignore_ascii_case(&plan.name)),
            name: plan.name.clone(),
        }
    }
}

/// Gigabytes with three places at most.
pub(super) fn gigabytes(bytes: Bytes) -> String {
    decimal((u128::from(bytes.get()) * 1_000) >> 30)
}

/// Thousandths as a field has them: as short as they are.
pub(super) fn decimal(thousandths: u128) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `GET /new/user`
#[derive(Template)]
#[template(path = "panel/add_user.html")]
pub(crate) struct AddUser<'a> {
    shell: Shell<'a>,
    plans: Vec<PlanChoice>,
    more: More<'a>,
}

impl<'a> AddUser<'a> {
    /// With these plans.
    pub(crate) fn new(shell: Shell<'a>, plans: &'a [Plan], say: &Say) -> Self {
        Self {
            shell,
            plans: plans.iter().map(|plan| PlanChoice::new(plan, None)).collect(),
            more: More::empty(say, plans),
        }
    }
}

/// `GET /users/{name}/edit`
#[derive(Template)]
#[template(path = "panel/edit_user.html")]
pub(crate) struct EditUser<'a> {
    shell: Shell<'a>,
    title: String,
    user: &'a User,
    monthly: String,
    total: String,
    speed: String,
    /// `2026-12-01`; empty without end.
    expires: String,
    plans: Vec<PlanChoice>,
    more: More<'a>,
}

impl<'a> EditUser<'a> {
    /// As he stands.
    pub(crate) fn new(shell: Shell<'a>, user: &'a User, plans: &'a [Plan], say: &Say) -> Self {
        let date = |at: i64| {
            let at = chrono::DateTime::from_timestamp(Second::clamped(at).get(), 0).unwrap_or_default();
            at.format("%Y-%m-%d").to_string()
        };
        Self {
            title: shell.words.edit_user.replace("{name}", &user.name),
            monthly: gigabytes(user.monthly_quota),
            total: gigabytes(user.total_quota),
            speed: (user.speed_limit.get() >> 10).to_string(),
            expires: user.expires_at.map(date).unwrap_or_default(),
            plans: plans.iter().map(|plan| PlanChoice::new(plan, user.plan.as_deref())).collect(),
            more: More::of(say, user, plans),
            shell,
            user,
        }
    }
}

/// `GET /new/node`
#[derive(Template)]
#[template(path = "panel/add_node.html")]
pub(crate) struct AddNode<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gigabytes_are_written_as_short_as_they_are() {
        for (bytes, text) in [(0, "0"), (1 << 30, "1"), (3 << 29, "1.5"), (100 << 20, "0.097"), (10 << 30, "10")] {
            assert_eq!(gigabytes(Bytes::saturating(bytes)), text);
        }
    }
}
