//! The outbox: events become deliveries, and deliveries leave, channel by channel.
//!
//! Channels are served at the same time and each has its own state, so an endpoint that hangs or fails keeps no other
//! waiting. A run that dies between a message and its mark sends that message again: receivers know an event by its id.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use weir_wire::Second;

use super::email::NO_ADDRESS;
use super::{Line, Outcome, Verdict, open_target};
use crate::clock;
use crate::domain::notice::channel::{Audience, Rules};
use crate::domain::notice::order::{self, Waiting};
use crate::domain::notice::{Event, retry};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::channels::{self, Channel, Claimed, Standing};
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
        Self { waiting: rows.iter().map(line_up).collect(), rows }
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

    /// Takes out what is for nobody any more: of users who are gone, or whose address is.
    fn take_unaddressed(&mut self) -> Vec<deliveries::Waiting> {
        let gone = self.rows.extract_if(.., |row| row.email.is_none()).collect();
        self.waiting = self.rows.iter().map(line_up).collect();
        gone
    }

    /// Puts what was refused together back into its place, to be tried one by one.
    fn put_back(&mut self, rows: Vec<deliveries::Waiting>) {
        self.rows.extend(
            rows.into_iter().map(|row| deliveries::Waiting { refusals: row.refusals.saturating_add(1), ..row }),
        );
        self.rows.sort_by_key(|row| row.event);
        self.waiting = self.rows.iter().map(line_up).collect();
    }

    /// Leaves what waits of a subject to a later run.
    fn hold(&mut self, subject: &str) {
        self.rows.retain(|row| row.subject != subject);
        self.waiting.retain(|delivery| delivery.subject != subject);
    }
}

fn line_up(row: &deliveries::Waiting) -> Waiting {
    Waiting {
        event: row.event,
        subject: row.subject.clone(),
        refusals: row.refusals,
        next_at: Second::clamped(row.next_at),
    }
}

async fn serve(call: &Call, channel: &Channel, rules: &Rules) -> Result<Option<Second>, Failure> {
    let audience = if channel.audience == Audience::User.name() { Audience::User } else { Audience::Operator };
    let claimed = clock::now();
    let waiting = deliveries::waiting(channel.id, audience == Audience::User, claimed);
    let outcomes = call.db.batch(&[channels::claim(channel.id, claimed), waiting]).await?;
    let [claim, waiting] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let Some(Claimed { later }) = claim.rows()?.pop() else { return Ok(Some(claimed.plus(channels::CLAIM))) };
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
    let mut next: Vec<Second> = later.map(Second::clamped).into_iter().collect();
    let failed = match open_target(call, &channel.target) {
        Ok(target) => {
            let line = Line { call, target: &target, audience, rules };
            let mut session = Session {
                line: &line,
                channel: channel.id,
                claimed,
                standing: &mut standing,
                next: &mut next,
                marks: BTreeMap::new(),
            };
            session.run(&mut queue).await?
        }
        Err(failure) => Some(Outcome::failed(failure.describe().2)),
    };
    let now = clock::now();
    let mut ending = Vec::with_capacity(2);
    if let Some(outcome) = failed {
        // A message that got through in this run begins a new row of failures.
        standing.failures = if standing.delivered { 1 } else { channel.failures.saturating_add(1) };
        let again = retry::after(standing.failures, channel.id, outcome.wait, now);
        standing.next_at = again.get();
        standing.status = outcome.status;
        if oldest <= now.plus(-retry::PATIENCE).get() {
            ending.push(deliveries::give_up(channel.id, outcome.error.as_deref().unwrap_or("it failed"), now));
        }
        standing.error = outcome.error;
        next = vec![again];
    } else {
        next.extend(order::next_at(&queue.waiting, now).or_else(|| more.then_some(now)));
    }
    ending.push(channels::release(channel.id, claimed, &standing, now));
    call.db.batch(&ending).await?;
    Ok(next.into_iter().min())
}

/// One run's messages to one channel.
struct Session<'a> {
    line: &'a Line<'a>,
    channel: i64,
    claimed: Second,
    standing: &'a mut Standing,
    /// When there may be something to send again, beside what the queue holds.
    next: &'a mut Vec<Second>,
    /// What became of deliveries and is not noted yet, by event.
    marks: BTreeMap<i64, Mark>,
}

