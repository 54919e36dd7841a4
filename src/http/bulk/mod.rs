//! Doing something to many users at once: chosen once, done chunk by chunk, and undone the same way.
//!
//! A chunk is one batch that is done whole or not at all, so a run may be cut off anywhere. Whoever was changed since he was read
//! has his chunk read again.

mod deed;
mod step;

pub(crate) use deed::{Chosen, Deed};
pub(crate) use step::{Left, Step, plan_step};

use serde_json::{Map, Value, json};
use weir_wire::SlotName;
use worker::console_error;

use super::audit::{Deed as Recorded, recorded};
use super::call::Call;
use super::failure::Failure;
use crate::domain::audit::{Actor, Entry, Facts};
use crate::store::bulk::{self, Bulk, Chunk, Deleted, Selection, State, Sum, Unreset, Wish};
use crate::store::plans::{self, Plan};
use crate::store::users::{self, Action, User};
use crate::store::{Statement, StoreError, jobs, slots};
use crate::{bell, random};
use step::{Effect, undo_step};

/// Queries after which no further chunk is begun: one has at most 19, and a request 50.
const QUERIES: usize = 24;
/// How often a chunk is read before the run gives up, to be repeated.
const ATTEMPTS: usize = 3;

/// What enters an action on the `total` users of a selection, with the log's entry of it. `asked` and `action` are what the API takes.
pub(crate) fn entered(
    call: &Call,
    actor: &Actor,
    (selection, total): (&Selection, u32),
    asked: Value,
    action: Value,
) -> Recorded<()> {
    let (texts, action_text) = (asked.to_string(), action.to_string());
    let facts = Facts::new().plain("action", action).plain("selection", asked).plain("users", total);
    let wish = Wish { selection, total, asked: &texts, action: &action_text, by: &actor.name };
    let mut batch = Vec::from(bulk::create(&wish, call.now));
    batch.push(jobs::call("bulk", call.now));
    Recorded::new(Entry::new("bulk.start", "bulk").after(facts), batch, ())
}

/// Begins to do something to all users whom `choose` finds, which reads anew under the head of the log: the selection, and how it is
/// called there. Nothing is entered when that is nobody.
pub(crate) async fn start(
    call: &Call,
    actor: &Actor,
    action: &str,
    choose: impl AsyncFn() -> Result<(Selection, Value), Failure>,
) -> Result<(), Failure> {
    let prepare = async || {
        let (selection, asked) = choose().await?;
        let chosen: Option<bulk::Chosen> = call.db.first(bulk::count(&selection, call.now)).await?;
        Ok(match chosen.map_or(0, |chosen| chosen.total) {
            0 => Recorded::nothing(()),
            total => entered(call, actor, (&selection, total), asked, json!(action)),
        })
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    if !outcomes.is_empty() {
        begin(call).await;
    }
    Ok(())
}

/// Goes on for a caller who has just asked for something: what goes wrong is logged, and the job goes on with it.
pub(crate) async fn begin(call: &Call) {
    if let Err(failure) = advance(call).await {
        console_error!("bulk goes on by its job error={failure:?}");
    }
}

/// Goes on with what is to be done to many users, as far as one call may; whether nothing is left.
pub(crate) async fn advance(call: &Call) -> Result<bool, Failure> {
    let mut moved = false;
    let finished = loop {
        if call.db.cost().queries > QUERIES {
            break false;
        }
        let Some(bulk) = call.db.first::<Bulk>(bulk::open()).await? else { break true };
        match call.db.first::<Chunk>(bulk::next(bulk.id, bulk.state)).await? {
            Some(chunk) => {
                settle(call, &bulk, chunk).await?;
                moved = true;
            }
            None => drop(call.db.run(bulk::finish(bulk.id, call.now)).await?),
        }
    };
    if moved {
        bell::ring(&call.env).await;
    }
    Ok(finished)
}

/// Does one chunk, or undoes it.
async fn settle(call: &Call, bulk: &Bulk, chunk: Chunk) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let batch = if bulk.state == State::Undoing {
            undoing(call, bulk, &chunk).await?
        } else {
            doing(call, bulk, &chunk).await?
        };
        match call.db.batch(&batch).await {
            // Another run has done it meanwhile, or somebody in it was changed.
            Err(StoreError::Stale) => {}
            outcome => return Ok(outcome.map(drop)?),
        }
    }
    Err(Failure::Busy(format!("chunk {} of bulk {} was overtaken again and again", chunk.number, bulk.id)))
}

async fn doing(call: &Call, bulk: &Bulk, chunk: &Chunk) -> Result<Vec<Statement>, Failure> {
    let deed: Deed = decode(&bulk.action)?;
    let plan = plan_of(call, &deed).await?;
    let users: Vec<User> = call.db.all(bulk::users_of(&chunk.users)).await?;
    let (mut work, mut steps, mut left) = (Work::default(), Vec::new(), Vec::new());
    for user in &users {
        match plan_step(user, &deed, plan.as_ref(), call.now) {
            Ok((step, effect)) => {
                work.add(user, effect);
                steps.push(step);
            }
            Err(why) => left.push(left_alone(user.id, &user.name, why)),
        }
    }
    let (kept, changed) = (left.len(), steps.len());
    // Those who were deleted since they were chosen count as left alone.
    let chosen: Vec<i64> = decode(&chunk.users)?;
    let gone = chosen.len().saturating_sub(users.len());
    let sum = Sum {
        steps: Some(encode(&steps)?),
        left: encode(&left)?,
        changed: count(changed),
        kept: count(kept + gone),
        read: work.read(),
    };
    let mut effects = work.effects(random::salt()?, call)?;
    if matches!(deed, Deed::Delete) {
        effects.insert(0, bulk::keep_aliases(bulk.id, chunk.number));
    }
    Ok(bulk::claim(bulk.id, chunk.number, bulk.state, &sum, effects, call.now))
}

