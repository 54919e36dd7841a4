//! Which inbounds have users, what a user looks like in each, and in the messages of the `HandlerService`.

use serde_json::{Map, Value};
use weir_wire::credential::Credentials;

use crate::cores::json::text;
use crate::cores::program::Family;
use crate::cores::stats::{Dialect, TypedMessage};

/// The flow of [`Scheme::Vless`]`{ vision: true }`.
pub(super) const VISION: &str = "xtls-rprx-vision";
/// Xray's numbers of the Shadowsocks methods of before 2022.
const CIPHERS: [(&str, i32); 6] = [
    ("aes-128-gcm", 5),
    ("aes-256-gcm", 6),
    ("chacha20-poly1305", 7),
    ("chacha20-ietf-poly1305", 7),
    ("xchacha20-poly1305", 8),
    ("xchacha20-ietf-poly1305", 8),
];

/// An inbound's way of telling users apart. Their name is their `email` in all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Vmess,
    Vless {
        /// Clients must use `xtls-rprx-vision`.
        vision: bool,
    },
    Trojan,
    /// Of before 2022, Xray alone.
    Shadowsocks {
        method: String,
        cipher: i32,
    },
    /// `2022-blake3-aes-*-gcm`, Xray alone.
    Shadowsocks2022 {
        /// Keys of 32 bytes instead of 16.
        wide: bool,
    },
}

impl Scheme {
    /// The scheme of an inbound, `None` for one without users of ours.
    ///
    /// # Errors
    /// A sentence naming the field when its protocol has users but this core or its settings exclude several of them.
    pub(super) fn of(inbound: &Map<String, Value>, family: Family) -> Result<Option<Self>, String> {
        let settings = inbound.get("settings").unwrap_or(&Value::Null);
        Ok(Some(match inbound.get("protocol").and_then(Value::as_str).unwrap_or_default() {
            "vmess" => Self::Vmess,
            "vless" => Self::Vless { vision: family == Family::Xray && wants_vision(inbound) },
            "trojan" => Self::Trojan,
            "shadowsocks" if family == Family::V2Ray => {
                return Err("protocol: V2Ray serves one user on an inbound of shadowsocks, so nobody can be counted \
                            apart there; name it in weir.leave_alone, or use Xray"
                    .into());
            }
            "shadowsocks" => Self::shadowsocks(text(settings, "method"))?,
            _ => return Ok(None),
        }))
    }

    fn shadowsocks(method: &str) -> Result<Self, String> {
        match method {
            "2022-blake3-aes-128-gcm" => Ok(Self::Shadowsocks2022 { wide: false }),
            "2022-blake3-aes-256-gcm" => Ok(Self::Shadowsocks2022 { wide: true }),
            other => match CIPHERS.iter().find(|(name, _)| *name == other) {
                Some((name, cipher)) => Ok(Self::Shadowsocks { method: (*name).to_owned(), cipher: *cipher }),
                None => Err(format!("settings.method: {other:?} cannot serve several users")),
            },
        }
    }

    /// The protocol, as choices of ways in name it.
    pub(super) const fn protocol(&self) -> &'static str {
        match self {
            Self::Vmess => "vmess",
            Self::Vless { .. } => "vless",
            Self::Trojan => "trojan",
            Self::Shadowsocks { .. } | Self::Shadowsocks2022 { .. } => "shadowsocks",
        }
    }

    /// The keys that hold what a client proves itself with.
    pub(super) const fn proof_key(&self) -> &'static str {
        match self {
            Self::Vmess | Self::Vless { .. } => "id",
            _ => "password",
        }
    }

    fn proof(&self, of: &Credentials) -> String {
        match self {
            Self::Vmess => of.vmess_uuid(),
            Self::Vless { .. } => of.vless_uuid(),
            Self::Trojan => of.trojan_password(),
            Self::Shadowsocks { .. } => of.shadowsocks_password(),
            Self::Shadowsocks2022 { wide: false } => of.shadowsocks_key_16(),
            Self::Shadowsocks2022 { wide: true } => of.shadowsocks_key_32(),
        }
    }

    /// One user of the inbound's `clients`.
    pub(super) fn client(&self, name: &str, of: &Credentials) -> Map<String, Value> {
        let mut client = Map::new();
        client.insert("email".into(), name.into());
        client.insert("level".into(), 0.into());
        client.insert(self.proof_key().into(), self.proof(of).into());
        let own = match self {
            Self::Vmess => Some(("alterId", Value::from(0))),
            Self::Vless { vision: true } => Some(("flow", VISION.into())),
            Self::Shadowsocks { method, .. } => Some(("method", method.as_str().into())),
            _ => None,
        };
        client.extend(own.map(|(key, value)| (key.to_owned(), value)));
        client
    }

    /// The user's account as the `HandlerService` takes it.
    pub(super) fn account(&self, dialect: Dialect, of: &Credentials) -> TypedMessage {
        let root = format!("{}.proxy", dialect.root());
        let proof = self.proof(of);
        match self {
            Self::Vmess => TypedMessage::of(format!("{root}.vmess.Account"), &OneProof { proof }),
            Self::Vless { vision } => {
                let flow = if *vision { VISION.to_owned() } else { String::new() };
                TypedMessage::of(format!("{root}.vless.Account"), &VlessAccount { id: proof, flow })
            }
            Self::Trojan => TypedMessage::of(format!("{root}.trojan.Account"), &OneProof { proof }),
            Self::Shadowsocks { cipher, .. } => {
                let account = ShadowsocksAccount { password: proof, cipher_type: *cipher };
                TypedMessage::of(format!("{root}.shadowsocks.Account"), &account)
            }
            Self::Shadowsocks2022 { .. } => {
                TypedMessage::of(format!("{root}.shadowsocks_2022.Account"), &OneProof { proof })
            }
        }
    }
}

