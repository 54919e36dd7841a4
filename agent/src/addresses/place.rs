//! Which addresses are those of clients.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use weir_wire::address::{is_public, network};

use crate::cores::Origin;

/// What is known of the inbounds.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The operator has said so.
    behind_proxy: BTreeSet<String>,
    /// Inbounds over HTTP, where whoever connects may name any address. `None` until the template was read.
    by_header: Option<BTreeSet<String>>,
}

impl Places {
    pub(super) fn new(behind_proxy: impl IntoIterator<Item = String>) -> Self {
        Self { behind_proxy: behind_proxy.into_iter().collect(), by_header: None }
    }

    pub(super) fn by_header(&mut self, inbounds: Vec<String>) {
        self.by_header = Some(inbounds.into_iter().collect());
    }

    /// A client's network, where the core does not say by which inbound he came: only if none of them would take his word
    /// for it.
    pub(super) fn network_by_any(&self, ip: IpAddr) -> Option<IpAddr> {
        let network = network(ip);
        let trusted = self.by_header.as_ref()?.is_subset(&self.behind_proxy);
        (trusted && (self.behind_proxy.is_empty() || is_public(network))).then_some(network)
    }

    /// The client's network, if the core's word for it can be trusted.
    ///
    /// Behind a proxy the header is the proxy's, and a connection without one shows the proxy itself, which is on this
    /// host or in its network. Without a proxy the header is the client's own, and he would choose it so that all his
    /// devices look like one.
    pub(super) fn network_of(&self, origin: &Origin) -> Option<IpAddr> {
        let network = network(origin.source.parse::<SocketAddr>().ok()?.ip());
        if self.behind_proxy.contains(&origin.inbound) {
            return is_public(network).then_some(network);
        }
        let by_header = self.by_header.as_ref()?;
        (!by_header.contains(&origin.inbound)).then_some(network)
    }
}
