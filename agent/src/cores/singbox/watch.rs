//! Reads the core's events for as long as anybody listens.
//!
//! The core keeps 64 messages for a subscriber and drops what comes beyond, without an error. So this task awaits
//! nothing but the streams: what it reads goes into memory at once, and whoever counts does so elsewhere.

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::api::daemon::{ConnectionEvents, Status as Totals, SubscribeConnectionsRequest, SubscribeStatusRequest};
use super::api::{Client, explain, groups};
use super::inner::Inner;
use crate::cores::silence::Silence;
use crate::cores::{CoreError, CoreEvent};
use crate::random;

/// Status comes every second; a core that is silent for so long hangs, or its host was asleep.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the old subscription is read on after the new one's list has come: what the core sent on it before it made
/// that list arrives within a round trip on loopback.
const OVERLAP: Duration = Duration::from_millis(100);
/// A slower tick is taken up only after this long, so that a user who hovers at his limit does not cause a change of
/// subscription every second.
const DWELL: Duration = Duration::from_secs(5);
/// How often a new list of all connections is asked for while some are in doubt.
const LIST_EVERY: Duration = Duration::from_secs(1);
/// How long after connections were ended by force lists are asked for, each counted from the one before: their last chunks are
/// counted within a moment, and on a host whose cores are all busy after some of them. Connections that are ended together share
/// the lists.
const LATE: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(250), LIST_EVERY];
/// The least distance of such lists.
const LATE_EVERY: Duration = Duration::from_millis(250);

/// Why a session ended.
enum End {
    /// Nobody listens any more.
    Unheard,
    /// The core does not answer (any more).
    Lost(CoreError),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Lost(explain(&status))
    }
}

/// A subscription that has told everything it begins with.
struct Subscription {
    stream: Streaming<ConnectionEvents>,
    tick: Duration,
}

/// Tells every event until the receiver is dropped.
pub(super) async fn watch(core: &Inner, events: &UnboundedSender<CoreEvent>) {
    let mut silence = Silence::default();
    loop {
        let mut up = false;
        let end = session(core, events, &mut up).await;
        core.forget_connections();
        let End::Lost(why) = end else { return };
        if up {
            silence.end();
        }
        if !silence.tell(why, events) {
            return;
        }
        tokio::select! {
            () = events.closed() => return,
            () = sleep(jittered(silence.pause())) => {}
        }
    }
}

/// Between a half and the whole of the pause, so that agents of one machine do not knock in step.
fn jittered(pause: Duration) -> Duration {
    pause / 2 + pause / 2 * u32::from(random::byte()) / 255
}

async fn session(core: &Inner, events: &UnboundedSender<CoreEvent>, up: &mut bool) -> End {
    let opened = timeout(SILENCE, open(core)).await;
    let (client, mut connections, mut status, up_event, list) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(end)) => return end,
        Err(_) => return End::Lost(CoreError::Unreachable("no answer within 10 seconds".into())),
    };
    *up = true;
    if events.send(up_event).is_err() || !core.tell(list, events) {
        return End::Unheard;
    }
    match follow(core, events, client, &mut connections, &mut status).await {
        Ok(()) => End::Unheard,
        Err(end) => end,
    }
}

type Opened = (Client, Subscription, Streaming<Totals>, CoreEvent, ConnectionEvents);

/// Subscribes, and makes sure that all of it belongs to one incarnation.
async fn open(core: &Inner) -> Result<Opened, End> {
    let mut client = core.api.connect().await.map_err(End::Lost)?;
    let version = client.get_version(()).await?.into_inner().version;
    let incarnation = client.get_started_at(()).await?.into_inner().started_at;
    let groups = groups(client.clone()).await?;
    let request = SubscribeStatusRequest { interval: 1_000_000_000 };
    let status = client.subscribe_status(request).await?.into_inner();
    let tick = *core.tick.borrow();
    let (connections, first) = subscribe(client.clone(), tick).await?;
    let now = client.get_started_at(()).await?.into_inner().started_at;
    if now != incarnation {
        return Err(End::Lost(CoreError::Unreachable("the core was reloaded while it was being asked".into())));
    }
    core.learn(&groups);
    Ok((client, connections, status, CoreEvent::Up { incarnation, version }, first))
}

