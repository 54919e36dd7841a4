//! VLESS: `vless://uuid@host:port?..#name` (XTLS/Xray-core discussion 716).

use super::{Endpoint, Protocol, Stream};
use crate::domain::link::{Params, Reason, Url, decoded};
use crate::domain::percent::encode;

/// VLESS with one user's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vless {
    /// The user's uuid.
    pub uuid: String,
    /// `none`, or the handshake and keys of VLESS' own encryption.
    pub encryption: String,
    /// `xtls-rprx-vision`, if anything.
    pub flow: Option<String>,
    /// How UDP is packed: `xudp`, `packet` or `none`.
    pub packet_encoding: Option<String>,
    /// What it runs over.
    pub stream: Stream,
}

impl Vless {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        let port = url.port_or(None)?;
        if url.user.is_empty() {
            return Err(Reason::UuidMissing);
        }
        let params = &mut url.params;
        let vless = Self {
            uuid: decoded(&url.user),
            encryption: params.take(&["encryption"]).unwrap_or_else(|| "none".into()),
            flow: params.take(&["flow"]).filter(|flow| flow != "none"),
            packet_encoding: params.take(&["packetEncoding"]),
            stream: Stream::read(params, "none")?,
        };
        Ok(url.endpoint(port, Protocol::Vless(vless)))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        params.add("encryption", self.encryption.as_str());
        params.some("flow", self.flow.as_deref());
        self.stream.write(&mut params);
        params.some("packetEncoding", self.packet_encoding.as_deref());
        Url::write("vless", &encode(&self.uuid), endpoint, "", params)
    }
}
