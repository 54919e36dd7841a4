//! Whether the core runs, with which file, and what its users move.

use core::time::Duration;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep_until, timeout};
use weir_wire::SlotName;

use super::Inner;
use super::render::{self, STATED};
use crate::cores::aside::aside;
use crate::cores::host_secret::HostSecret;
use crate::cores::silence::Silence;
use crate::cores::{CoreError, CoreEvent, last_good, program};
use crate::lock::lock;
use crate::relay::socks;

/// A core on loopback answers at once.
const ANSWER: Duration = Duration::from_secs(2);

/// A core that runs a file of ours. It holds the connection until it ends.
pub(super) struct Proof {
    stream: TcpStream,
    pub(super) digest: String,
}

/// Why there is no [`Proof`].
pub(super) enum Refused {
    /// Nobody listens, or not like a core.
    Down(io::Error),
    /// The core does not run this file.
    OtherFile,
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Down(why) => write!(f, "{why}"),
            Self::OtherFile => f.write_str("it runs another file than the agent's"),
        }
    }
}

/// Asks the core whether it runs the configuration of a digest.
pub(super) async fn ask(core: &Inner, digest: &str) -> Result<Proof, Refused> {
    ask_at(core.ports.at_back(), &core.secret, digest).await
}

/// The same of any core with an inbound at `back`.
pub(super) async fn ask_at(back: SocketAddr, secret: &HostSecret, digest: &str) -> Result<Proof, Refused> {
    let asked = async {
        let mut stream = TcpStream::connect(back).await.map_err(Refused::Down)?;
        match socks::log_in(&mut stream, STATED, &secret.stated(digest)).await {
            Ok(()) => Ok(Proof { stream, digest: digest.to_owned() }),
            Err(_) => Err(Refused::OtherFile),
        }
    };
    timeout(ANSWER, asked).await.map_err(|why| Refused::Down(why.into()))?
}

/// Asks the core which of the files it runs that it may have: the one that it ran before, the one on disk, the last good one.
async fn find(core: &Arc<Inner>) -> Result<(Proof, Option<Vec<SlotName>>), Refused> {
    let running = lock(&core.state).running.clone();
    if let Some(digest) = running {
        match ask(core, &digest).await {
            Err(Refused::OtherFile) => {}
            asked => return asked.map(|proof| (proof, None)),
        }
    }
    let inner = Arc::clone(core);
    let files = aside(move || {
        let files = [inner.settings.output.clone(), last_good::path(&inner.settings.state_dir)];
        Ok(files.iter().filter_map(|file| render::of_file(&fs::read(file).ok()?)).collect::<Vec<_>>())
    });
    let mut refused = Refused::OtherFile;
    for (digest, slots) in files.await.unwrap_or_default() {
        match ask(core, &digest).await {
            Ok(proof) => return Ok((proof, Some(slots))),
            Err(why) => refused = why,
        }
    }
    Err(refused)
}

/// Tells every event until the receiver is dropped.
pub(super) async fn watch(core: &Arc<Inner>, events: UnboundedSender<CoreEvent>) {
    *lock(&core.events) = Some(events.clone());
    let mut proof: Option<Proof> = None;
    let (mut silence, mut ask_at) = (Silence::default(), Instant::now());
    loop {
        if proof.is_none() && ask_at <= Instant::now() {
            match find(core).await {
                Ok((found, slots)) => {
                    up(core, &found.digest, slots).await;
                    proof = Some(found);
                    silence.end();
                }
                Err(why) => {
                    lock(&core.state).running = None;
                    if !silence.tell(CoreError::Unreachable(why.to_string()), &events) {
                        return;
                    }
                    ask_at = Instant::now() + silence.pause();
                }
            }
        }
        let tick = *core.tick.borrow();
        tokio::select! {
            () = events.closed() => return,
            () = sleep_until(Instant::now() + tick) => {}
            () = core.look.notified() => (proof, ask_at) = (None, Instant::now()),
            () = ended(&mut proof) => (proof, ask_at) = (None, Instant::now()),
        }
        if !core.tell(None) {
            return;
        }
    }
}

/// Waits for the end of the connection that the core holds: it has gone, or loads a file.
async fn ended(proof: &mut Option<Proof>) {
    match proof {
        // Nothing is ever said on it.
        Some(proof) => drop(proof.stream.read_u8().await),
        None => core::future::pending().await,
    }
}

/// The core answers. `slots` of the file, where it is another one than before.
async fn up(core: &Inner, digest: &str, slots: Option<Vec<SlotName>>) {
    {
        let mut state = lock(&core.state);
        state.running = Some(digest.to_owned());
        if let Some(slots) = slots {
            state.loaded = slots;
        }
    }
    tell_up(core).await;
}

/// Says that the core answers, and all that lives.
pub(super) async fn tell_up(core: &Inner) {
    // Its package may have been renewed meanwhile.
    let version = program::ask(&core.settings.binary).await.map(|program| program.version).unwrap_or_default();
    let incarnation = lock(&core.state).incarnation;
    core.tell(Some(CoreEvent::Up { incarnation, version }));
}
