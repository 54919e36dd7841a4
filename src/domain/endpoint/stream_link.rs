//! Transport and security as parameters of a link (XTLS/Xray-core discussion 716, and what clients write beside it).

use super::tls::STREAM;
use super::{Camouflage, Reality, Security, Stream, Tls, Transport};
use crate::domain::link::{Params, Reason, lenient};

impl Stream {
    /// Takes its parameters; `security` is what stands for a link that names none.
    ///
    /// # Errors
    /// A transport or security that we do not know, or values that no client takes.
    pub(super) fn read(params: &mut Params, security: &str) -> Result<Self, Reason> {
        let transport = Transport::read(params)?;
        let security = params.take(&["security"]).unwrap_or_else(|| security.to_owned());
        let security = match security.as_str() {
            "none" => Security::None,
            "tls" => Security::Tls(Tls::read(params)),
            "reality" => Security::Reality(Reality::read(params)?),
            other => return Err(Reason::Security(other.chars().take(32).collect())),
        };
        Ok(Self { transport, security, final_mask: json(params, "fm")? })
    }

    pub(super) fn write(&self, params: &mut Params) {
        self.transport.write(params);
        match &self.security {
            Security::None => params.add("security", "none"),
            Security::Tls(tls) => {
                params.add("security", "tls");
                tls.write(params, &STREAM);
            }
            Security::Reality(reality) => {
                params.add("security", "reality");
                reality.write(params);
            }
        }
        params.some("fm", self.final_mask.as_deref());
    }
}

impl Transport {
    fn read(params: &mut Params) -> Result<Self, Reason> {
        let network = params.take(&["type"]);
        // An old spelling of trojan's links: `ws=1&wspath=..`.
        let network = if params.take_flag(&["ws"]) { network.or(Some("ws".into())) } else { network };
        Ok(match network.as_deref().unwrap_or("tcp") {
            "tcp" | "raw" => match params.take(&["headerType"]).as_deref() {
                None | Some("none") => Self::Tcp(None),
                Some("http") => Self::Tcp(Some(Camouflage {
                    host: params.take(&["host"]),
                    path: params.take(&["path"]),
                    method: params.take(&["method"]),
                })),
                Some(other) => return Err(Reason::Network(format!("tcp with the header {other}"))),
            },
            "ws" => Self::Ws { host: params.take(&["host"]), path: params.take(&["path", "wspath"]) },
            "httpupgrade" => Self::HttpUpgrade { host: params.take(&["host"]), path: params.take(&["path"]) },
            "http" | "h2" => Self::Http2 { host: params.take(&["host"]), path: params.take(&["path"]) },
            "grpc" | "gun" => Self::Grpc {
                service: params.take(&["serviceName"]),
                mode: params.take(&["mode"]),
                authority: params.take(&["authority"]),
            },
            "xhttp" | "splithttp" => Self::Xhttp {
                host: params.take(&["host"]),
                path: params.take(&["path"]),
                mode: params.take(&["mode"]),
                extra: json(params, "extra")?,
            },
            "kcp" | "mkcp" => Self::Kcp {
                header: params.take(&["headerType"]).filter(|header| header != "none"),
                seed: params.take(&["seed"]),
                mtu: params.take(&["mtu"]).and_then(|number| number.parse().ok()),
                tti: params.take(&["tti"]).and_then(|number| number.parse().ok()),
            },
            other => return Err(Reason::Network(other.chars().take(32).collect())),
        })
    }

    /// The name in links.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Ws { .. } => "ws",
            Self::Grpc { .. } => "grpc",
            Self::HttpUpgrade { .. } => "httpupgrade",
            Self::Http2 { .. } => "http",
            Self::Xhttp { .. } => "xhttp",
            Self::Kcp { .. } => "kcp",
        }
    }

    fn write(&self, params: &mut Params) {
        params.add("type", self.name());
        match self {
            Self::Tcp(None) => {}
            Self::Tcp(Some(Camouflage { host, path, method })) => {
                params.add("headerType", "http");
                params.some("host", host.as_deref());
                params.some("path", path.as_deref());
                params.some("method", method.as_deref());
            }
            Self::Ws { host, path } | Self::HttpUpgrade { host, path } | Self::Http2 { host, path } => {
                params.some("host", host.as_deref());
                params.some("path", path.as_deref());
            }
            Self::Grpc { service, mode, authority } => {
                params.some("serviceName", service.as_deref());
                params.some("mode", mode.as_deref());
                params.some("authority", authority.as_deref());
            }
            Self::Xhttp { host, path, mode, extra } => {
                params.some("host", host.as_deref());
                params.some("path", path.as_deref());
                params.some("mode", mode.as_deref());
                params.some("extra", extra.as_deref());
            }
            Self::Kcp { header, seed, mtu, tti } => {
                params.some("headerType", header.as_deref());
                params.some("seed", seed.as_deref());
                params.some("mtu", mtu.map(|number| number.to_string()));
                params.some("tti", tti.map(|number| number.to_string()));
            }
        }
    }
}

impl Reality {
    fn read(params: &mut Params) -> Result<Self, Reason> {
        let reality = Self {
            server_name: params.take(&["sni", "peer", "servername"]),
            fingerprint: params.take(&["fp", "client-fingerprint"]),
            public_key: params.take(&["pbk"]).ok_or(Reason::RealityPublicKey)?,
            short_id: params.take(&["sid"]),
            spider: params.take(&["spx"]),
            verify_key: params.take(&["pqv"]),
        };
        if lenient(&reality.public_key).is_none_or(|key| key.len() != 32) {
            return Err(Reason::RealityPublicKey);
        }
        let is_short_id = |id: &String| id.len() <= 16 && hex::decode(id).is_ok();
        if !reality.short_id.as_ref().is_none_or(is_short_id) {
            return Err(Reason::RealityShortId);
        }
        Ok(reality)
    }

    fn write(&self, params: &mut Params) {
        params.some("sni", self.server_name.as_deref());
        params.some("fp", self.fingerprint.as_deref());
        params.add("pbk", self.public_key.as_str());
        params.some("sid", self.short_id.as_deref());
        params.some("spx", self.spider.as_deref());
        params.some("pqv", self.verify_key.as_deref());
    }
}

/// Takes a parameter that is JSON. It is kept as text, so that nothing is lost in numbers.
fn json(params: &mut Params, name: &'static str) -> Result<Option<String>, Reason> {
    let Some(text) = params.take(&[name]) else { return Ok(None) };
    let value: Result<serde_json::Value, _> = serde_json::from_str(&text);
    if value.is_ok() { Ok(Some(text)) } else { Err(Reason::Json(name)) }
}
