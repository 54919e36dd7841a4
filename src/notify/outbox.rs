//! The outbox: events become deliveries, and deliveries leave, channel by channel.
//!
//! Channels are served at the same time and each has its own state, so an endpoint that hangs or fails keeps no other
//! waiting. A run that dies between a message and its mark sends that message again: receivers know an event by its id.

use futures_util::future::join_all;
use weir_wire::Second;

use super::{Line, Outcome, Verdict, open_target};
use crate::clock;
use crate::domain::notice::channel::{Audience, Rules};
use crate::domain::notice::order::{self, Waiting};
use crate::domain::notice::{Event, retry};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::channels::{self, Channel, Standing};
use crate::store::deliveries::{self, Mark};

/// Channels that one run serves, rounds of each, and messages of a round: at most 36 of the 50 requests that the free plan
/// allows a run, and 22 queries. What is left over follows a minute later.
const CHANNELS: usize = 3;
const ROUNDS: usize = 3;
const MESSAGES: usize = 4;
/// Seconds after which a run begins no further message: its claim must outlast the one that it waits for.
const LONGEST: i64 = 60;
/// A wait that no back-off makes is one of a clock that was set back.
const ABSURD: i64 = 2 * 3_600;

/// Sends what may be sent now; returns when the next may leave, none when nothing waits.
///
/// Rows read with nothing to do: 1 per channel and 3.
pub(crate) async fn run(call: &Call) -> Result<Option<Second>, Failure> {
    let [fan_out, fanned_out] = deliveries::fan_out(call.now);
    let outcomes = call.db.batch(&[fan_out, fanned_out, channels::due()]).await?;
    let due: Vec<Channel> = outcomes.last().map_or_else(|| Ok(Vec::new()), crate::store::d1::Outcome::rows)?;
    let mut ready = Vec::new();
    let mut next: Vec<Second> = Vec::new();
    let mut broken = Ok(());
    for channel in due {
        match rules(&channel).map(|rules| (wait(&channel, &rules, call.now), rules)) {
            Err(failure) => broken = Err(failure),
            Ok((Some(at), _)) => next.push(at),
            Ok((None, rules)) => ready.push((channel, rules)),
        }
    }
    let (served, left) = share(ready);
    if left > 0 {
        next.push(call.now);
    }
    for outcome in join_all(served.iter().map(|(channel, rules)| serve(call, channel, rules))).await {
        match outcome {
            Ok(at) => next.extend(at),
            Err(failure) => broken = Err(failure),
        }
    }
    // Told when all channels had their turn.
    broken?;
    Ok(next.into_iter().min())
}

/// Whom this run serves, of channels in the order in which they were served last; and how many are left over. Those that
/// fail get one place if they are more than the others leave: many dead ones do not slow down one that works.
fn share(ready: Vec<(Channel, Rules)>) -> (Vec<(Channel, Rules)>, usize) {
    let count = ready.len();
    let (mut failing, mut well): (Vec<_>, Vec<_>) = ready.into_iter().partition(|(channel, _)| channel.failures > 0);
    well.truncate(if failing.is_empty() { CHANNELS } else { CHANNELS - 1 });
    failing.truncate(CHANNELS - well.len());
    well.append(&mut failing);
    let left = count - well.len();
    (well, left)
}

fn rules(channel: &Channel) -> Result<Rules, Failure> {
    serde_json::from_str(&channel.rules)
        .map_err(|error| Failure::Broken(format!("rules of channel {}: {error}", channel.id)))
}

/// Until when a channel must be left alone.
fn wait(channel: &Channel, rules: &Rules, now: Second) -> Option<Second> {
    let backing_off = Some(Second::clamped(channel.next_at)).filter(|at| *at > now && at.since(now) <= ABSURD);
    let quiet = rules.quiet.and_then(|quiet| quiet.until(now, rules.time_zone));
    backing_off.max(quiet)
}

