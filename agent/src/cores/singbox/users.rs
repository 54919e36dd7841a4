//! Which inbounds have users, and what a user looks like in each.

use serde_json::{Map, Value, json};
use weir_wire::credential::Credentials;

/// Shadowsocks methods of before 2022 that sing-box serves to several users.
const LEGACY_METHODS: [&str; 5] =
    ["aes-128-gcm", "aes-192-gcm", "aes-256-gcm", "chacha20-ietf-poly1305", "xchacha20-ietf-poly1305"];

/// An inbound's way of naming users and telling them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `name`, `password`: trojan.
    Trojan,
    /// `name`, `password`: hysteria2.
    Hysteria2,
    /// `name`, `password`: anytls.
    Anytls,
    /// `name`, `password`: Shadowsocks of before 2022.
    Shadowsocks,
    /// `name`, `password` as a key of 16 bytes.
    Key16,
    /// `name`, `password` as a key of 32 bytes.
    Key32,
    /// `name`, `uuid`, `flow`.
    Vless {
        /// Clients must use `xtls-rprx-vision`.
        vision: bool,
    },
    /// `name`, `uuid`, `alterId`.
    Vmess,
    /// `name`, `uuid`, `password`.
    Tuic,
    /// `name`, `auth_str`.
    Hysteria,
    /// `username`, `password`: naive, socks, http, mixed.
    Login,
}

/// The flow that a vless user with [`Scheme::Vless`]`{ vision: true }` has.
pub(super) const VISION: &str = "xtls-rprx-vision";

impl Scheme {
    /// The scheme of an inbound, `None` for one without users of ours (tun, direct, shadowtls, ...).
    ///
    /// # Errors
    /// A sentence naming the field when the inbound's type has users but its settings exclude several of them.
    pub(super) fn of(inbound: &Map<String, Value>) -> Result<Option<Self>, String> {
        let text = |key: &str| inbound.get(key).and_then(Value::as_str);
        Ok(Some(match text("type").unwrap_or_default() {
            "trojan" => Self::Trojan,
            "hysteria2" => Self::Hysteria2,
            "anytls" => Self::Anytls,
            "shadowsocks" => Self::shadowsocks(inbound, text("method").unwrap_or_default())?,
            "vless" => Self::Vless { vision: wants_vision(inbound) },
            "vmess" => Self::Vmess,
            "tuic" => Self::Tuic,
            "hysteria" => Self::Hysteria,
            "naive" | "socks" | "http" | "mixed" => Self::Login,
            _ => return Ok(None),
        }))
    }

    fn shadowsocks(inbound: &Map<String, Value>, method: &str) -> Result<Self, String> {
        if inbound.get("managed").and_then(Value::as_bool) == Some(true) {
            return Err("managed: must be off, because a managed inbound takes its users from ssm-api alone".into());
        }
        if inbound.get("destinations").and_then(Value::as_array).is_some_and(|to| !to.is_empty()) {
            return Err("destinations: a relay has no users of its own, so it cannot be counted per user".into());
        }
        match method {
            "2022-blake3-aes-128-gcm" => Ok(Self::Key16),
            "2022-blake3-aes-256-gcm" => Ok(Self::Key32),
            legacy if LEGACY_METHODS.contains(&legacy) => Ok(Self::Shadowsocks),
            other => Err(format!(
                "method: {other:?} cannot serve several users; use 2022-blake3-aes-128-gcm or 2022-blake3-aes-256-gcm"
            )),
        }
    }

    /// The key that holds the user's name.
    pub(super) const fn name_key(self) -> &'static str {
        match self {
            Self::Login => "username",
            _ => "name",
        }
    }

    /// The keys that hold what a client proves itself with; no two users of an inbound may share one.
    pub(super) const fn proof_key(self) -> &'static str {
        match self {
            Self::Vless { .. } | Self::Vmess | Self::Tuic => "uuid",
            Self::Hysteria => "auth_str",
            _ => "password",
        }
    }

    /// One user of the inbound.
    pub(super) fn user(self, name: &str, of: &Credentials) -> Value {
        match self {
            Self::Trojan => json!({ "name": name, "password": of.trojan_password() }),
            Self::Hysteria2 => json!({ "name": name, "password": of.hysteria_password() }),
            Self::Anytls => json!({ "name": name, "password": of.anytls_password() }),
            Self::Shadowsocks => json!({ "name": name, "password": of.shadowsocks_password() }),
            Self::Key16 => json!({ "name": name, "password": of.shadowsocks_key_16() }),
            Self::Key32 => json!({ "name": name, "password": of.shadowsocks_key_32() }),
            Self::Vless { vision: false } => json!({ "name": name, "uuid": of.vless_uuid() }),
            Self::Vless { vision: true } => json!({ "name": name, "uuid": of.vless_uuid(), "flow": VISION }),
            Self::Vmess => json!({ "name": name, "uuid": of.vmess_uuid(), "alterId": 0 }),
            Self::Tuic => json!({ "name": name, "uuid": of.tuic_uuid(), "password": of.tuic_password() }),
            Self::Hysteria => json!({ "name": name, "auth_str": of.hysteria_password() }),
            Self::Login => json!({ "username": name, "password": of.proxy_password() }),
        }
    }
}

