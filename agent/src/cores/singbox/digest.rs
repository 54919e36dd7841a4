//! The digest that a configuration states: the part that is of the template, a dash, the part that is of the users.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::template::Template;
use crate::cores::digest::cut;
use crate::cores::json::list;
use crate::cores::{ConfiguredSlot, RelayPorts};

/// The part of a digest that is of the template alone.
pub(in crate::cores) fn template_part(digest: &str) -> &str {
    digest.split_once('-').map_or(digest, |(template, _)| template)
}

/// The digest of all that comes from the template and the agent's settings: `config` has no users of ours yet.
pub(in crate::cores) fn of_template(
    template: &Template,
    config: &Map<String, Value>,
    relay: Option<RelayPorts>,
) -> String {
    let sorted = template.rules();
    let mut hash = Sha256::new();
    hash.update(b"weir/sing-box/template/1\n");
    hash.update(Value::Object(config.clone()).to_string());
    for rules in [sorted.leading, sorted.in_front, sorted.behind] {
        hash.update(Value::Array(rules).to_string());
    }
    if let Some(RelayPorts { relay, back }) = relay {
        hash.update(format!("\n{relay} {back}"));
    }
    cut(hash)
}

/// The digest of the slots and their credentials: `config` has the users in its inbounds.
pub(in crate::cores) fn of_users(slots: &[&ConfiguredSlot], config: &Map<String, Value>) -> String {
    let mut hash = Sha256::new();
    hash.update(b"weir/sing-box/users/1\n");
    for inbound in list(config, "inbounds") {
        hash.update(inbound.get("users").unwrap_or(&Value::Null).to_string());
    }
    for slot in slots {
        hash.update(format!("\n{}", slot.slot));
    }
    cut(hash)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_wire::credential::SlotSecret;

    use super::*;
    use crate::cores::singbox::render::testing::{PORTS, template, with, with_marks, with_relay};
    use crate::cores::testing::slot;

    #[test]
    fn only_a_reload_brings_marks_and_whether_the_kernel_goes_by_them_needs_none() {
        let slots = [slot("alice234", true)];
        let digest = |kernel| with_marks(&template(), &slots, kernel).digest;
        assert_eq!(digest(true), digest(false));
        assert_ne!(digest(true), with_relay(&template(), &slots, PORTS).unwrap().digest);
    }

    #[test]
    fn only_a_reload_brings_the_relay_or_other_ports_of_it_and_a_speed_needs_none() {
        let slots = [slot("alice234", true)];
        let digest = |slots: &[ConfiguredSlot], relay| with_relay(&template(), slots, relay).unwrap().digest;
        let slow = [ConfiguredSlot { slow: true, ..slots[0].clone() }];
        assert_eq!(digest(&slots, PORTS), digest(&slow, PORTS));
        assert_ne!(digest(&slots, PORTS), digest(&slots, None));
        assert_ne!(digest(&slots, PORTS), digest(&slots, Some(RelayPorts { relay: 21_091, back: 21_093 })));
    }

    #[test]
    fn the_digest_is_the_same_for_other_gate_states_and_orders_and_differs_for_everything_else() {
        let digest = |template: &Value, slots: &[ConfiguredSlot]| with(template, slots).unwrap().digest;
        let both = [slot("alice234", true), slot("bob23456", false)];
        let first = digest(&template(), &both);
        assert_eq!(first, digest(&template(), &[slot("bob23456", true), slot("alice234", false)]));
        assert_ne!(first, digest(&template(), &both[..1]));
        let mut other = template();
        other["route"]["rules"][1]["domain"] = "b.example".into();
        assert_ne!(first, digest(&other, &both));
        let mut marked = template();
        marked["weir"] = json!({ "stay_in_front": [1] });
        assert_ne!(first, digest(&marked, &both));
        let mut rekeyed = both.clone();
        rekeyed[0].credentials = SlotSecret::derive(b"other", &rekeyed[0].slot).into();
        assert_ne!(first, digest(&template(), &rekeyed));
    }

    #[test]
    fn the_digest_says_apart_what_comes_from_the_template_and_what_from_the_users() {
        let of = |template: &Value, slots: &[ConfiguredSlot]| with(template, slots).unwrap().digest;
        let first = of(&template(), &[slot("alice234", true)]);
        let other_users = of(&template(), &[slot("bob23456", true)]);
        assert_eq!(template_part(&first), template_part(&other_users));
        assert_ne!(first, other_users);
        let mut other = template();
        other["inbounds"][0]["listen_port"] = 1.into();
        assert_ne!(template_part(&first), template_part(&of(&other, &[slot("alice234", true)])));
    }
}
