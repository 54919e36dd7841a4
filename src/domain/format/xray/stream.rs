//! `streamSettings`.

use super::super::Unfit;
use super::super::check::{fingerprint, pin};
use super::super::tree::Map;
use crate::domain::endpoint::{Camouflage, Reality, Security, Stream, Tls, Transport};

/// A stream's settings.
pub(super) fn stream(stream: &Stream) -> Result<Map, Unfit> {
    let mask = stream.final_mask.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let settings = transport(&stream.transport)?.and(security(&stream.security)?);
    Ok(settings.some("finalmask", mask))
}

/// TLS over plain TCP.
pub(super) fn over_tcp(tls: &Tls) -> Result<Map, Unfit> {
    stream(&Stream::tcp(Security::Tls(tls.clone())))
}

fn security(security: &Security) -> Result<Map, Unfit> {
    Ok(match security {
        Security::None => Map::new().with("security", "none"),
        Security::Tls(tls) => Map::new().with("security", "tls").with("tlsSettings", self::tls(tls)?),
        Security::Reality(Reality { server_name, fingerprint: imitated, public_key, short_id, spider, verify_key }) => {
            let settings = Map::new()
                .some("serverName", server_name.as_deref())
                .with("fingerprint", fingerprint(imitated.as_deref())?.unwrap_or("chrome"))
                .with("publicKey", public_key)
                .with("shortId", short_id.as_deref().unwrap_or_default())
                .some("spiderX", spider.as_deref())
                .some("mldsa65Verify", verify_key.as_deref());
            Map::new().with("security", "reality").with("realitySettings", settings)
        }
    })
}

/// Since June 2026 Xray refuses a configuration that does not check certificates; a pin is what took its place.
fn tls(tls: &Tls) -> Result<Map, Unfit> {
    let pin = pin(tls)?;
    if tls.insecure && pin.is_none() {
        return Err(Unfit::Insecure);
    }
    Ok(Map::new()
        .some("serverName", tls.server_name.as_deref())
        .some("alpn", Some(tls.alpn.clone()).filter(|alpn| !alpn.is_empty()))
        .some("fingerprint", fingerprint(tls.fingerprint.as_deref())?)
        .some("pinnedPeerCertSha256", pin)
        .some("verifyPeerCertByName", tls.verify_name.as_deref())
        .some("echConfigList", tls.ech.as_deref()))
}

fn transport(transport: &Transport) -> Result<Map, Unfit> {
    let network = |name: &'static str| Map::new().with("network", name);
    let place = |host: &Option<String>, path: &Option<String>| {
        Map::new().with("path", path.as_deref().unwrap_or("/")).some("host", host.as_deref())
    };
    Ok(match transport {
        Transport::Tcp(None) => network("tcp"),
        Transport::Tcp(Some(Camouflage { host, path, method })) => {
            let hosts = host.as_deref().map(|hosts| hosts.split(',').map(str::to_owned).collect::<Vec<_>>());
            let request = Map::new()
                .with("method", method.as_deref().unwrap_or("GET"))
                .with("path", [path.as_deref().unwrap_or("/")])
                .some("headers", hosts.map(|hosts| Map::new().with("Host", hosts)));
            let header = Map::new().with("type", "http").with("request", request);
            network("tcp").with("tcpSettings", Map::new().with("header", header))
        }
        Transport::Ws { host, path } => network("ws").with("wsSettings", place(host, path)),
        Transport::HttpUpgrade { host, path } => network("httpupgrade").with("httpupgradeSettings", place(host, path)),
        Transport::Grpc { service, mode, authority } => {
            let settings = Map::new()
                .with("serviceName", service.as_deref().unwrap_or_default())
                .flag("multiMode", mode.as_deref() == Some("multi"))
                .some("authority", authority.as_deref());
            network("grpc").with("grpcSettings", settings)
        }
        Transport::Xhttp { host, path, mode, extra } => {
            let extra = extra.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
            let settings = place(host, path).some("mode", mode.as_deref()).some("extra", extra);
            network("xhttp").with("xhttpSettings", settings)
        }
        Transport::Kcp { header: None, seed: None, mtu, tti } => {
            network("kcp").with("kcpSettings", Map::new().some("mtu", *mtu).some("tti", *tti))
        }
        // Both are gone from Xray.
        Transport::Kcp { .. } | Transport::Http2 { .. } => return Err(Unfit::Transport),
    })
}
