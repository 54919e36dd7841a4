//! A connection's two directions.

use core::time::Duration;
use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Guest;
use super::bucket::Bucket;

/// Once one side has ended, the other must say something within this time: an end cannot be told from a half of one.
const HALF_CLOSED: Duration = Duration::from_mins(5);

/// Copies until both sides have ended.
pub(super) async fn both(core: TcpStream, back: TcpStream, guest: &Guest) -> io::Result<()> {
    let (from_core, to_core) = core.into_split();
    let (from_back, to_back) = back.into_split();
    let (ended, _) = watch::channel(false);
    let up = one(from_core, to_back, Direction::Up(guest), &ended);
    let down = one(from_back, to_core, Direction::Down(guest), &ended);
    tokio::try_join!(up, down).map(drop)
}

/// Where bytes go.
#[derive(Clone, Copy)]
enum Direction<'a> {
    Up(&'a Guest),
    Down(&'a Guest),
}

impl Direction<'_> {
    fn bucket(&self) -> &Bucket {
        match self {
            Self::Up(guest) => &guest.account.up,
            Self::Down(guest) => &guest.account.down,
        }
    }

    /// Waits until so many bytes may pass that were read.
    async fn take(&self, bytes: usize) {
        match self {
            Self::Up(guest) => guest.up(bytes).await,
            Self::Down(guest) => guest.account.down.take(bytes).await,
        }
    }

    /// They were passed on.
    fn passed(&self, bytes: usize) {
        if let Self::Down(guest) = self {
            guest.gave(bytes);
        }
    }
}

async fn one(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction<'_>,
    ended: &watch::Sender<bool>,
) -> io::Result<()> {
    let mut other = ended.subscribe();
    loop {
        readable(&from, &mut other).await?;
        // Only while there is something to hold: most connections are idle most of the time.
        let mut chunk = vec![0; direction.bucket().chunk()];
        match from.try_read(&mut chunk) {
            Ok(0) => {
                ended.send_replace(true);
                return to.shutdown().await;
            }
            Ok(length) => {
                chunk.truncate(length);
                direction.take(length).await;
                to.write_all(&chunk).await?;
                direction.passed(length);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until there is something to read, for ever while the other direction lives.
async fn readable(from: &OwnedReadHalf, other: &mut watch::Receiver<bool>) -> io::Result<()> {
    if !*other.borrow() {
        tokio::select! {
            ready = from.readable() => return ready,
            _ = other.changed() => {}
        }
    }
    timeout(HALF_CLOSED, from.readable()).await.map_err(io::Error::from)?
}