/// An account whose first field is all that it needs: the id of vmess, the password of trojan, the key of Shadowsocks 2022.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct OneProof {
    #[prost(string, tag = "1")]
    proof: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct VlessAccount {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    flow: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct ShadowsocksAccount {
    #[prost(string, tag = "1")]
    password: String,
    #[prost(int32, tag = "2")]
    cipher_type: i32,
}

/// Vision belongs to reality over plain TCP, as in sing-box's inbounds.
fn wants_vision(inbound: &Map<String, Value>) -> bool {
    let stream = inbound.get("streamSettings").unwrap_or(&Value::Null);
    text(stream, "security") == "reality" && matches!(text(stream, "network"), "" | "tcp" | "raw")
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use serde_json::json;

    use weir_wire::credential::SlotSecret;

    use super::*;

    fn scheme(inbound: &Value, family: Family) -> Result<Option<Scheme>, String> {
        Scheme::of(inbound.as_object().unwrap(), family)
    }

    fn secret() -> SlotSecret {
        SlotSecret::derive(b"key", &"alice234".parse().unwrap())
    }

    #[test]
    fn every_scheme_puts_the_name_and_the_proof_where_the_core_looks() {
        for (inbound, family) in [
            (json!({ "protocol": "vmess" }), Family::V2Ray),
            (json!({ "protocol": "vless" }), Family::V2Ray),
            (json!({ "protocol": "trojan" }), Family::V2Ray),
            (json!({ "protocol": "shadowsocks", "settings": { "method": "aes-128-gcm" } }), Family::Xray),
            (json!({ "protocol": "shadowsocks", "settings": { "method": "2022-blake3-aes-256-gcm" } }), Family::Xray),
        ] {
            let scheme = scheme(&inbound, family).unwrap().unwrap();
            let client = scheme.client("alice234", &secret().into());
            assert_eq!(client["email"], "alice234", "{inbound}");
            let proof = client[scheme.proof_key()].as_str().unwrap();
            // The same proof in the file and in the message: whichever comes first, the client can connect.
            let account = scheme.account(Dialect::Xray, &secret().into());
            assert_eq!(OneProof::decode(account.value.as_slice()).unwrap().proof, proof, "{inbound}");
        }
        assert_eq!(scheme(&json!({ "protocol": "dokodemo-door" }), Family::Xray), Ok(None));
    }

    #[test]
    fn accounts_are_named_as_each_core_names_them() {
        let name = |scheme: &Scheme, dialect| scheme.account(dialect, &secret().into()).name;
        assert_eq!(name(&Scheme::Vmess, Dialect::V2Ray), "v2ray.core.proxy.vmess.Account");
        assert_eq!(name(&Scheme::Vless { vision: false }, Dialect::Xray), "xray.proxy.vless.Account");
        let wide = Scheme::Shadowsocks2022 { wide: true };
        assert_eq!(name(&wide, Dialect::Xray), "xray.proxy.shadowsocks_2022.Account");
    }

    #[test]
    fn vision_belongs_to_reality_over_tcp_in_xray() {
        let reality = json!({ "protocol": "vless", "streamSettings": { "network": "tcp", "security": "reality" } });
        assert_eq!(scheme(&reality, Family::Xray), Ok(Some(Scheme::Vless { vision: true })));
        assert_eq!(scheme(&reality, Family::V2Ray), Ok(Some(Scheme::Vless { vision: false })));
        let ws = json!({ "protocol": "vless", "streamSettings": { "network": "ws", "security": "reality" } });
        assert_eq!(scheme(&ws, Family::Xray), Ok(Some(Scheme::Vless { vision: false })));
    }

    #[test]
    fn a_shadowsocks_inbound_that_cannot_have_users_is_refused_by_the_field_at_fault() {
        let plain = json!({ "protocol": "shadowsocks", "settings": { "method": "aes-128-gcm" } });
        assert!(scheme(&plain, Family::V2Ray).unwrap_err().starts_with("protocol: V2Ray serves one user"));
        let chacha = json!({ "protocol": "shadowsocks", "settings": { "method": "2022-blake3-chacha20-poly1305" } });
        assert!(scheme(&chacha, Family::Xray).unwrap_err().starts_with("settings.method"));
    }
}
