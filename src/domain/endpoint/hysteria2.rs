//! Hysteria 2: `hysteria2://auth@host:port/?..#name`. Several ports are read where the page of the protocol puts them,
//! behind the host, and written as `mport`, because the URL parsers of some clients end at such a host.

use super::tls::PLAIN;
use super::{Endpoint, Protocol, Tls};
use crate::domain::link::{Params, Reason, Url, decoded, port_number};
use crate::domain::percent::encode;

/// Hysteria 2 with one user's credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hysteria2 {
    /// What authenticates the user; may be empty, and may be `name:password`.
    pub auth: String,
    /// Ports to hop between, the endpoint's own among them.
    pub ports: Option<Ports>,
    /// Seconds between two hops.
    pub hop_interval: Option<u32>,
    /// What hides that it is QUIC.
    pub obfs: Option<Obfs>,
    /// Mbit/s that the client sends with; servers may know better.
    pub up: Option<u32>,
    /// Mbit/s that the client receives with.
    pub down: Option<u32>,
    /// Its certificate.
    pub tls: Tls,
}

/// An obfuscation with its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obfs {
    /// Which one.
    pub kind: ObfsKind,
    /// Never empty.
    pub password: String,
}

/// The obfuscations that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObfsKind {
    /// The usual one.
    Salamander,
    /// The one of 2026.
    Gecko,
}

impl ObfsKind {
    /// Its name in links and configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Salamander => "salamander",
            Self::Gecko => "gecko",
        }
    }
}

/// Ports and ranges of them, as `(first, last)`; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Vec<(u16, u16)>);

impl Ports {
    /// Reads `123,5000-6000`.
    ///
    /// # Errors
    /// One is no port, or a range runs backwards.
    pub fn read(text: &str) -> Result<Self, Reason> {
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let range = (port_number(first)?, port_number(last)?);
            if range.0 <= range.1 { Ok(range) } else { Err(Reason::PortRange) }
        };
        text.split(',').map(range).collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// The first of all.
    #[must_use]
    pub fn first(&self) -> u16 {
        self.0.first().map_or(1, |(first, _)| *first)
    }

    /// The ranges.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// As links have them.
    #[must_use]
    pub fn text(&self) -> String {
        let range =
            |(first, last): &(u16, u16)| if first == last { first.to_string() } else { format!("{first}-{last}") };
        self.0.iter().map(range).collect::<Vec<_>>().join(",")
    }
}

impl Hysteria2 {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        let behind_host = url.port.as_deref().filter(|port| port.contains(['-', ','])).map(Ports::read).transpose()?;
        let port = match &behind_host {
            Some(ports) => ports.first(),
            None => url.port_or(Some(443))?,
        };
        let params = &mut url.params;
        let ports = params.take(&["mport", "ports"]).map(|ports| Ports::read(&ports)).transpose()?;
        let hysteria2 = Self {
            auth: decoded(&url.user),
            ports: behind_host.or(ports),
            hop_interval: params.take(&["hop-interval", "hopInterval"]).and_then(|seconds| number(&seconds)),
            obfs: Obfs::read(params)?,
            up: params.take(&["upmbps", "up"]).and_then(|rate| number(&rate)),
            down: params.take(&["downmbps", "down"]).and_then(|rate| number(&rate)),
            tls: Tls::read(params),
        };
        Ok(url.endpoint(port, Protocol::Hysteria2(hysteria2)))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        self.tls.write(&mut params, &PLAIN);
        if let Some(Obfs { kind, password }) = &self.obfs {
            params.add("obfs", kind.name());
            params.add("obfs-password", password.as_str());
        }
        params.some("mport", self.ports.as_ref().map(Ports::text));
        params.some("hop-interval", self.hop_interval.map(|seconds| seconds.to_string()));
        params.some("upmbps", self.up.map(|rate| rate.to_string()));
        params.some("downmbps", self.down.map(|rate| rate.to_string()));
        Url::write("hysteria2", &encode(&self.auth), endpoint, "/", params)
    }
}

impl Obfs {
    fn read(params: &mut Params) -> Result<Option<Self>, Reason> {
        let password = params.take(&["obfs-password", "obfsParam"]);
        let kind = match params.take(&["obfs"]).as_deref() {
            None | Some("none") => return Ok(None),
            Some("salamander") => ObfsKind::Salamander,
            Some("gecko") => ObfsKind::Gecko,
            Some(other) => return Err(Reason::Obfs(other.chars().take(32).collect())),
        };
        Ok(Some(Self { kind, password: password.ok_or(Reason::ObfsPassword)? }))
    }
}

/// `30`, `30s` and `100 Mbps` are numbers; anything else is none, and costs nothing but itself.
fn number(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| text.get(..end).unwrap_or_default());
    let unit = text.get(digits.len()..).unwrap_or_default().trim().to_ascii_lowercase();
    if matches!(unit.as_str(), "" | "s" | "mbps") { digits.parse().ok().filter(|number| *number > 0) } else { None }
}
