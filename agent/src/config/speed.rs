//! `[speed]`: how users are held to their speed.

use serde::Deserialize;

use crate::cores::RelayPorts;

/// `[speed]`: limits of speed. Ports are on 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SpeedConfig {
    /// Whether users can be held to a speed on this host. Costs the core 3 KB a user. Default true.
    pub(crate) limits: bool,
    /// What holds them: `"relay"` (default), or `"nft"`, the kernel, for users of sing-box.
    pub(crate) by: Holder,
    /// Where the agent's relay listens. Default 21091.
    pub(crate) relay_port: u16,
    /// Where the core takes back what went through it. Default 21092.
    pub(crate) back_port: u16,
}

impl SpeedConfig {
    /// Whether the kernel shall hold users to their speed.
    #[must_use]
    pub(crate) fn is_by_nft(&self) -> bool {
        self.limits && self.by == Holder::Nft
    }

    /// Where core and relay find each other.
    #[must_use]
    pub(crate) const fn ports(&self) -> RelayPorts {
        RelayPorts { relay: self.relay_port, back: self.back_port }
    }
}

/// See [`SpeedConfig::by`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Holder {
    /// The agent's relay.
    #[default]
    Relay,
    /// The kernel, by rules of nftables; the relay while that does not work.
    Nft,
}

impl Default for SpeedConfig {
    fn default() -> Self {
        Self { limits: true, by: Holder::Relay, relay_port: 21_091, back_port: 21_092 }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn the_kernel_holds_limits_only_where_it_shall_and_where_there_are_limits() {
        let is_by_nft = |text: &str| Config::parse(text).unwrap().speed.is_by_nft();
        assert!(!is_by_nft("") && !is_by_nft("[speed]\nby = \"relay\"") && is_by_nft("[speed]\nby = \"nft\""));
        assert!(!is_by_nft("[speed]\nby = \"nft\"\nlimits = false"));
        let told = Config::parse("[speed]\nby = \"iptables\"").unwrap_err().to_string();
        assert!(told.contains("by") && told.contains("`relay`") && told.contains("`nft`"), "{told}");
    }
}
