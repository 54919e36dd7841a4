//! `WireGuard`: `wireguard://private-key@host:port?publickey=..&address=..#name`, or `wg://` with all keys as parameters.

use core::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tls::comma_list;
use super::{Endpoint, Protocol};
use crate::domain::link::{Params, Reason, Url, decoded, lenient};
use crate::domain::percent::encode;

/// `WireGuard` with one peer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wireguard {
    /// The client's key.
    pub private_key: WireguardKey,
    /// The server's key.
    pub public_key: WireguardKey,
    /// A key that both know beside.
    pub preshared_key: Option<WireguardKey>,
    /// The client's addresses inside, with or without a prefix length; at least one.
    pub addresses: Vec<String>,
    /// Three bytes that some servers want in every packet.
    pub reserved: Option<[u8; 3]>,
    /// Largest packet in bytes.
    pub mtu: Option<u16>,
}

/// A key of 32 bytes, in standard base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireguardKey(String);

impl WireguardKey {
    /// Reads any form of base64; `name` is what an error calls it.
    fn read(text: Option<&str>, name: &'static str) -> Result<Self, Reason> {
        let bytes = text.and_then(lenient).filter(|bytes| bytes.len() == 32);
        bytes.map(|bytes| Self(STANDARD.encode(bytes))).ok_or(Reason::WireguardKey(name))
    }

    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(STANDARD.encode(bytes))
    }

    /// In standard base64.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Wireguard {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        let port = url.port_or(Some(51820))?;
        let params = &mut url.params;
        let private = params.take(&["privateKey", "privatekey", "private-key", "private_key"]);
        let user = Some(decoded(&url.user)).filter(|user| !user.is_empty());
        let preshared = params.take(&["presharedkey", "preSharedKey", "pre-shared-key", "pre_shared_key"]);
        let public = params.take(&["publickey", "publicKey", "public-key", "public_key"]);
        let addresses = params.take(&["address", "ip"]).map_or_else(Vec::new, |list| comma_list(&list));
        if addresses.is_empty() || !addresses.iter().all(|address| is_prefix(address)) {
            return Err(Reason::WireguardAddress);
        }
        let wireguard = Self {
            private_key: WireguardKey::read(user.or(private).as_deref(), "private key")?,
            public_key: WireguardKey::read(public.as_deref(), "public key")?,
            preshared_key: preshared.map(|key| WireguardKey::read(Some(&key), "pre-shared key")).transpose()?,
            addresses,
            reserved: params.take(&["reserved"]).and_then(|bytes| reserved(&bytes)),
            mtu: params.take(&["mtu"]).and_then(|bytes| bytes.parse().ok()),
        };
        Ok(url.endpoint(port, Protocol::Wireguard(wireguard)))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        params.add("publickey", self.public_key.as_str());
        params.some("presharedkey", self.preshared_key.as_ref().map(WireguardKey::as_str));
        params.add("address", self.addresses.join(","));
        params.some("reserved", self.reserved.map(|[a, b, c]| format!("{a},{b},{c}")));
        params.some("mtu", self.mtu.map(|bytes| bytes.to_string()));
        Url::write("wireguard", &encode(self.private_key.as_str()), endpoint, "", params)
    }

    /// The addresses, each with its prefix length.
    pub fn prefixes(&self) -> impl Iterator<Item = String> {
        self.addresses.iter().map(|address| match address.contains('/') {
            true => address.clone(),
            false if address.contains(':') => format!("{address}/128"),
            false => format!("{address}/32"),
        })
    }
}

fn is_prefix(text: &str) -> bool {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    address.parse::<IpAddr>().is_ok_and(|address| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= most))
    })
}

/// `1,2,3`, or three bytes of base64.
fn reserved(text: &str) -> Option<[u8; 3]> {
    let bytes = if text.contains(',') {
        comma_list(text).iter().map(|byte| byte.parse().ok()).collect::<Option<Vec<u8>>>()?
    } else {
        lenient(text)?
    };
    bytes.try_into().ok()
}
