//! Reads the core's counters for as long as anybody listens.

use core::time::Duration;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Inner, lock};
use crate::clock;
use crate::cores::incarnation::{is_near, since};
use crate::cores::stats::{self, Connection};
use crate::cores::{CoreError, CoreEvent, Fallen, program};

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// Tells every event until the receiver is dropped.
pub(super) async fn watch(core: &Arc<Inner>, events: &UnboundedSender<CoreEvent>) {
    let mut retry = FIRST_RETRY;
    let mut told = None;
    loop {
        let mut up = false;
        let end = session(core, events, &mut up).await;
        // Whoever waits for a reading need not wait any more.
        lock(&core.waiting).clear();
        core.forget_users().await;
        let Err(why) = end else { return };
        if up {
            retry = FIRST_RETRY;
            told = None;
        }
        // A core that stays down is told once.
        if told.as_ref() != Some(&why) {
            if events.send(CoreEvent::Down { reason: why.to_string() }).is_err() {
                return;
            }
            told = Some(why);
        }
        tokio::select! {
            () = events.closed() => return,
            () = sleep(retry) => {}
        }
        retry = LAST_RETRY.min(retry * 2);
    }
}

/// One connection, which is one incarnation. Ends well when nobody listens any more.
async fn session(core: &Arc<Inner>, events: &UnboundedSender<CoreEvent>, up: &mut bool) -> Result<(), CoreError> {
    let connection = stats::connect(core.address()).await?;
    let reading = clock::read();
    let start = reading.awake().saturating_sub(u64::from(connection.uptime) * 1_000);
    let incarnation = core.name_start(start, connection.uptime);
    let version = program::ask(&core.settings.binary).await.map(|program| program.version).unwrap_or_default();
    *up = true;
    if events.send(CoreEvent::Up { incarnation, version }).is_err() {
        return Ok(());
    }
    let mut ticks = core.tick.subscribe();
    let mut read = Instant::now();
    loop {
        // Before the reading: whoever asks during it gets the next one.
        let waiting = core::mem::take(&mut *lock(&core.waiting));
        if !tell(&connection, events).await? {
            return Ok(());
        }
        for whoever in waiting {
            let _ = whoever.send(());
        }
        // A reading that took long is not followed by the ones that were left out.
        loop {
            let tick = *ticks.borrow_and_update();
            tokio::select! {
                () = events.closed() => return Ok(()),
                () = core.read_now.notified() => {}
                Ok(()) = ticks.changed() => continue,
                () = sleep_until(read + tick) => {}
            }
            break;
        }
        read = Instant::now();
    }
}

/// Reads all counters. Returns whether anybody listens.
async fn tell(connection: &Connection, events: &UnboundedSender<CoreEvent>) -> Result<bool, CoreError> {
    let users = connection.users().await?;
    Ok(events.send(CoreEvent::Counters { users, fallen: Fallen::Zero }).is_ok())
}

impl Inner {
    /// The name of the start that was `start` milliseconds after the boot by the clock that stands while the host is
    /// suspended, of a core that has run for `uptime` seconds.
    fn name_start(&self, start: u64, uptime: u32) -> i64 {
        let name = since(&self.boot, start);
        let mut started = lock(&self.started);
        if let Some((known, last)) = &mut *started
            && *last <= uptime
            && is_near(*known, name)
        {
            *last = uptime;
            return *known;
        }
        *started = Some((name, uptime));
        name
    }
}
