//! Speed limits: what users with one move goes through here, a chunk at a time.
//!
//! The core sends such a user's connections to this SOCKS5 server on loopback, named by his slot, and takes them back at an
//! inbound of its own, from where they leave as the operator's template says. So nothing here resolves a name or dials anywhere
//! but back, and the user's bytes are counted where he came in, as everybody's. All of his connections draw from one bucket in
//! each direction.
//!
//! A core that does not say whose bytes it moves sends all of its users here, and they are counted and let in here ([`meter`]).
//!
//! It has a thread of its own: copying must hold up neither the reader of the core's events nor a gate.

mod bucket;
mod copy;
mod datagrams;
pub(crate) mod meter;
pub(crate) mod socks;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use weir_wire::SlotName;

use self::bucket::Bucket;
use self::meter::Passage;
use self::socks::{Command, Request};
use crate::cores::RelayPlan;
use crate::lock::lock;

/// What the kernel may hold of a connection before the bucket on this side; the core's side of it holds more.
const BUFFER: u32 = 64 << 10;
/// Connections that wait to be taken in.
const BACKLOG: u32 = 1_024;
/// A core on loopback greets in milliseconds, and dials for as long as it likes afterwards.
const GREETING: Duration = Duration::from_secs(10);
/// Pause after the port could not be opened, or no connection could be taken.
const AGAIN: Duration = Duration::from_secs(1);
/// Files of one connection at most: two streams, two sockets for datagrams.
const FILES: u32 = 4;
/// Files that are left for everything else.
const OTHER_FILES: u64 = 256;
/// Files for connections at most, whatever the host allows.
const MOST_FILES: u64 = 64 << 10;

/// One user's buckets.
#[derive(Debug, Default)]
struct Account {
    up: Bucket,
    down: Bucket,
}

/// The limits, and who draws from them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Speeds(Arc<Mutex<HashMap<SlotName, Arc<Account>>>>);

impl Speeds {
    fn accounts(&self) -> MutexGuard<'_, HashMap<SlotName, Arc<Account>>> {
        lock(&self.0)
    }

    /// Limits a slot to so many bytes a second in each direction, from now on and in all of its connections; 0 = unlimited.
    pub(crate) fn set(&self, slot: &SlotName, speed: u64) {
        let mut accounts = self.accounts();
        // The core may send on a connection of somebody whose limit was just taken away.
        if speed == 0 && !accounts.contains_key(slot) {
            return;
        }
        let account = accounts.entry(slot.clone()).or_default();
        account.up.set(speed);
        account.down.set(speed);
    }

    /// Forgets a slot that is gone. Its connections, if there are any, go on.
    pub(crate) fn forget(&self, slot: &SlotName) {
        self.accounts().remove(slot);
    }

    fn of(&self, slot: &SlotName) -> Option<Arc<Account>> {
        self.accounts().get(slot).cloned()
    }

    /// The same for somebody who may have no limit, so that one that comes later holds for what he has open.
    fn of_anybody(&self, slot: &SlotName) -> Arc<Account> {
        Arc::clone(self.accounts().entry(slot.clone()).or_default())
    }
}

/// A user who was let in: his buckets, and his place in the account of a relay that keeps one.
struct Guest {
    account: Arc<Account>,
    passage: Option<Passage>,
}

impl Guest {
    /// The user of this name, if he may pass.
    fn of(name: &str, plan: &RelayPlan, speeds: &Speeds) -> Option<Self> {
        let slot = name.parse().ok()?;
        match &plan.meter {
            None => Some(Self { account: speeds.of(&slot)?, passage: None }),
            Some(meter) => Some(Self { passage: Some(meter.admit(&slot)?), account: speeds.of_anybody(&slot) }),
        }
    }

    /// These bytes came from the client. Waits until they may pass.
    async fn up(&self, bytes: usize) {
        if let Some(passage) = &self.passage {
            passage.up(bytes);
        }
        self.account.up.take(bytes).await;
    }

