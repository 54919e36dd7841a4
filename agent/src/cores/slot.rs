//! A slot as a core is given it.

use weir_wire::SlotName;
use weir_wire::credential::Credentials;
use weir_wire::roster::Ways;

use super::Way;

/// The user that keeps an inbound's list from being empty: an empty list is an open proxy (socks, http, mixed), lets the server key
/// alone in (Shadowsocks 2022), is an error or does not start (naive). No slot can have this name, and it leads nowhere.
pub(super) const NOBODY: &str = "weir-nobody";

/// A slot as the core's configuration must have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredSlot {
    /// The user's name in every inbound.
    pub slot: SlotName,
    /// What the user proves himself with.
    pub credentials: Credentials,
    /// The ways in that the user has; none for all. Cores that tell connections are not told of it: who comes elsewhere is shown out there.
    pub ways: Option<Ways>,
    /// Tags of the inbounds that are for users of other plans. Cores that tell connections are not told of them either.
    pub closed: Vec<String>,
    /// The gate's state at writing, which the core starts with.
    pub open: bool,
    /// When it is open, it leads through the relay.
    pub slow: bool,
}

impl ConfiguredSlot {
    /// Where the gate leads at the core's start.
    #[must_use]
    pub const fn way(&self) -> Way {
        match (self.open, self.slow) {
            (false, _) => Way::Shut,
            (true, false) => Way::Open,
            (true, true) => Way::Slow,
        }
    }
}

/// Slots for the tests of every core.
#[cfg(test)]
pub(crate) mod testing {
    use weir_wire::SlotName;
    use weir_wire::credential::SlotSecret;

    use super::ConfiguredSlot;

    /// One with every way in and derived credentials.
    pub(crate) fn slot(name: &str, open: bool) -> ConfiguredSlot {
        let slot: SlotName = name.parse().unwrap();
        let credentials = SlotSecret::derive(b"key", &slot).into();
        ConfiguredSlot { credentials, ways: None, closed: Vec::new(), slot, open, slow: false }
    }
}
