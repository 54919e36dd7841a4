//! A way in: one neutral model of what a client needs to connect, from which every format is made.
//!
//! Each protocol has a file that holds its fields and reads and writes its share link. Reading what was written gives the
//! same endpoint again.

mod address;
mod anytls;
mod host;
mod http;
mod hysteria2;
mod naive;
mod of_node;
mod realm;
mod shadowsocks;
mod socks;
mod stream;
mod stream_link;
mod tls;
mod trojan;
mod tuic;
mod vless;
mod vmess;
mod wireguard;

pub use address::{Address, Alpn, Around, Kept, plans_of};
pub use anytls::Anytls;
pub use host::Host;
pub use http::Http;
pub use hysteria2::{Hysteria2, Obfs, ObfsKind, Ports};
pub use naive::Naive;
pub use of_node::{Bearer, NodeWays, notice, of_nodes, why_not};
pub use realm::Realm;
pub use shadowsocks::{Plugin, Shadowsocks, V2RAY, key_length};
pub use socks::{Login, Socks};
pub use stream::{Camouflage, Reality, Security, Stream, Transport, split_early_data};
pub use tls::Tls;
pub use trojan::Trojan;
pub use tuic::Tuic;
pub use vless::Vless;
pub use vmess::Vmess;
pub use wireguard::{Wireguard, WireguardKey};

use super::link::Reason;

/// Longest line that is read, in bytes.
const LONGEST: usize = 8 * 1024;
/// How many times longer a link is at most when it is written anew: three times by escapes, and what it left out is small.
const GROWTH: usize = 8;

/// One way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What a client's list shows; may be empty.
    pub name: String,
    /// Where to connect.
    pub server: Host,
    /// Port, from 1.
    pub port: u16,
    /// Protocol and credentials.
    pub protocol: Protocol,
    /// Parameters of the link that mean nothing to us, in their order (of `VMess` in the order of their names); written again as they
    /// came.
    pub unknown: Vec<(String, String)>,
}

/// A protocol with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// VLESS.
    Vless(Vless),
    /// `VMess`.
    Vmess(Vmess),
    /// Trojan.
    Trojan(Trojan),
    /// Shadowsocks, 2022 included.
    Shadowsocks(Shadowsocks),
    /// Hysteria 2.
    Hysteria2(Hysteria2),
    /// Hysteria 2 by way of a rendezvous server.
    Realm(Realm),
    /// TUIC 5.
    Tuic(Tuic),
    /// `AnyTLS`.
    Anytls(Anytls),
    /// Naive.
    Naive(Naive),
    /// `WireGuard`.
    Wireguard(Wireguard),
    /// SOCKS 5.
    Socks(Socks),
    /// An HTTP proxy, with TLS or without.
    Http(Http),
}

impl Endpoint {
    /// Reads one line of a list of links. None: it is blank or a comment.
    ///
    /// # Errors
    /// Why it cannot be carried.
    pub fn read(line: &str) -> Result<Option<Self>, Reason> {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("//") {
            return Ok(None);
        }
        if line.len() > LONGEST {
            return Err(Reason::TooLong);
        }
        let endpoint = Self::of_scheme(line)?;
        // Escapes may make it longer than what would be read again.
        if line.len() > LONGEST / GROWTH && endpoint.link().len() > LONGEST {
            return Err(Reason::TooLong);
        }
        Ok(Some(endpoint))
    }

    fn of_scheme(line: &str) -> Result<Self, Reason> {
        let (scheme, rest) = line.split_once("://").ok_or(Reason::NotAUri)?;
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "vless" => Vless::read(rest),
            "vmess" => Vmess::read(rest),
            "trojan" => Trojan::read(rest),
            "ss" => Shadowsocks::read(rest),
            "hysteria2" | "hy2" => Hysteria2::read(rest),
            "hysteria2+realm" | "hy2+realm" => Realm::read(rest),
            "tuic" => Tuic::read(rest),
            "anytls" => Anytls::read(rest),
            "naive+https" => Naive::read(rest, false),
            "naive+quic" => Naive::read(rest, true),
            "wireguard" | "wg" => Wireguard::read(rest),
            "socks" | "socks5" => Socks::read(rest),
            "http" => Http::read(rest, false),
            "https" => Http::read(rest, true),
            _ => Err(Reason::Unsupported(scheme.chars().take(32).collect())),
        }
    }

    /// The share link, on one line.
    #[must_use]
    pub fn link(&self) -> String {
        match &self.protocol {
            Protocol::Vless(vless) => vless.write(self),
            Protocol::Vmess(vmess) => vmess.write(self),
            Protocol::Trojan(trojan) => trojan.write(self),
            Protocol::Shadowsocks(shadowsocks) => shadowsocks.write(self),
            Protocol::Hysteria2(hysteria2) => hysteria2.write(self),
            Protocol::Realm(realm) => realm.write(self),
            Protocol::Tuic(tuic) => tuic.write(self),
            Protocol::Anytls(anytls) => anytls.write(self),
            Protocol::Naive(naive) => naive.write(self),
            Protocol::Wireguard(wireguard) => wireguard.write(self),
            Protocol::Socks(socks) => socks.write(self),
            Protocol::Http(http) => http.write(self),
        }
    }
}
