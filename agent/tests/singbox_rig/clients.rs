//! Clients, and the server that sends back what they send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::HANG;

/// A server on loopback that sends back what it gets. Returns its port.
pub(super) async fn echo_server() -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                // A client that goes away is no failure of the server's.
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (port, serving)
}

/// A SOCKS5 connection with a password to a port of loopback.
pub async fn socks(proxy: u16, user: &str, password: &str, port: u16) -> std::io::Result<TcpStream> {
    let refused = |step: &str| std::io::Error::other(format!("refused at {step}"));
    let mut stream = TcpStream::connect(("127.0.0.1", proxy)).await?;
    stream.write_all(&[5, 1, 2]).await?;
    let mut two = [0; 2];
    stream.read_exact(&mut two).await?;
    if two != [5, 2] {
        return Err(refused("method"));
    }
    let mut login = vec![1, u8::try_from(user.len()).unwrap()];
    login.extend(user.as_bytes());
    login.push(u8::try_from(password.len()).unwrap());
    login.extend(password.as_bytes());
    stream.write_all(&login).await?;
    stream.read_exact(&mut two).await?;
    if two[1] != 0 {
        return Err(refused("login"));
    }
    let [high, low] = port.to_be_bytes();
    stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, high, low]).await?;
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).await?;
    if reply[1] == 0 { Ok(stream) } else { Err(refused("connect")) }
}

/// Sends so many bytes and reads them back.
pub async fn exchange(stream: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    let (mut from, mut to) = stream.split();
    let sending = async { to.write_all(&vec![0x5a; bytes]).await };
    let mut back = vec![0; bytes];
    let reading = async { from.read_exact(&mut back).await.map(drop) };
    timeout(HANG, async { tokio::try_join!(sending, reading).map(drop) }).await?
}
