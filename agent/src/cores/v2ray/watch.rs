//! Reads the core's counters for as long as anybody listens.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, sleep_until};

use super::Inner;
use crate::cores::incarnation::{is_near, since};
use crate::cores::silence::Silence;
use crate::cores::stats::{self, Connection, Dialect, Start};
use crate::cores::{CoreError, CoreEvent, Counter, Fallen, program};
use crate::lock::lock;

/// How often a core that knows is asked where its users are connected from: an address counts for five minutes.
const ONLINE_EVERY: Duration = Duration::from_secs(15);
/// Users who are asked for at once.
const MOST_ONLINE: usize = 1_000;

/// Tells every event until the receiver is dropped.
pub(super) async fn watch(core: &Arc<Inner>, events: &UnboundedSender<CoreEvent>) {
    let mut silence = Silence::default();
    loop {
        let mut up = false;
        let end = session(core, events, &mut up).await;
        // Whoever waits for a reading need not wait any more.
        lock(&core.waiting).clear();
        core.forget_users().await;
        let Err(why) = end else { return };
        if up {
            silence.end();
        }
        if !silence.tell(why, events) {
            return;
        }
        tokio::select! {
            () = events.closed() => return,
            () = sleep(silence.pause()) => {}
        }
    }
}

/// One connection, which is one incarnation. Ends well when nobody listens any more.
async fn session(core: &Arc<Inner>, events: &UnboundedSender<CoreEvent>, up: &mut bool) -> Result<(), CoreError> {
    let connection = stats::connect(core.address()).await?;
    let incarnation = core.name_start(connection.start().await?);
    let version = program::ask(&core.settings.binary).await.map(|program| program.version).unwrap_or_default();
    *up = true;
    if events.send(CoreEvent::Up { incarnation, version }).is_err() {
        return Ok(());
    }
    let mut ticks = core.tick.subscribe();
    let mut read = Instant::now();
    let mut online = Online { moving: BTreeMap::new(), asked: read, known: connection.dialect == Dialect::Xray };
    loop {
        // Before the reading: whoever asks during it gets the next one.
        let waiting = core::mem::take(&mut *lock(&core.waiting));
        let users = connection.users().await?;
        online.moved(&users);
        if events.send(CoreEvent::Counters { users, fallen: Fallen::Zero }).is_err() {
            return Ok(());
        }
        for whoever in waiting {
            let _ = whoever.send(());
        }
        if let Some(users) = online.look(&connection).await?
            && events.send(CoreEvent::Online { users }).is_err()
        {
            return Ok(());
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

/// Who must be asked for.
struct Online {
    /// What each user had moved at the last reading, and whether that was more than at the look before.
    moving: BTreeMap<String, (u64, bool)>,
    asked: Instant,
    /// The core can tell, as far as is known.
    known: bool,
}

impl Online {
    fn moved(&mut self, users: &[Counter]) {
        for user in users.iter().filter(|_| self.known) {
            let all = user.up.saturating_add(user.down);
            match self.moving.get_mut(&user.user) {
                Some((before, moved)) => {
                    *moved |= *before != all;
                    *before = all;
                }
                None => {
                    self.moving.insert(user.user.clone(), (all, all > 0));
                }
            }
        }
    }

    /// Asks for those who have moved bytes, when it is time.
    async fn look(&mut self, connection: &Connection) -> Result<Option<Vec<(String, Vec<IpAddr>)>>, CoreError> {
        if !self.known || self.asked.elapsed() < ONLINE_EVERY {
            return Ok(None);
        }
        self.asked = Instant::now();
        let mut users = Vec::new();
        for (user, (_, moved)) in self.moving.iter_mut().filter(|(_, (_, moved))| *moved).take(MOST_ONLINE) {
            let Some(ips) = connection.online(user).await? else {
                self.known = false;
                return Ok(None);
            };
            *moved = false;
            users.push((user.clone(), ips.keys().filter_map(|ip| ip.parse().ok()).collect()));
        }
        Ok(Some(users))
    }
}

impl Inner {
    /// The name of a start.
    fn name_start(&self, Start { millis, uptime }: Start) -> i64 {
        let name = since(&self.boot, millis);
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
