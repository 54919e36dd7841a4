//! An association: datagrams go on as they come, with the header that says where to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;

use super::Guest;
use super::socks;

/// The longest datagram that IP carries.
const LONGEST: usize = 65_535;

/// Relays datagrams for as long as both sides keep their connection.
pub(super) async fn both(mut core: TcpStream, mut back: TcpStream, guest: &Guest) -> io::Result<()> {
    socks::write(&mut back, &socks::associate()).await?;
    let reply = socks::read_reply(&mut back).await?;
    if !reply.is_good() {
        return socks::write(&mut core, &reply.bytes).await;
    }
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    far.connect(reply.bound().ok_or(io::ErrorKind::InvalidData)?).await?;
    let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socks::write(&mut core, &socks::bound_at(near.local_addr()?)).await?;
    let (client, _) = watch::channel(None);
    tokio::select! {
        ended = up(&near, &far, guest, &client) => ended,
        ended = down(&far, &near, guest, &client) => ended,
        ended = end(&mut core) => ended,
        ended = end(&mut back) => ended,
    }
}

/// Waits for the end of a connection on which nothing more is said.
async fn end(stream: &mut TcpStream) -> io::Result<()> {
    let mut byte = [0];
    while stream.read(&mut byte).await? != 0 {}
    Ok(())
}

async fn up(
    near: &UdpSocket,
    far: &UdpSocket,
    guest: &Guest,
    client: &watch::Sender<Option<SocketAddr>>,
) -> io::Result<()> {
    loop {
        near.readable().await?;
        let mut datagram = Vec::with_capacity(LONGEST);
        let from = match near.try_recv_buf_from(&mut datagram) {
            Ok((_, from)) => from,
            Err(error) if passes(&error) => continue,
            Err(error) => return Err(error),
        };
        // The first to speak is the core; another process of this host has nothing to say here.
        client.send_if_modified(|known| known.replace(known.unwrap_or(from)).is_none());
        if *client.borrow() == Some(from) {
            // It waits as long as it is, not as long as it might have been.
            datagram.shrink_to_fit();
            guest.up(socks::payload(&datagram)).await;
            let _ = far.send(&datagram).await;
        }
    }
}

async fn down(
    far: &UdpSocket,
    near: &UdpSocket,
    guest: &Guest,
    client: &watch::Sender<Option<SocketAddr>>,
) -> io::Result<()> {
    loop {
        far.readable().await?;
        let mut datagram = Vec::with_capacity(LONGEST);
        match far.try_recv_buf(&mut datagram) {
            Ok(_) => {}
            Err(error) if passes(&error) => continue,
            Err(error) => return Err(error),
        }
        let Some(to) = *client.borrow() else { continue };
        datagram.shrink_to_fit();
        guest.account.down.take(socks::payload(&datagram)).await;
        if near.send_to(&datagram, to).await.is_ok() {
            guest.gave(socks::payload(&datagram));
        }
    }
}

/// Whether the next datagram may do better: what the kernel tells of an earlier one ends nothing, as its connection will.
fn passes(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused)
}
