//! Credentials that were set by hand: how a caller says them, how they are sealed, and how two of them are told to be the same.

use serde_json::{Map, Value};
use weir_wire::SlotName;
use weir_wire::credential::{ByHand, Credentials, SlotSecret, hmac_sha256};

use super::seal::{NONCE, open, seal};

/// Seals them for one slot: they open for no other.
#[must_use]
pub fn sealed(key: &[u8], slot: &SlotName, nonce: [u8; NONCE], by_hand: &ByHand) -> String {
    let text = serde_json::to_string(by_hand).unwrap_or_default();
    seal(key, &purpose(slot), nonce, &text)
}

/// What a slot's user proves himself with. Credentials that do not open, because `CREDENTIAL_KEY` is another one, count as not set:
/// node and links then agree on derived ones, and a client that fetches its list again gets in.
#[must_use]
pub fn by_hand(key: Option<&[u8]>, slot: &SlotName, sealed: Option<&str>) -> Option<ByHand> {
    let text = open(key?, &purpose(slot), sealed?)?;
    serde_json::from_str(&text).ok()
}

/// All credentials of a slot.
#[must_use]
pub fn of_slot(slot_key: &[u8], key: Option<&[u8]>, slot: &SlotName, sealed: Option<&str>) -> Credentials {
    Credentials::new(SlotSecret::derive(slot_key, slot), by_hand(key, slot, sealed))
}

fn purpose(slot: &SlotName) -> String {
    format!("credentials/{slot}")
}

/// Reads what a caller says: an object of the fields of [`ByHand`]. `null` is as if the field were missing.
///
/// # Errors
/// The first field that is none or breaks its rule, and the rule.
pub fn read(fields: &Map<String, Value>) -> Result<ByHand, (String, String)> {
    for (name, value) in fields {
        if !ByHand::NAMES.contains(&name.as_str()) {
            return Err((name.clone(), format!("unknown; one of {}", ByHand::NAMES.join(", "))));
        }
        // One at a time, so that an error is that field's.
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        serde_json::from_value::<ByHand>(Value::Object(alone)).map_err(|error| (name.clone(), error.to_string()))?;
    }
    serde_json::from_value(Value::Object(fields.clone())).map_err(|error| (String::new(), error.to_string()))
}

/// A mark for each credential that must be its user's alone, with its field: `HMAC-SHA256(key, "weir/credential/1:" field ":"
/// credential)` cut to 128 bits, in hex.
#[must_use]
pub fn marks(key: &[u8], by_hand: &ByHand) -> Vec<(&'static str, String)> {
    // What tells a user of tuic is his uuid.
    let alone = |(field, _): &(&'static str, &str)| *field != "tuic_password";
    let mark = |(field, text): (&'static str, &str)| {
        let digest = hmac_sha256(key, format!("weir/credential/1:{field}:{text}").as_bytes());
        (field, hex::encode(digest.get(..16).unwrap_or_default()))
    };
    by_hand.fields().into_iter().filter(alone).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    const UUID: &str = "11111111-2222-4333-8444-555555555555";

    fn slot(name: &str) -> SlotName {
        name.parse().unwrap()
    }

    fn said(value: &Value) -> Result<ByHand, (String, String)> {
        read(value.as_object().unwrap())
    }

    #[test]
    fn what_is_sealed_opens_for_its_slot_alone() {
        let set = said(&json!({ "vless_uuid": UUID, "trojan_password": null })).unwrap();
        let text = sealed(KEY, &slot("abcd2345"), [7; NONCE], &set);
        assert_eq!(by_hand(Some(KEY), &slot("abcd2345"), Some(&text)), Some(set));
        assert_eq!(by_hand(Some(KEY), &slot("bbcd2345"), Some(&text)), None);
        assert_eq!(by_hand(Some(b"another"), &slot("abcd2345"), Some(&text)), None);
        let derived = Credentials::from(SlotSecret::derive(KEY, &slot("abcd2345")));
        assert_eq!(of_slot(KEY, None, &slot("abcd2345"), Some(&text)), derived);
    }

    #[test]
    fn an_error_names_its_field() {
        assert_eq!(said(&json!({ "vless_uuid": "x" })).unwrap_err().0, "vless_uuid");
        assert_eq!(
            said(&json!({ "vless_uuid": UUID, "shadowsocks_key_16": "AAAA" })).unwrap_err().0,
            "shadowsocks_key_16"
        );
        assert_eq!(said(&json!({ "password": "x" })).unwrap_err().0, "password");
        assert_eq!(said(&json!({ "trojan_password": 7 })).unwrap_err().0, "trojan_password");
        assert!(said(&json!({})).unwrap().is_empty());
    }

    #[test]
    fn two_credentials_have_the_same_mark_if_one_inbound_could_not_tell_them_apart() {
        let mark = |value: &Value| marks(KEY, &said(value).unwrap());
        let vless = mark(&json!({ "vless_uuid": UUID }));
        assert_eq!(vless, mark(&json!({ "vless_uuid": UUID })));
        assert_ne!(vless[0].1, mark(&json!({ "vmess_uuid": UUID }))[0].1, "users of other inbounds");
        assert_eq!(mark(&json!({ "tuic_password": "a" })), [], "its uuid tells its user");
        assert_ne!(marks(b"another", &said(&json!({ "vless_uuid": UUID })).unwrap()), vless);
    }
}
