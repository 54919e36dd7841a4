//! A connection's two directions.

use core::time::Duration;
use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Account;
use super::bucket::Bucket;

/// Once one side has ended, the other must say something within this time: an end cannot be told from a half of one.
const HALF_CLOSED: Duration = Duration::from_mins(5);

/// Copies until both sides have ended.
pub(super) async fn both(core: TcpStream, back: TcpStream, account: &Account) -> io::Result<()> {
    let (from_core, to_core) = core.into_split();
    let (from_back, to_back) = back.into_split();
    let (ended, _) = watch::channel(false);
    let up = one(from_core, to_back, &account.up, &ended);
    let down = one(from_back, to_core, &account.down, &ended);
    tokio::try_join!(up, down).map(drop)
}

async fn one(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    bucket: &Bucket,
    ended: &watch::Sender<bool>,
) -> io::Result<()> {
    let mut other = ended.subscribe();
    loop {
        readable(&from, &mut other).await?;
        // Only while there is something to hold: most connections are idle most of the time.
        let mut chunk = vec![0; bucket.chunk()];
        match from.try_read(&mut chunk) {
            Ok(0) => {
                ended.send_replace(true);
                return to.shutdown().await;
            }
            Ok(length) => {
                chunk.truncate(length);
                bucket.take(length).await;
                to.write_all(&chunk).await?;
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