    /// These bytes were given to the client.
    fn gave(&self, bytes: usize) {
        if let Some(passage) = &self.passage {
            passage.down(bytes);
        }
    }

    /// Waits until the connection must end.
    async fn cut(&self) {
        match &self.passage {
            Some(passage) => passage.cut().await,
            None => core::future::pending().await,
        }
    }
}

/// Starts the relay in a thread of its own, for as long as the process lives. Whether it has its port is told each time that
/// this changes.
///
/// # Errors
/// The kernel starts no thread.
pub(crate) fn start(
    plan: RelayPlan,
    speeds: Speeds,
    told: mpsc::UnboundedSender<Result<(), String>>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("weir-relay".to_owned())
        .spawn(move || runtime.block_on(serve(Arc::new(plan), speeds, &told)))
        .map(drop)
}

async fn serve(plan: Arc<RelayPlan>, speeds: Speeds, told: &mpsc::UnboundedSender<Result<(), String>>) {
    let mut failed = None;
    let listener = loop {
        match listen(plan.listen) {
            Ok(listener) => break listener,
            Err(error) => {
                let why = format!("{}: {error}; users with a speed limit cannot connect", plan.listen);
                if failed.as_ref() != Some(&why) && told.send(Err(why.clone())).is_err() {
                    return;
                }
                failed = Some(why);
                sleep(AGAIN).await;
            }
        }
    };
    if told.send(Ok(())).is_ok() {
        accept(&listener, &plan, &speeds, &Arc::new(Semaphore::new(files()))).await;
    }
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // The agent's last run may have left connections behind that have not quite ended.
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

/// Raises this process's limit of open files to what it may have, and returns how many of them connections may take.
fn files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(MOST_FILES + OTHER_FILES);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    let have = if raised.is_ok() { wanted } else { limit.current.unwrap_or(wanted) };
    usize::try_from(have.saturating_sub(OTHER_FILES).clamp(FILES.into(), MOST_FILES)).unwrap_or(usize::MAX)
}

async fn accept(listener: &TcpListener, plan: &Arc<RelayPlan>, speeds: &Speeds, files: &Arc<Semaphore>) {
    loop {
        // A semaphore that nobody closes.
        let Ok(room) = Arc::clone(files).acquire_many_owned(FILES).await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (plan, speeds) = (Arc::clone(plan), speeds.clone());
                tokio::spawn(async move {
                    // Whatever went wrong, both sides learn it by the end of their connection.
                    let _ = connection(stream, &plan, &speeds).await;
                    drop(room);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the relay of speed limits takes no connection");
                sleep(AGAIN).await;
            }
        }
    }
}

async fn connection(mut core: TcpStream, plan: &RelayPlan, speeds: &Speeds) -> io::Result<()> {
    core.set_nodelay(true)?;
    let greeting = async {
        let user = socks::welcome(&mut core, &plan.password).await?;
        let guest = Guest::of(&user, plan, speeds);
        let guest = guest.ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, "nobody's slot"))?;
        let request = Request::read(&mut core).await?;
        let mut back = TcpStream::connect(plan.back).await?;
        back.set_nodelay(true)?;
        socks::log_in(&mut back, RelayPlan::BACK_USER, &plan.back_password).await?;
        Ok::<_, io::Error>((guest, request, back))
    };
    let (guest, request, back) = timeout(GREETING, greeting).await.map_err(io::Error::from)??;
    tokio::select! {
        ended = pass(core, back, &request, &guest) => ended,
        () = guest.cut() => Ok(()),
    }
}

async fn pass(mut core: TcpStream, mut back: TcpStream, request: &Request, guest: &Guest) -> io::Result<()> {
    match request.command {
        Command::Connect => {
            socks::write(&mut back, &request.bytes).await?;
            let reply = socks::read_reply(&mut back).await?;
            socks::write(&mut core, &reply.bytes).await?;
            if reply.is_good() { copy::both(core, back, guest).await } else { Ok(()) }
        }
        Command::Associate => datagrams::both(core, back, guest).await,
    }
}
