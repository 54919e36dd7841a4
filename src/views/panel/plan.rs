//! One plan: what it gives, its form, what applying it would change, and how far the job is that gives it.

use askama::Template;

use super::super::asset;
use super::plans::{Form, Tell};
use super::say::Say;
use super::shell::Shell;
use super::words::plans::{self as words, PlanWords};
use crate::domain::period::AnchorDay;
use crate::domain::plan::Terms;
use crate::store::plans::Plan;

/// A job that gives a plan to its users.
#[derive(Clone, Copy)]
pub(crate) struct Application {
    /// The version that is given.
    pub(crate) version: u32,
    /// How many have been given it; none when all have.
    pub(crate) done: Option<u32>,
    /// How many were to be given it, if that is known.
    pub(crate) of: Option<u32>,
}

/// What changes while a plan is being given to its users.
#[derive(Template)]
#[template(path = "panel/plan_live.html")]
pub(crate) struct PlanPageLive {
    plan: &'static PlanWords,
    said: String,
    /// "12 of 57 have it".
    done: Option<String>,
    /// Of a thousand.
    share: Option<u64>,
    /// Where the page is shown anew, once the job is done.
    again: Option<String>,
}

impl PlanPageLive {
    /// Of the plan of this name.
    pub(crate) fn new(name: &str, Application { version, done, of }: Application, say: &Say) -> Self {
        let plan = words::of(say.language);
        let count = |number: u32| say.count(number.into());
        let of = of.filter(|of| *of > 0 && done.is_none_or(|done| done <= *of));
        let words = |done: u32| match of {
            Some(of) => plan.given_of.replace("{done}", &count(done)).replace("{total}", &count(of)),
            None => plan.given.replace("{done}", &count(done)),
        };
        let said = if done.is_some() { plan.applying } else { plan.applied };
        Self {
            plan,
            said: said.replace("{version}", &count(version)),
            done: done.map(words),
            share: done.zip(of).map(|(done, of)| u64::from(done).saturating_mul(1_000) / u64::from(of)),
            again: done.is_none().then(|| format!("/plans/{name}")),
        }
    }
}

/// What applying a plan would change.
pub(crate) struct Preview {
    /// Of how many users each field would change, in the order of [`Terms`].
    pub(crate) fields: [u32; 8],
    /// The first of the users: what each has, and would have.
    pub(crate) users: Vec<(String, Terms, Terms)>,
}

