//! SOCKS5 (RFC 1928) with user name and password (RFC 1929), both sides of it, as far as core and relay speak it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const VERSION: u8 = 5;
const BY_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const ASSOCIATE: u8 = 3;
const IPV4: u8 = 1;
const DOMAIN: u8 = 3;
const IPV6: u8 = 4;

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Connect,
    /// Of datagrams.
    Associate,
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) bytes: Vec<u8>,
}

/// A reply as it came.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
}

/// Writes all of it.
pub(super) async fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await
}

async fn read(stream: &mut TcpStream, into: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let start = into.len();
    into.resize(start + length, 0);
    match into.get_mut(start..) {
        Some(new) => stream.read_exact(new).await.map(drop),
        None => Ok(()),
    }
}

/// Reads a text with its length before it.
async fn read_text(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (length, mut text) = (stream.read_u8().await?, Vec::new());
    read(stream, &mut text, length.into()).await?;
    Ok(text)
}

/// Lets in whoever knows the password; returns the name that he gave.
pub(super) async fn welcome(stream: &mut TcpStream, password: &str) -> io::Result<String> {
    if stream.read_u8().await? != VERSION {
        return Err(malformed("no SOCKS5"));
    }
    if !read_text(stream).await?.contains(&BY_PASSWORD) {
        write(stream, &[VERSION, NO_METHOD]).await?;
        return Err(malformed("no password is offered"));
    }
    write(stream, &[VERSION, BY_PASSWORD]).await?;
    if stream.read_u8().await? != LOGIN_VERSION {
        return Err(malformed("no login"));
    }
    let (name, given) = (read_text(stream).await?, read_text(stream).await?);
    let is_good = same(&given, password.as_bytes());
    write(stream, &[LOGIN_VERSION, u8::from(!is_good)]).await?;
    if is_good { String::from_utf8(name).map_err(|_| malformed("no name")) } else { Err(malformed("a wrong password")) }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

/// Logs in at a server that takes a password.
pub(crate) async fn log_in(stream: &mut TcpStream, name: &str, password: &str) -> io::Result<()> {
    let length = |text: &str| u8::try_from(text.len()).map_err(|_| malformed("a login that is too long"));
    let mut said = vec![VERSION, 1, BY_PASSWORD, LOGIN_VERSION, length(name)?];
    said.extend(name.as_bytes());
    said.push(length(password)?);
    said.extend(password.as_bytes());
    // The method is offered and taken in one round trip: there is only this one.
    write(stream, &said).await?;
    let mut answers = [0; 4];
    stream.read_exact(&mut answers).await?;
    if answers == [VERSION, BY_PASSWORD, LOGIN_VERSION, 0] { Ok(()) } else { Err(malformed("the login was refused")) }
}

/// Reads the address and port that end requests and replies, whose first four bytes `bytes` holds.
async fn read_address(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let length = match bytes.last() {
        Some(&IPV4) => 4,
        Some(&IPV6) => 16,
        Some(&DOMAIN) => {
            read(stream, bytes, 1).await?;
            bytes.last().copied().unwrap_or_default().into()
        }
        _ => return Err(malformed("an unknown form of address")),
    };
    read(stream, bytes, length + 2).await
}

impl Request {
    /// Reads what is asked for.
    pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(32);
        read(stream, &mut bytes, 4).await?;
        let command = match bytes.as_slice() {
            [VERSION, CONNECT, ..] => Command::Connect,
            [VERSION, ASSOCIATE, ..] => Command::Associate,
            _ => return Err(malformed("neither a connection nor an association")),
        };
        read_address(stream, &mut bytes).await?;
        Ok(Self { command, bytes })
    }
}

/// Reads a server's reply.
pub(super) async fn read_reply(stream: &mut TcpStream) -> io::Result<Reply> {
    let mut bytes = Vec::with_capacity(32);
    read(stream, &mut bytes, 4).await?;
    read_address(stream, &mut bytes).await?;
    Ok(Reply { bytes })
}

impl Reply {
    /// Whether the server did what it was asked.
    pub(super) fn is_good(&self) -> bool {
        matches!(self.bytes.as_slice(), [VERSION, 0, ..])
    }

    /// Where datagrams go, on loopback if the server names no place.
    pub(super) fn bound(&self) -> Option<SocketAddr> {
        let (head, rest) = self.bytes.split_at_checked(4)?;
        let (address, port) = rest.split_last_chunk::<2>()?;
        let ip = match *head.last()? {
            IPV4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?)),
            IPV6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)),
            _ => return None,
        };
        let ip = if ip.is_unspecified() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { ip };
        Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
    }
}

/// Asks for an association whose client's address is not known yet.
pub(super) fn associate() -> Vec<u8> {
    vec![VERSION, ASSOCIATE, 0, IPV4, 0, 0, 0, 0, 0, 0]
}

/// Says where datagrams are taken.
pub(super) fn bound_at(place: SocketAddr) -> Vec<u8> {
    let mut reply = vec![VERSION, 0, 0];
    match place.ip() {
        IpAddr::V4(ip) => {
            reply.push(IPV4);
            reply.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            reply.push(IPV6);
            reply.extend(ip.octets());
        }
    }
    reply.extend(place.port().to_be_bytes());
    reply
}

/// Bytes of a datagram after its header; all of it where there is none.
pub(super) fn payload(datagram: &[u8]) -> usize {
    let header = match datagram {
        [0, 0, _, IPV4, ..] => 10,
        [0, 0, _, IPV6, ..] => 22,
        [0, 0, _, DOMAIN, length, ..] => 7 + usize::from(*length),
        _ => 0,
    };
    datagram.len().saturating_sub(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_s_header_is_not_counted() {
        let datagram = |header: &[u8]| [header, &[0x77; 100]].concat();
        for header in [
            vec![0, 0, 0, IPV4, 127, 0, 0, 1, 0, 53],
            [vec![0, 0, 0, IPV6], vec![0; 18]].concat(),
            vec![0, 0, 0, DOMAIN, 4, b'a', b'.', b'b', b'c', 0, 53],
        ] {
            assert_eq!(payload(&datagram(&header)), 100, "{header:?}");
        }
        assert_eq!((payload(&[0, 0, 0, IPV4, 1]), payload(&[])), (0, 0));
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for place in ["127.0.0.1:5", "[::1]:65535"] {
            let place: SocketAddr = place.parse().unwrap();
            let reply = Reply { bytes: bound_at(place) };
            assert!(reply.is_good());
            assert_eq!(reply.bound(), Some(place));
        }
        let nowhere = Reply { bytes: bound_at("0.0.0.0:7".parse().unwrap()) };
        assert_eq!(nowhere.bound(), Some("127.0.0.1:7".parse().unwrap()));
        assert_eq!(Reply { bytes: vec![VERSION, 0, 0, IPV4, 1] }.bound(), None);
        assert!(!Reply { bytes: vec![VERSION, 5, 0, IPV4, 0, 0, 0, 0, 0, 0] }.is_good());
    }

    #[test]
    fn passwords_are_compared_whole() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"ab") && !same(b"", b"a"));
    }
}