impl Session<'_> {
    /// Sends until nothing may leave, the run's share is used, or the endpoint fails: then how.
    async fn run(&mut self, queue: &mut Queue) -> Result<Option<Outcome>, Failure> {
        if self.line.audience == Audience::User {
            self.give_up(&queue.take_unaddressed());
        }
        for _ in 0..ROUNDS {
            let failed = self.round(queue).await;
            let idle = self.marks.is_empty();
            self.note().await?;
            if failed.is_some() || idle {
                return Ok(failed);
            }
        }
        Ok(None)
    }

    async fn round(&mut self, queue: &mut Queue) -> Option<Outcome> {
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
            match outcome.verdict {
                Verdict::Delivered => self.delivered(&message, &outcome),
                Verdict::Refused => self.refused(message, outcome, queue),
                Verdict::Failed => {
                    // It keeps its place: the next run asks with the oldest again.
                    let mark = |row| Mark { tries: 1, ..mark(row, "waiting", Second::clamped(0), &outcome) };
                    for row in &message {
                        self.mark(mark(row));
                    }
                    return Some(outcome);
                }
            }
        }
        None
    }

    async fn send(&self, message: &[deliveries::Waiting], now: Second) -> Outcome {
        let events: Option<Vec<Event>> = message.iter().map(event).collect();
        let to = message.first().and_then(|row| row.email.as_deref());
        match events {
            Some(events) => self.line.send(&events, to, now).await,
            None => Outcome::refused("an event of it cannot be read"),
        }
    }

    fn delivered(&mut self, message: &[deliveries::Waiting], outcome: &Outcome) {
        let now = clock::now();
        for row in message {
            self.mark(Mark { tries: 1, ..mark(row, "delivered", now, outcome) });
            self.let_follow(row, now);
        }
        *self.standing = Standing { failures: 0, next_at: 0, status: outcome.status, error: None, delivered: true };
    }

    /// Several that were refused together are tried one by one, at once; one that is refused again and again is given up. The others go on, but for
    /// the later ones of its subject.
    fn refused(&mut self, message: Vec<deliveries::Waiting>, outcome: Outcome, queue: &mut Queue) {
        let now = clock::now();
        let refused = |row, state, next_at| Mark { tries: 1, refusals: 1, ..mark(row, state, next_at, &outcome) };
        if let [row] = message.as_slice() {
            let refusals = row.refusals.saturating_add(1);
            let again = retry::after(refusals, row.event, outcome.wait, now);
            if refusals >= retry::MAX_REFUSALS {
                self.mark(refused(row, "dead", again));
                self.next.push(now);
            } else {
                self.mark(refused(row, "waiting", again));
                self.next.push(again);
            }
            queue.hold(&row.subject);
        } else {
            for row in &message {
                self.mark(refused(row, "waiting", now));
            }
            queue.put_back(message);
        }
        self.standing.status = outcome.status;
        self.standing.error = outcome.error;
    }

    /// Nobody is asked to take what is for nobody any more.
    fn give_up(&mut self, rows: &[deliveries::Waiting]) {
        let now = clock::now();
        let gone = Outcome::refused(NO_ADDRESS);
        for row in rows {
            self.mark(mark(row, "dead", now, &gone));
            self.let_follow(row, now);
        }
    }

    /// What waited behind one that had to wait was not looked at: the next run does.
    fn let_follow(&mut self, row: &deliveries::Waiting, now: Second) {
        if row.next_at > 0 {
            self.next.push(now);
        }
    }

    /// Keeps a mark until the round ends. Of one that was tried twice since then both tries count.
    fn mark(&mut self, mark: Mark) {
        let before = self.marks.remove(&mark.event);
        let (tries, refusals) = before.map_or((0, 0), |before| (before.tries, before.refusals));
        let both =
            Mark { tries: tries.saturating_add(mark.tries), refusals: refusals.saturating_add(mark.refusals), ..mark };
        self.marks.insert(both.event, both);
    }

    /// Notes what became of a round's deliveries, in one query.
    async fn note(&mut self) -> Result<(), Failure> {
        let marks: Vec<Mark> = core::mem::take(&mut self.marks).into_values().collect();
        if !marks.is_empty() {
            self.line.call.db.batch(&[deliveries::mark(self.channel, &marks, clock::now())]).await?;
        }
        Ok(())
    }
}

/// A delivery's event; none when it cannot be read.
fn event(row: &deliveries::Waiting) -> Option<Event> {
    let kind = serde_json::from_value(serde_json::Value::String(row.kind.clone())).ok()?;
    let data = serde_json::from_str(&row.data).ok()?;
    Some(Event { id: row.id.clone(), kind, at: row.at, data })
}

fn mark(row: &deliveries::Waiting, state: &'static str, next_at: Second, outcome: &Outcome) -> Mark {
    let Outcome { status, error, .. } = outcome;
    Mark { event: row.event, state, tries: 0, refusals: 0, next_at, status: *status, error: error.clone() }
}
