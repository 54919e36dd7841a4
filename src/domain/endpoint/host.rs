//! Where clients connect to.

use core::net::IpAddr;

use super::super::link::Reason;
use super::super::name::NodeAddress;

/// A host name or an IP address, without port and brackets. Names beyond ASCII stand in their `xn--` form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(String);

impl Host {
    /// Takes what names real servers have; an underscore is none of DNS' rules and works all the same.
    ///
    /// # Errors
    /// It is empty, or neither a name nor an address.
    pub fn read(text: &str) -> Result<Self, Reason> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if text.is_empty() {
            return Err(Reason::ServerMissing);
        }
        let is_name = text.len() <= 253 && text.trim_end_matches('.').split('.').all(label);
        if is_name || text.parse::<IpAddr>().is_ok() { Ok(Self(text.to_owned())) } else { Err(Reason::ServerInvalid) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an IP address, which no client sends as a server name.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.0.parse::<IpAddr>().is_ok()
    }

    /// As it stands before a port: IPv6 in brackets.
    #[must_use]
    pub fn in_url(&self) -> String {
        if self.0.contains(':') { format!("[{}]", self.0) } else { self.0.clone() }
    }
}

impl From<&NodeAddress> for Host {
    fn from(address: &NodeAddress) -> Self {
        Self(address.as_str().to_owned())
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self(address.to_string())
    }
}
