//! Where a slot's gate leads, and the relay to which some lead.

use std::net::{Ipv4Addr, SocketAddr};

use weir_wire::SlotName;

use super::host_secret::HostSecret;
use crate::relay::meter::Meter;

/// The tag of the inbound at which a core takes back what went through the agent's relay. No template can have it. The bytes were
/// counted where their user came in.
pub const BACK: &str = "weir-back";

/// Where a slot's gate leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Nowhere.
    #[default]
    Shut,
    /// Out, as fast as the host can.
    Open,
    /// Out through what holds the user to his speed: the agent's relay, or the kernel by his mark.
    Slow,
    /// Through the one of both that holds nobody now. A core tells it of a gate that must be moved; nobody wants it.
    Stale,
}

impl Way {
    /// Of a gate that holds nobody to a speed.
    #[must_use]
    pub const fn of(open: bool) -> Self {
        if open { Self::Open } else { Self::Shut }
    }

    /// Whether the user gets out.
    #[must_use]
    pub fn is_open(self) -> bool {
        self != Self::Shut
    }
}

/// Where the gates of a core lead that only opens and shuts them.
pub(crate) fn ways_of(gates: Vec<(SlotName, bool)>) -> Vec<(SlotName, Way)> {
    gates.into_iter().map(|(slot, open)| (slot, Way::of(open))).collect()
}

/// Ports on 127.0.0.1 for users who go through the agent's relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayPorts {
    /// Where the relay listens.
    pub relay: u16,
    /// Where the core takes back what went through it.
    pub back: u16,
}

impl RelayPorts {
    /// Where the relay listens.
    #[must_use]
    pub fn at_relay(self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.relay))
    }

    /// Where the core takes back what went through it.
    #[must_use]
    pub fn at_back(self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.back))
    }
}

/// How a core and the agent's relay find each other.
#[derive(Clone)]
pub struct RelayPlan {
    /// Where the core connects to. Its user's name is the slot's.
    pub listen: SocketAddr,
    /// What the core proves itself with.
    pub password: String,
    /// The core's inbound [`BACK`].
    pub back: SocketAddr,
    /// What the relay proves itself with there.
    pub back_password: String,
    /// Where everything that goes through is counted, and who may pass: for a core that tells neither. Without it only users
    /// with a speed limit pass, and the core counts them.
    pub(crate) meter: Option<Meter>,
}

impl RelayPlan {
    /// The relay's name at the inbound [`BACK`], which can be no slot's.
    pub const BACK_USER: &'static str = "weir-back";

    /// At these ports, with what the host's secret makes of it.
    pub(super) fn on(ports: RelayPorts, secret: &HostSecret, meter: Option<Meter>) -> Self {
        Self {
            listen: ports.at_relay(),
            password: secret.relay(),
            back: ports.at_back(),
            back_password: secret.back(),
            meter,
        }
    }
}