/// A channel's deliveries in memory while it is served.
struct Queue {
    waiting: Vec<Waiting>,
    rows: Vec<deliveries::Waiting>,
}

impl Queue {
    fn new(rows: Vec<deliveries::Waiting>) -> Self {
        let waiting = |row: &deliveries::Waiting| Waiting {
            event: row.event,
            subject: row.subject.clone(),
            refusals: row.refusals,
            next_at: Second::clamped(row.next_at),
        };
        Self { waiting: rows.iter().map(waiting).collect(), rows }
    }

    /// Takes out what leaves next.
    fn take(&mut self, line: &Line<'_>, probing: bool, now: Second) -> Vec<deliveries::Waiting> {
        let mut message = order::next_message(&self.waiting, line.most(), probing, now);
        // One that cannot be read goes alone.
        let fitting = line.fitting(message.iter().map_while(|index| event(self.rows.get(*index)?)));
        message.truncate(fitting);
        let mut taken: Vec<deliveries::Waiting> = Vec::new();
        for index in message.into_iter().rev() {
            self.waiting.remove(index);
            taken.push(self.rows.remove(index));
        }
        taken.reverse();
        taken
    }
}

async fn serve(call: &Call, channel: &Channel, rules: &Rules) -> Result<Option<Second>, Failure> {
    let audience = if channel.audience == Audience::User.name() { Audience::User } else { Audience::Operator };
    let claimed = clock::now();
    let batch = [channels::claim(channel.id, claimed), deliveries::waiting(channel.id, audience == Audience::User)];
    let outcomes = call.db.batch(&batch).await?;
    let [claim, waiting] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    if claim.changes() == 0 {
        return Ok(Some(claimed.plus(channels::CLAIM)));
    }
    let rows: Vec<deliveries::Waiting> = waiting.rows()?;
    let oldest = rows.iter().map(|row| row.queued_at).min().unwrap_or(claimed.get());
    let more = rows.len() >= usize::try_from(deliveries::WINDOW).unwrap_or(usize::MAX);
    let mut queue = Queue::new(rows);
    let mut standing = Standing {
        failures: channel.failures,
        next_at: 0,
        status: channel.status,
        error: channel.error.clone(),
        delivered: false,
    };
    let end = match open_target(call, &channel.target) {
        Ok(target) => {
            let line = Line { call, target: &target, audience, rules };
            let mut session = Session { line: &line, channel: channel.id, claimed, standing: &mut standing };
            session.run(&mut queue).await?
        }
        Err(failure) => End::Failed(Outcome::failed(failure.describe().2)),
    };
    let now = clock::now();
    let mut ending = Vec::with_capacity(2);
    let next = match end {
        End::Failed(outcome) => {
            // A message that got through in this run begins a new row of failures.
            standing.failures = if standing.delivered { 1 } else { channel.failures.saturating_add(1) };
            let again = retry::after(standing.failures, channel.id, outcome.wait, now);
            standing.next_at = again.get();
            standing.status = outcome.status;
            if oldest <= now.plus(-retry::PATIENCE).get() {
                ending.push(deliveries::give_up(channel.id, outcome.error.as_deref().unwrap_or("it failed"), now));
            }
            standing.error = outcome.error;
            Some(again)
        }
        End::Refused(again) => order::next_at(&queue.waiting, now).into_iter().chain([again]).min(),
        End::Paused => order::next_at(&queue.waiting, now).or_else(|| more.then_some(now)),
    };
    ending.push(channels::release(channel.id, claimed, &standing, now));
    call.db.batch(&ending).await?;
    Ok(next)
}

/// Why a run sends nothing more to a channel.
enum End {
    /// Nothing may leave now, or the run's share is used.
    Paused,
    /// The endpoint took offence at a message, which may be tried again then.
    Refused(Second),
    /// The endpoint does not work.
    Failed(Outcome),
}

/// One run's messages to one channel.
struct Session<'a> {
    line: &'a Line<'a>,
    channel: i64,
    claimed: Second,
    standing: &'a mut Standing,
}

