//! From the operator's template and the slots to the file that an older sing-box reads: every user leads to the relay.

use std::path::Path;

use serde_json::{Map, Value, json};
use weir_wire::SlotName;

use crate::cores::host_secret::HostSecret;
use crate::cores::json::{array, list, text};
use crate::cores::singbox::gate::{DIRECT, REFUSE, RELAY, relay_tag};
use crate::cores::singbox::render::{self as common, Additions};
use crate::cores::singbox::template::Template;
use crate::cores::singbox::{digest, validate};
use crate::cores::{BACK, ConfiguredSlot, CoreError, RelayPorts};

/// Who knows the password of a digest at the inbound [`BACK`]: so the core says which file it runs.
pub(super) const STATED: &str = "weir-config";
/// States the digest to whoever reads the file. Nothing routes here.
const DIGEST: &str = "weir-config:";

/// A complete configuration.
pub(super) struct Rendered {
    pub(super) json: Vec<u8>,
    /// Of all of it: gates are not in the file.
    pub(super) digest: String,
}

/// Makes the configuration and checks it with our own rules.
///
/// # Errors
/// [`CoreError::Config`] naming the place and the rule.
pub(super) fn render(
    template: &Template,
    slots: &[ConfiguredSlot],
    secret: &HostSecret,
    ports: RelayPorts,
) -> Result<Rendered, CoreError> {
    let slots = common::sorted(slots)?;
    let additions =
        Additions { secret, api_port: 0, cache_file: Path::new(""), relay: Some(ports), marks: false, kernel: false };
    let mut config = template.config.clone();
    let of_template = digest::of_template(template, &config, additions.relay);
    common::inbounds(template, &mut config, &slots, &additions)?;
    let digest = format!("{of_template}-{}", digest::of_users(&slots, &config));
    state(&mut config, secret, &digest)?;
    outbounds(template, &mut config, &slots, &digest, &secret.relay(), ports.relay)?;
    common::rules(template, &mut config, &slots, &additions, relay_tag)?;
    let config = Value::Object(config);
    validate::validate(&config)?;
    let json = serde_json::to_vec(&config).map_err(|why| CoreError::Config(why.to_string()))?;
    Ok(Rendered { json, digest })
}

fn state(config: &mut Map<String, Value>, secret: &HostSecret, digest: &str) -> Result<(), CoreError> {
    for inbound in array(config, "inbounds")?.iter_mut().filter(|inbound| text(inbound, "tag") == BACK) {
        if let Some(users) = inbound.get_mut("users").and_then(Value::as_array_mut) {
            users.push(json!({ "username": STATED, "password": secret.stated(digest) }));
        }
    }
    Ok(())
}

fn outbounds(
    template: &Template,
    config: &mut Map<String, Value>,
    slots: &[&ConfiguredSlot],
    digest: &str,
    password: &str,
    port: u16,
) -> Result<(), CoreError> {
    let open = template.final_outbound()?;
    let outbounds = array(config, "outbounds")?;
    if open.is_none() {
        // First, so that it is also what the core falls back to for connections without a rule.
        outbounds.push(json!({ "type": "direct", "tag": DIRECT }));
    }
    outbounds.push(json!({ "type": "block", "tag": REFUSE }));
    outbounds.push(json!({ "type": "block", "tag": format!("{DIGEST}{digest}") }));
    outbounds.extend(slots.iter().map(|slot| common::relay_outbound(&slot.slot, port, password)));
    Ok(())
}

/// The digest that a file states, and its slots; `None` when it is not a file of ours.
pub(super) fn of_file(json: &[u8]) -> Option<(String, Vec<SlotName>)> {
    let config: Map<String, Value> = serde_json::from_slice(json).ok()?;
    let tags = |of: &'static str| {
        let outbounds = list(&config, "outbounds").iter().filter(move |outbound| text(outbound, "type") == of);
        outbounds.map(|outbound| text(outbound, "tag"))
    };
    // A file of the adapter for newer releases states its digest by a selector.
    let digest = tags("block").find_map(|tag| tag.strip_prefix(DIGEST))?;
    let slots = tags("socks").filter_map(|tag| tag.strip_prefix(RELAY)?.parse().ok()).collect();
    Some((digest.to_owned(), slots))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cores::testing::slot;

    fn rendered(slots: &[ConfiguredSlot]) -> Rendered {
        let template = json!({
            "inbounds": [{ "type": "trojan", "tag": "in", "listen_port": 443 }],
            "outbounds": [{ "type": "direct", "tag": "direct" }],
            "route": { "rules": [{ "domain": "a.example", "outbound": "direct" }] },
        });
        let ports = RelayPorts { relay: 21_091, back: 21_092 };
        render(&Template::parse(&template.to_string()).unwrap(), slots, &HostSecret::fixed([7; 32]), ports).unwrap()
    }

    #[test]
    fn every_user_leads_to_the_relay_in_his_own_name_and_what_comes_back_leads_out() {
        let config: Value =
            serde_json::from_slice(&rendered(&[slot("bob23456", true), slot("alice234", true)]).json).unwrap();
        let rules = config["route"]["rules"].as_array().unwrap();
        assert_eq!(rules[0], json!({ "inbound": [BACK], "action": "route", "outbound": "direct" }));
        assert_eq!(rules[1]["auth_user"], json!(["alice234"]));
        assert_eq!(rules[1]["outbound"], "weir-relay:alice234");
        assert_eq!(rules[3]["outbound"], REFUSE, "nobody");
        assert_eq!(rules[4]["domain"], "a.example", "the template's own come behind");
        let relay = config["outbounds"].as_array().unwrap().iter().find(|of| text(of, "tag") == "weir-relay:alice234");
        assert_eq!(relay.unwrap()["username"], "alice234");
        assert!(config.get("services").is_none(), "older releases refuse an api");
    }

    #[test]
    fn a_file_states_what_it_was_made_of_and_the_core_proves_it_by_a_password() {
        let one = rendered(&[slot("alice234", true)]);
        let (digest, slots) = of_file(&one.json).unwrap();
        assert_eq!((digest.as_str(), slots), (one.digest.as_str(), vec!["alice234".parse().unwrap()]));
        assert_ne!(rendered(&[slot("bob23456", true)]).digest, one.digest);
        let config: Value = serde_json::from_slice(&one.json).unwrap();
        let back = config["inbounds"].as_array().unwrap().iter().find(|of| text(of, "tag") == BACK).unwrap();
        let password = HostSecret::fixed([7; 32]).stated(&digest);
        assert_eq!(back["users"][1], json!({ "username": STATED, "password": password }));
        assert_eq!(of_file(b"{}"), None);
    }

    #[test]
    fn a_file_does_not_depend_on_the_gates() {
        let shut = ConfiguredSlot { open: false, slow: true, ..slot("alice234", true) };
        assert_eq!(rendered(&[shut]).json, rendered(&[slot("alice234", true)]).json);
    }
}
