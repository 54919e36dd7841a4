//! What vless, vmess and trojan run over: a transport, and the security around it.

use super::Tls;

/// Transport and security.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// How bytes are framed.
    pub transport: Transport,
    /// What is around it.
    pub security: Security,
    /// Xray's `FinalMask`, as JSON text.
    pub final_mask: Option<String>,
}

/// How bytes are framed. Host and path are the HTTP ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As they are, or behind an HTTP request that is not one.
    Tcp(Option<Camouflage>),
    /// WebSocket. The path may end in `?ed=N`: so many bytes travel in the handshake.
    Ws {
        /// Host header.
        host: Option<String>,
        /// Path with query.
        path: Option<String>,
    },
    /// gRPC.
    Grpc {
        /// Name of the service.
        service: Option<String>,
        /// `gun` or `multi`.
        mode: Option<String>,
        /// HTTP/2 authority.
        authority: Option<String>,
    },
    /// HTTP upgrade: WebSocket's handshake, then plain bytes.
    HttpUpgrade {
        /// Host header.
        host: Option<String>,
        /// Path with query.
        path: Option<String>,
    },
    /// HTTP/2.
    Http2 {
        /// Host headers, separated by commas.
        host: Option<String>,
        /// Path.
        path: Option<String>,
    },
    /// XHTTP.
    Xhttp {
        /// Host header.
        host: Option<String>,
        /// Path.
        path: Option<String>,
        /// `auto`, `packet-up`, `stream-up` or `stream-one`.
        mode: Option<String>,
        /// More settings, as JSON text.
        extra: Option<String>,
    },
    /// mKCP.
    Kcp {
        /// Camouflage of its packets.
        header: Option<String>,
        /// Password of its obfuscation.
        seed: Option<String>,
        /// Largest packet in bytes.
        mtu: Option<u32>,
        /// Milliseconds between two packets.
        tti: Option<u32>,
    },
}

/// An HTTP request that hides a TCP stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Camouflage {
    /// Host header.
    pub host: Option<String>,
    /// Path.
    pub path: Option<String>,
    /// Method.
    pub method: Option<String>,
}

/// What is around the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing.
    None,
    /// TLS.
    Tls(Tls),
    /// REALITY.
    Reality(Reality),
}

/// REALITY: TLS with another server's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reality {
    /// The name of the other server.
    pub server_name: Option<String>,
    /// The browser whose handshake is imitated; clients cannot do without one.
    pub fingerprint: Option<String>,
    /// The server's X25519 key: 32 bytes in URL-safe base64.
    pub public_key: String,
    /// Up to 16 hex digits.
    pub short_id: Option<String>,
    /// The path that the spider begins with.
    pub spider: Option<String>,
    /// ML-DSA-65 key to check the server with.
    pub verify_key: Option<String>,
}

impl Stream {
    /// Plain TCP inside `security`.
    #[must_use]
    pub const fn tcp(security: Security) -> Self {
        Self { transport: Transport::Tcp(None), security, final_mask: None }
    }
}

/// A WebSocket path without its `ed`, and that number: how clients other than Xray take early data.
#[must_use]
pub fn split_early_data(path: &str) -> (String, Option<u32>) {
    let Some((plain, query)) = path.split_once('?') else { return (path.to_owned(), None) };
    let mut early = None;
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let number = pair.strip_prefix("ed=").and_then(|number| number.parse().ok());
            early = early.or(number);
            number.is_none()
        })
        .collect();
    let query = kept.join("&");
    (if query.is_empty() { plain.to_owned() } else { format!("{plain}?{query}") }, early)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_data_is_taken_out_of_the_path_and_nothing_else() {
        assert_eq!(split_early_data("/ws?a=1&ed=2048&b=2"), ("/ws?a=1&b=2".into(), Some(2048)));
        assert_eq!(split_early_data("/ws?ed=2560"), ("/ws".into(), Some(2560)));
        assert_eq!(split_early_data("/ws?ed=x&need=1"), ("/ws?ed=x&need=1".into(), None));
        assert_eq!(split_early_data("/"), ("/".into(), None));
    }
}