async fn subscribe(mut client: Client, tick: Duration) -> Result<(Subscription, ConnectionEvents), Status> {
    let interval = i64::try_from(tick.as_nanos()).unwrap_or(i64::MAX);
    let mut stream = client.subscribe_connections(SubscribeConnectionsRequest { interval }).await?.into_inner();
    let first = stream.message().await?;
    let first = first.ok_or_else(|| Status::unavailable("the core ended its list of connections"))?;
    Ok((Subscription { stream, tick }, first))
}

type Joining = Pin<Box<dyn Future<Output = Result<(Subscription, ConnectionEvents), Status>> + Send>>;

/// A change of tick, or a new list: the new subscription is opened beside the old one and takes over when its list is there.
enum Change {
    None,
    Opening(Joining),
    Overlapping(Box<(Subscription, ConnectionEvents)>, Instant),
}

async fn follow(
    core: &Inner,
    events: &UnboundedSender<CoreEvent>,
    client: Client,
    connections: &mut Subscription,
    status: &mut Streaming<Totals>,
) -> Result<(), End> {
    let mut ticks = core.tick.subscribe();
    let mut change = Change::None;
    let mut settled = Instant::now();
    let mut list_from = settled + LIST_EVERY;
    // What of the lists after a forced end is still to come.
    let mut late: &[Duration] = &[];
    let mut heard = Instant::now();
    loop {
        let wanted = *ticks.borrow_and_update();
        let slower_from = settled + DWELL;
        let resting = matches!(change, Change::None);
        if resting && (wanted < connections.tick || (wanted > connections.tick && slower_from <= Instant::now())) {
            core.await_list();
            change = Change::Opening(Box::pin(subscribe(client.clone(), wanted)));
            continue;
        }
        let event = tokio::select! {
            // The order is a promise: what the old subscription has told is heard before the new one takes over.
            biased;
            () = events.closed() => return Ok(()),
            message = connections.stream.message() => {
                let message = message?.ok_or_else(|| Status::unavailable("the core ended its events"))?;
                if core.tell(message, events) {
                    continue;
                }
                return Ok(());
            }
            message = status.message() => match message? {
                Some(totals) => {
                    heard = Instant::now();
                    let count = |bytes| u64::try_from(bytes).unwrap_or_default();
                    CoreEvent::Totals { up: count(totals.uplink_total), down: count(totals.downlink_total) }
                }
                None => return Err(Status::unavailable("the core ended its status").into()),
            },
            next = advance(&mut change) => {
                change = match next? {
                    Next::Overlap(opened) => Change::Overlapping(opened, Instant::now() + OVERLAP),
                    Next::TakeOver(opened) => {
                        let (next, list) = *opened;
                        *connections = next;
                        settled = Instant::now();
                        list_from = settled + late.first().copied().unwrap_or(LIST_EVERY);
                        if !core.tell(list, events) {
                            return Ok(());
                        }
                        Change::None
                    }
                };
                continue;
            }
            Ok(()) = ticks.changed() => continue,
            () = sleep_until(slower_from), if resting && wanted > connections.tick => continue,
            () = core.forced.notified(), if resting && late.len() < LATE.len() => {
                late = &LATE;
                let [soon, ..] = LATE;
                list_from = list_from.min((Instant::now() + soon).max(settled + LATE_EVERY));
                continue;
            }
            () = sleep_until(list_from), if resting => {
                list_from = Instant::now() + LIST_EVERY;
                let owed = late.split_first().map(|(_, rest)| late = rest).is_some();
                if owed || core.is_in_doubt() {
                    core.await_list();
                    change = Change::Opening(Box::pin(subscribe(client.clone(), connections.tick)));
                }
                continue;
            }
            () = sleep_until(heard + SILENCE) => {
                return Err(End::Lost(CoreError::Unreachable("the core was silent for 10 seconds".into())));
            }
        };
        if events.send(event).is_err() {
            return Ok(());
        }
    }
}

enum Next {
    Overlap(Box<(Subscription, ConnectionEvents)>),
    TakeOver(Box<(Subscription, ConnectionEvents)>),
}

/// Waits for the next step of a change; for ever while there is none.
async fn advance(change: &mut Change) -> Result<Next, Status> {
    match change {
        Change::None => core::future::pending().await,
        Change::Opening(opening) => opening.as_mut().await.map(Box::new).map(Next::Overlap),
        Change::Overlapping(_, until) => {
            sleep_until(*until).await;
            match core::mem::replace(change, Change::None) {
                Change::Overlapping(opened, _) => Ok(Next::TakeOver(opened)),
                _ => core::future::pending().await,
            }
        }
    }
}
