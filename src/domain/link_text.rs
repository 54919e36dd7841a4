//! Share links as text. Standards: XTLS/Xray-core #716 (vless, trojan), v2rayN (vmess), SIP002 (Shadowsocks), and the
//! pages of hysteria2, TUIC, `AnyTLS` and naive. Every value is encoded as `encodeURIComponent` does; no parameter comes
//! without a value, because some clients end there.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::link::{Access, Link, Tls};
use super::percent::encode;

impl Link {
    /// The link on one line.
    #[must_use]
    pub fn text(&self) -> String {
        let tls = self.tls.as_ref();
        match &self.access {
            Access::Trojan(password) => self.url("trojan", &encode(password), "", &stream(&[], tls, "allowInsecure")),
            Access::Vless(uuid) => {
                self.url("vless", &encode(uuid), "", &stream(&[("encryption", "none")], tls, "allowInsecure"))
            }
            Access::Vmess(uuid) => self.vmess(uuid),
            Access::Shadowsocks(method, password) if method.starts_with("2022-") => {
                // SIP022 forbids base64 here.
                self.url("ss", &format!("{}:{}", encode(method), encode(password)), "", &[])
            }
            Access::Shadowsocks(method, password) => {
                self.url("ss", &URL_SAFE_NO_PAD.encode(format!("{method}:{password}")), "", &[])
            }
            Access::Hysteria2(password) => self.url("hysteria2", &encode(password), "/", &certificate(tls, "insecure")),
            Access::Tuic(uuid, password) => {
                let mut parameters = parameters(&[("congestion_control", "bbr"), ("alpn", "h3")]);
                parameters.extend(certificate(tls, "allow_insecure"));
                self.url("tuic", &format!("{}:{}", encode(uuid), encode(password)), "", &parameters)
            }
            Access::Anytls(password) => self.url("anytls", &encode(password), "/", &certificate(tls, "insecure")),
            Access::Naive(name, password) => self.url(
                "naive+https",
                &format!("{}:{}", encode(name), encode(password)),
                "",
                &certificate(tls, "insecure"),
            ),
            Access::Socks(name, password) => {
                self.url("socks", &URL_SAFE_NO_PAD.encode(format!("{name}:{password}")), "", &[])
            }
            Access::Http(name, password) => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                self.url(scheme, &format!("{}:{}", encode(name), encode(password)), "", &[])
            }
        }
    }

    fn url(&self, scheme: &str, login: &str, path: &str, parameters: &[(String, String)]) -> String {
        let pairs: Vec<String> = parameters.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        let (host, port) = (self.address.in_url(), self.port);
        format!("{scheme}://{login}@{host}:{port}{path}{query}#{}", encode(&self.name))
    }

    /// The form of v2rayN, which every client reads; few read the newer URL form.
    fn vmess(&self, uuid: &str) -> String {
        let tls = self.tls.as_ref();
        let object = json!({
            "v": "2",
            "ps": self.name,
            "add": self.address.as_str(),
            "port": self.port.to_string(),
            "id": uuid,
            "aid": "0",
            "scy": "auto",
            "net": "tcp",
            "type": "none",
            "host": "",
            "path": "",
            "tls": if tls.is_some() { "tls" } else { "" },
            "sni": tls.and_then(|tls| tls.server_name.as_deref()).unwrap_or_default(),
            "alpn": "",
            "fp": "",
            "insecure": if tls.is_some_and(|tls| tls.insecure) { "1" } else { "0" },
        });
        format!("vmess://{}", STANDARD.encode(object.to_string()))
    }
}

fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// What vless and trojan say of the stream below them.
fn stream(first: &[(&str, &str)], tls: Option<&Tls>, insecure: &str) -> Vec<(String, String)> {
    let mut all = parameters(first);
    all.extend(parameters(&[("type", "tcp"), ("security", if tls.is_some() { "tls" } else { "none" })]));
    all.extend(certificate(tls, insecure));
    all
}

fn certificate(tls: Option<&Tls>, insecure: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    if let Some(name) = tls.and_then(|tls| tls.server_name.as_deref()) {
        all.push(("sni".to_owned(), name.to_owned()));
    }
    if tls.is_some_and(|tls| tls.insecure) {
        all.push((insecure.to_owned(), "1".to_owned()));
    }
    all
}

#[cfg(test)]
mod tests;