impl Session<'_> {
    async fn run(&mut self, queue: &mut Queue) -> Result<End, Failure> {
        for _ in 0..ROUNDS {
            let mut delivered: Vec<i64> = Vec::new();
            let mut stopped = None;
            for _ in 0..MESSAGES {
                let now = clock::now();
                if now.since(self.claimed) > LONGEST {
                    break;
                }
                let message = queue.take(self.line, self.standing.failures > 0, now);
                if message.is_empty() {
                    break;
                }
                let outcome = self.send(&message, now).await;
                if outcome.verdict != Verdict::Delivered {
                    stopped = Some((message, outcome));
                    break;
                }
                delivered.extend(message.iter().map(|row| row.event));
                *self.standing =
                    Standing { failures: 0, next_at: 0, status: outcome.status, error: None, delivered: true };
            }
            let again = self.mark(&delivered, stopped.as_ref()).await?;
            match stopped {
                Some((_, outcome)) if outcome.verdict == Verdict::Failed => return Ok(End::Failed(outcome)),
                // The others follow with the next run.
                Some((_, outcome)) => {
                    self.standing.status = outcome.status;
                    self.standing.error = outcome.error;
                    return Ok(End::Refused(again));
                }
                None if delivered.is_empty() => return Ok(End::Paused),
                None => {}
            }
        }
        Ok(End::Paused)
    }

    async fn send(&self, message: &[deliveries::Waiting], now: Second) -> Outcome {
        let events: Option<Vec<Event>> = message.iter().map(event).collect();
        let to = message.first().and_then(|row| row.email.as_deref());
        match events {
            Some(events) => self.line.send(&events, to, now).await,
            None => Outcome::refused("an event of it cannot be read"),
        }
    }

    /// Notes what got through, and what did not; returns when the latter may be tried again.
    async fn mark(
        &self,
        delivered: &[i64],
        stopped: Option<&(Vec<deliveries::Waiting>, Outcome)>,
    ) -> Result<Second, Failure> {
        let now = clock::now();
        let mut batch = Vec::with_capacity(2);
        if !delivered.is_empty() {
            let status = self.standing.status;
            let mark = Mark { state: "delivered", refused: false, next_at: now, status, error: None };
            batch.push(deliveries::mark(self.channel, delivered, &mark, now));
        }
        let mut again = now;
        if let Some((message, outcome)) = stopped {
            let events: Vec<i64> = message.iter().map(|row| row.event).collect();
            let mark = after(message, outcome, now);
            again = mark.next_at;
            batch.push(deliveries::mark(self.channel, &events, &mark, now));
        }
        if !batch.is_empty() {
            self.line.call.db.batch(&batch).await?;
        }
        Ok(again)
    }
}

/// A delivery's event; none when it cannot be read.
fn event(row: &deliveries::Waiting) -> Option<Event> {
    let kind = serde_json::from_value(serde_json::Value::String(row.kind.clone())).ok()?;
    let data = serde_json::from_str(&row.data).ok()?;
    Some(Event { id: row.id.clone(), kind, at: row.at, data })
}

/// What becomes of a message that did not get through. Several that were refused together are tried one by one, at once;
/// one that is refused again and again is given up.
fn after<'a>(message: &[deliveries::Waiting], outcome: &'a Outcome, now: Second) -> Mark<'a> {
    let refused = outcome.verdict == Verdict::Refused;
    let refusals = message.iter().map(|row| row.refusals).max().unwrap_or_default().saturating_add(1);
    let seed = message.first().map_or(0, |row| row.event);
    let next_at = if refused && message.len() == 1 { retry::after(refusals, seed, outcome.wait, now) } else { now };
    let state = if refused && message.len() == 1 && refusals >= retry::MAX_REFUSALS { "dead" } else { "waiting" };
    Mark { state, refused, next_at, status: outcome.status, error: outcome.error.as_deref() }
}