/// Vision belongs to reality over plain TCP, and to nothing else: with a transport or multiplexing the core refuses it,
/// and over ordinary TLS every client works without it.
fn wants_vision(inbound: &Map<String, Value>) -> bool {
    let on = |value: Option<&Value>| value.and_then(|of| of.get("enabled")).and_then(Value::as_bool) == Some(true);
    let tls = inbound.get("tls");
    on(tls)
        && on(tls.and_then(|tls| tls.get("reality")))
        && !inbound.contains_key("transport")
        && !on(inbound.get("multiplex"))
}

#[cfg(test)]
mod tests {
    use weir_wire::credential::SlotSecret;

    use super::*;

    fn scheme(inbound: &Value) -> Result<Option<Scheme>, String> {
        Scheme::of(inbound.as_object().unwrap())
    }

    fn secret() -> SlotSecret {
        SlotSecret::derive(b"key", &"alice234".parse().unwrap())
    }

    #[test]
    fn a_vless_user_gets_vision_only_behind_reality_over_plain_tcp() {
        let reality = json!({ "enabled": true, "reality": { "enabled": true } });
        assert_eq!(scheme(&json!({ "type": "vless", "tls": reality })), Ok(Some(Scheme::Vless { vision: true })));
        for other in [
            json!({ "type": "vless" }),
            json!({ "type": "vless", "tls": { "enabled": true } }),
            json!({ "type": "vless", "tls": reality, "transport": { "type": "grpc" } }),
            json!({ "type": "vless", "tls": reality, "multiplex": { "enabled": true } }),
        ] {
            assert_eq!(scheme(&other), Ok(Some(Scheme::Vless { vision: false })), "{other}");
        }
        assert_eq!(Scheme::Vless { vision: true }.user("alice", &secret().into())["flow"], VISION);
    }

    #[test]
    fn a_shadowsocks_inbound_that_cannot_have_users_is_refused_by_the_field_at_fault() {
        for (inbound, field) in [
            (json!({ "type": "shadowsocks", "method": "2022-blake3-chacha20-poly1305" }), "method"),
            (json!({ "type": "shadowsocks", "method": "none" }), "method"),
            (json!({ "type": "shadowsocks" }), "method"),
            (json!({ "type": "shadowsocks", "method": "2022-blake3-aes-128-gcm", "managed": true }), "managed"),
            (json!({ "type": "shadowsocks", "method": "aes-128-gcm", "destinations": [{}] }), "destinations"),
        ] {
            let refusal = scheme(&inbound).unwrap_err();
            assert!(refusal.starts_with(field), "{refusal}");
        }
    }

    #[test]
    fn every_scheme_puts_the_name_and_the_proof_where_the_core_looks() {
        for (kind, scheme) in [
            ("trojan", Scheme::Trojan),
            ("vmess", Scheme::Vmess),
            ("tuic", Scheme::Tuic),
            ("hysteria", Scheme::Hysteria),
            ("mixed", Scheme::Login),
            ("naive", Scheme::Login),
            ("anytls", Scheme::Anytls),
        ] {
            assert_eq!(Scheme::of(json!({ "type": kind }).as_object().unwrap()), Ok(Some(scheme)));
            let user = scheme.user("alice234", &secret().into());
            assert_eq!(user[scheme.name_key()], "alice234", "{kind}");
            assert!(user[scheme.proof_key()].as_str().is_some_and(|proof| proof.len() >= 22), "{kind}");
        }
        assert_eq!(scheme(&json!({ "type": "tun" })), Ok(None));
    }
}