/// A value that would change: what it is called, now, and then.
struct Change(&'static str, String, String);

/// `GET /plans/{name}`
#[derive(Template)]
#[template(path = "panel/plan.html")]
pub(crate) struct PlanPage<'a> {
    shell: Shell<'a>,
    plan: &'static PlanWords,
    name: &'a str,
    version: u32,
    version_of: String,
    form: Form,
    /// What it gives, for whom may not change it.
    values: Vec<(&'static str, String)>,
    changes: bool,
    counts: bool,
    users: u32,
    have_it: String,
    outdated: u32,
    have_older: String,
    counted: Option<Vec<(&'static str, String)>>,
    shown: Vec<(String, Vec<Change>)>,
    and_more: Option<String>,
    apply: String,
    apply_ask: String,
    apply_how: String,
    delete_ask: String,
    live: Option<PlanPageLive>,
}

/// What [`PlanPage`] is made from.
pub(crate) struct PlanFacts<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// How many have it, and how many of those an older version; none when it is not told.
    pub(crate) holders: Option<(u32, u32)>,
    /// What applying it would change; none when it is not told.
    pub(crate) preview: Option<Preview>,
    /// The job that gives it.
    pub(crate) application: Option<Application>,
    /// Whether it may be changed.
    pub(crate) changes: bool,
}

impl<'a> PlanPage<'a> {
    /// Puts what is known of the plan into words.
    pub(crate) fn new(shell: Shell<'a>, facts: PlanFacts<'a>, say: &Say) -> Self {
        let PlanFacts { plan: of, holders, preview, application, changes } = facts;
        let plan = words::of(say.language);
        let tell = Tell { say, plan };
        let count = |number: u32| say.count(number.into());
        let (users, outdated) = holders.unwrap_or_default();
        let put = |words: &str| {
            let words = words.replace("{count}", &count(outdated)).replace("{name}", &of.name);
            words.replace("{version}", &count(of.version))
        };
        let listed = preview.as_ref().map_or(0, |preview| preview.users.len());
        let more = u32::try_from(listed).ok().and_then(|listed| outdated.checked_sub(listed)).filter(|more| *more > 0);
        Self {
            name: &of.name,
            version: of.version,
            version_of: plan.version.replace("{number}", &count(of.version)),
            form: Form::new(of, plan),
            values: values(&tell, of),
            changes,
            counts: holders.is_some(),
            users,
            have_it: count(users),
            outdated,
            have_older: count(outdated),
            counted: preview.as_ref().map(|preview| counted(&tell, preview)),
            and_more: more.filter(|_| listed > 0).map(|more| plan.and_more.replace("{count}", &count(more))),
            shown: preview.map(|preview| changed(&tell, preview.users)).unwrap_or_default(),
            apply: put(plan.apply),
            apply_ask: put(plan.apply_ask),
            apply_how: put(plan.apply_how),
            delete_ask: say.words.delete_ask.replace("{name}", &of.name),
            live: application.map(|application| PlanPageLive::new(&of.name, application, say)),
            shell,
            plan,
        }
    }
}

/// What a plan gives, in lines.
fn values(tell: &Tell<'_>, plan: &Plan) -> Vec<(&'static str, String)> {
    let day = plan.reset_day;
    let terms = tell.values(&plan.terms(day.unwrap_or(AnchorDay::FIRST)));
    let mut lines: Vec<(&'static str, String)> = tell.fields().into_iter().zip(terms).collect();
    if let (None, Some(line)) = (day, lines.get_mut(3)) {
        tell.plan.users_own.clone_into(&mut line.1);
    }
    lines.push((tell.plan.lasts, tell.lasts(plan.duration_days.get())));
    lines
}

/// The fields that would change, and of how many users.
fn counted(tell: &Tell<'_>, preview: &Preview) -> Vec<(&'static str, String)> {
    let each = tell.fields().into_iter().zip(preview.fields);
    each.filter(|(_, users)| *users > 0).map(|(field, users)| (field, tell.say.count(users.into()))).collect()
}

/// The users of whom anything would change.
fn changed(tell: &Tell<'_>, users: Vec<(String, Terms, Terms)>) -> Vec<(String, Vec<Change>)> {
    let of_user = |(name, before, after): (String, Terms, Terms)| {
        let each = tell.fields().into_iter().zip(tell.values(&before)).zip(tell.values(&after));
        let changes: Vec<Change> =
            each.filter(|((_, now), then)| now != then).map(|((field, now), then)| Change(field, now, then)).collect();
        (!changes.is_empty()).then_some((name, changes))
    };
    users.into_iter().filter_map(of_user).collect()
}

#[cfg(test)]
mod tests {
    use weir_wire::{Bytes, Second};

    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    fn say() -> Say {
        Say::new(Language::En, Zone::UTC, Second::clamped(1_796_083_200))
    }

    fn terms(plan: &Plan) -> Terms {
        plan.terms(AnchorDay::FIRST)
    }

    #[test]
    fn a_preview_names_only_what_would_change() {
        let say = say();
        let tell = Tell { say: &say, plan: words::of(say.language) };
        let before = Plan { monthly_quota: Bytes::mib(1_024), ..Plan::default() };
        let after = Plan { speed_limit: Bytes::mib(1), ..before.clone() };
        let shown = changed(
            &tell,
            vec![("ann".into(), terms(&before), terms(&after)), ("ben".into(), terms(&after), terms(&after))],
        );
        let [(name, changes)] = shown.as_slice() else { panic!("one user") };
        let [Change(field, now, then)] = changes.as_slice() else { panic!("one change") };
        assert_eq!((name.as_str(), *field, now.as_str(), then.as_str()), ("ann", "Speed limit", "unlimited", "1 MB/s"));
    }

    #[test]
    fn progress_has_a_bar_where_its_end_is_known() {
        let live = |done, of| {
            let live = PlanPageLive::new("basic", Application { version: 2, done, of }, &say());
            (live.done, live.share, live.again)
        };
        assert_eq!(live(Some(12), Some(48)), (Some("12 of 48 have it".into()), Some(250), None));
        assert_eq!(live(Some(12), None), (Some("12 have it so far".into()), None, None));
        assert_eq!(live(Some(12), Some(3)), (Some("12 have it so far".into()), None, None));
        assert_eq!(live(None, Some(48)), (None, None, Some("/plans/basic".into())));
    }

    #[test]
    fn the_day_of_a_plan_that_names_none_is_the_users() {
        let say = say();
        let tell = Tell { say: &say, plan: words::of(say.language) };
        let lines = values(&tell, &Plan::default());
        assert!(lines.contains(&("Day of the month on which it begins anew", "each user’s own".into())));
        assert!(lines.contains(&("Lasts", "no end".into())));
    }
}
