//! What a client must know about a certificate.

use super::super::link::Params;

/// TLS as a client does it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The name that the certificate is for, when it is not the address.
    pub server_name: Option<String>,
    /// Protocols to offer, the best first.
    pub alpn: Vec<String>,
    /// The browser whose handshake is imitated (uTLS).
    pub fingerprint: Option<String>,
    /// It is self-signed: the client must not check it.
    pub insecure: bool,
    /// SHA-256 of the certificate, in hex; colons are usual.
    pub pin: Option<String>,
    /// The name that the certificate is checked for, when it is not the one that is sent.
    pub verify_name: Option<String>,
    /// Encrypted Client Hello: the configuration in base64, or where to ask for it.
    pub ech: Option<String>,
}

/// How a protocol's links spell what they do not spell alike.
pub(super) struct Spelling {
    pub(super) insecure: &'static str,
    pub(super) pin: &'static str,
}

/// Links of the family of vless and trojan.
pub(super) const STREAM: Spelling = Spelling { insecure: "allowInsecure", pin: "pcs" };
/// Hysteria 2, `AnyTLS`, naive.
pub(super) const PLAIN: Spelling = Spelling { insecure: "insecure", pin: "pinSHA256" };
/// TUIC.
pub(super) const TUIC: Spelling = Spelling { insecure: "allow_insecure", pin: "pinSHA256" };

impl Tls {
    /// Takes every spelling of its parameters.
    pub(super) fn read(params: &mut Params) -> Self {
        Self {
            server_name: params.take(&["sni", "peer", "servername"]),
            alpn: params.take(&["alpn"]).map_or_else(Vec::new, |list| comma_list(&list)),
            fingerprint: params.take(&["fp", "client-fingerprint"]),
            insecure: params.take_flag(&[
                "allowInsecure",
                "insecure",
                "allow_insecure",
                "allow-insecure",
                "skip-cert-verify",
            ]),
            pin: params.take(&["pcs", "pinSHA256"]),
            verify_name: params.take(&["vcn"]),
            ech: params.take(&["ech"]),
        }
    }

    pub(super) fn write(&self, params: &mut Params, spelling: &Spelling) {
        params.some("sni", self.server_name.as_deref());
        if !self.alpn.is_empty() {
            params.add("alpn", self.alpn.join(","));
        }
        params.some("fp", self.fingerprint.as_deref());
        params.flag(spelling.insecure, self.insecure);
        params.some(spelling.pin, self.pin.as_deref());
        params.some("vcn", self.verify_name.as_deref());
        params.some("ech", self.ech.as_deref());
    }

    /// The pin as 64 lower-case hex digits. None: it is something else, which clients refuse.
    #[must_use]
    pub fn pin_hex(pin: &str) -> Option<String> {
        let hex: String = pin.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
        (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hex)
    }
}

/// `a,b` without the blanks around and the empty ones between.
pub(super) fn comma_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