async fn undoing(call: &Call, bulk: &Bulk, chunk: &Chunk) -> Result<Vec<Statement>, Failure> {
    let steps: Vec<Step> = decode(&chunk.steps)?;
    if matches!(decode(&bulk.action)?, Deed::Delete) {
        return bringing_back(call, bulk, chunk, &steps).await;
    }
    let users: Vec<User> = call.db.all(bulk::users_of(&chunk.users)).await?;
    let (mut work, mut left) = (Work::default(), Vec::new());
    for step in &steps {
        let user = users.iter().find(|user| user.id == step.user);
        match (user, undo_step(step, user, call.now)) {
            (Some(user), Ok(effect)) => work.add(user, effect),
            (_, outcome) => {
                left.push(left_alone(step.user, &step.name, outcome.err().unwrap_or("he was deleted since")));
            }
        }
    }
    let read = work.read();
    let sum = Sum { steps: None, left: encode(&left)?, changed: count(read.len()), kept: count(left.len()), read };
    let effects = work.effects(random::salt()?, call)?;
    Ok(bulk::claim(bulk.id, chunk.number, bulk.state, &sum, effects, call.now))
}

/// Undoes deletions. Each user takes a slot that is vacant; when there are too few some are made, which cores load with their next
/// reload.
async fn bringing_back(call: &Call, bulk: &Bulk, chunk: &Chunk, steps: &[Step]) -> Result<Vec<Statement>, Failure> {
    let numbers: Vec<i64> = steps.iter().map(|step| step.user).collect();
    let deleted: Vec<Deleted> = call.db.all(bulk::deleted_of(&encode(&numbers)?)).await?;
    let (mut read, mut left) = (Vec::new(), Vec::new());
    for step in steps {
        match deleted.iter().find(|user| user.id == step.user) {
            Some(user) if user.is_taken == 0 => read.push((user.id, user.revision)),
            Some(_) => left.push(left_alone(step.user, &step.name, "somebody else has his name")),
            None => left.push(left_alone(step.user, &step.name, "he is there")),
        }
    }
    let back: Vec<i64> = read.iter().map(|(user, _)| *user).collect();
    let mut effects = Vec::new();
    if !back.is_empty() {
        let names =
            back.iter().map(|_| Ok(SlotName::from_random(random::bytes()?))).collect::<Result<Vec<_>, Failure>>()?;
        effects.extend([slots::add_vacant(&names), slots::number_change(random::salt()?)]);
        effects.extend(bulk::bring_back(&back, random::salt()?, call.now));
        effects.push(bulk::return_aliases(bulk.id, chunk.number, &back));
    }
    let sum = Sum { steps: None, left: encode(&left)?, changed: count(back.len()), kept: count(left.len()), read };
    Ok(bulk::claim(bulk.id, chunk.number, bulk.state, &sum, effects, call.now))
}

/// The plan that a change gives, if there still is one of that name.
async fn plan_of(call: &Call, deed: &Deed) -> Result<Option<Plan>, Failure> {
    let Deed::Change(change) = deed else { return Ok(None) };
    let Some(name) = change.plan.as_ref().and_then(Option::as_ref) else { return Ok(None) };
    Ok(call.db.first(plans::by_name(name.as_str())).await?)
}

/// What one chunk comes to.
#[derive(Default)]
struct Work<'a> {
    users: Vec<(&'a User, Effect)>,
}

impl<'a> Work<'a> {
    fn add(&mut self, user: &'a User, effect: Effect) {
        self.users.push((user, effect));
    }

    fn read(&self) -> Vec<(i64, i64)> {
        self.users.iter().map(|(user, _)| (user.id, user.revision)).collect()
    }

    fn effects(self, salt: u32, call: &Call) -> Result<Vec<Statement>, Failure> {
        let now = call.now;
        let (mut actions, mut unresets, mut deleted) = (Vec::new(), Vec::<Unreset>::new(), Vec::new());
        for (user, effect) in &self.users {
            match effect {
                Effect::Set(set, end) => actions.push((*user, Action::Change(set, *end))),
                Effect::Reset => actions.push((*user, Action::<Map<String, Value>>::Reset)),
                Effect::Unreset(reset) => unresets.push(*reset),
                Effect::Delete => deleted.push((user.id, user.revision)),
            }
        }
        let mut batch = Vec::new();
        let actions: Vec<_> = actions.iter().map(|(user, action)| (*user, action)).collect();
        if !actions.is_empty() {
            batch.extend(users::act_all(&actions, salt, now));
        }
        if !unresets.is_empty() {
            batch.extend(bulk::unreset(&unresets, random::salt()?, now));
        }
        if !deleted.is_empty() {
            batch.extend(users::delete_read(&deleted, random::salt()?, now));
        }
        Ok(batch)
    }
}

fn left_alone(user: i64, name: &str, why: &str) -> Left {
    Left { user, name: name.to_owned(), why: why.to_owned() }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn encode<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Broken(format!("bulk: {error}")))
}

fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Broken(format!("bulk: {error}")))
}
