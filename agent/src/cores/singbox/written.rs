//! A file that the agent wrote, read again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};
use weir_wire::SlotName;

use super::api::Target;
use super::gate::{slot_of_gate, starts_with, stated_digest};
use super::marks::of_tag;
use crate::cores::json::{list, text};
use crate::cores::{ConfiguredSlot, Way};

/// A file with the gates' states of these slots, and where the core that runs it keeps its choices; gates of other slots
/// are shut. `kernel`: routing marks are held to their speed. `None` when it is not a file of ours.
pub(super) fn with_gates(json: &[u8], slots: &[ConfiguredSlot], kernel: bool) -> Option<(Vec<u8>, Option<PathBuf>)> {
    let mut config: Map<String, Value> = serde_json::from_slice(json).ok()?;
    digest_of(&config)?;
    let ways: BTreeMap<&SlotName, Way> = slots.iter().map(|slot| (&slot.slot, slot.way())).collect();
    for outbound in config.get_mut("outbounds")?.as_array_mut()? {
        let Some(slot) = slot_of_gate(text(outbound, "tag")) else { continue };
        let members = outbound.get("outbounds").and_then(Value::as_array)?;
        let members: Vec<String> = members.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let member = starts_with(&members, ways.get(&slot).copied().unwrap_or_default(), kernel);
        outbound.as_object_mut()?.insert("default".into(), member.into());
    }
    let cache = config.get("experimental").and_then(|of| of.get("cache_file")).map(|of| text(of, "path"));
    let cache = cache.filter(|path| !path.is_empty()).map(PathBuf::from);
    Some((serde_json::to_vec(&config).ok()?, cache))
}

/// Where the core answers that was started with this file, as far as the file tells.
pub(super) fn target(json: &[u8]) -> Option<Target> {
    let config: Map<String, Value> = serde_json::from_slice(json).ok()?;
    let api = list(&config, "services").iter().find(|service| text(service, "type") == "api")?;
    Target::of_service(api.as_object()?).ok()
}

/// The routing marks in a file, by slot.
pub(super) fn marks(json: &[u8]) -> BTreeMap<SlotName, u32> {
    let Ok(config) = serde_json::from_slice::<Map<String, Value>>(json) else { return BTreeMap::new() };
    list(&config, "outbounds").iter().filter_map(|outbound| of_tag(text(outbound, "tag"))).collect()
}

/// The digest that a file states.
pub(super) fn digest(json: &[u8]) -> Option<String> {
    digest_of(&serde_json::from_slice(json).ok()?)
}

fn digest_of(config: &Map<String, Value>) -> Option<String> {
    list(config, "outbounds").iter().find_map(|of| stated_digest(text(of, "tag")).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cores::singbox::gate::REFUSE;
    use crate::cores::singbox::render::testing::{PORTS, template, with, with_marks, with_relay};
    use crate::cores::testing::slot;

    #[test]
    fn a_file_that_is_kept_gets_the_ways_that_it_has() {
        let open = [slot("alice234", true)];
        let slow = [ConfiguredSlot { slow: true, ..open[0].clone() }];
        let started = |relay, slots: &[ConfiguredSlot]| {
            let file = with_relay(&template(), &open, relay).unwrap().json;
            let config: Value = serde_json::from_slice(&with_gates(&file, slots, false).unwrap().0).unwrap();
            let outbounds = config["outbounds"].as_array().unwrap();
            outbounds.iter().find(|of| text(of, "tag") == "weir:alice234").unwrap()["default"].clone()
        };
        assert_eq!(started(PORTS, &slow), "weir-relay:alice234");
        assert_eq!(started(PORTS, &open), "direct");
        assert_eq!(started(PORTS, &[]), REFUSE);
        assert_eq!(started(None, &slow), "direct");
    }

    #[test]
    fn a_file_that_is_kept_goes_over_to_the_relay_and_back() {
        let slots = [ConfiguredSlot { slow: true, ..slot("bob23456", true) }];
        let starts = |kernel: bool| {
            let (json, _) = with_gates(&with_marks(&template(), &slots, !kernel).json, &slots, kernel).unwrap();
            let config: Value = serde_json::from_slice(&json).unwrap();
            let gate =
                config["outbounds"].as_array().unwrap().iter().find(|of| text(of, "tag") == "weir:bob23456").cloned();
            text(&gate.unwrap(), "default").to_owned()
        };
        assert!(starts(true).starts_with("weir-mark:") && starts(false).starts_with("weir-relay:"));
    }

    #[test]
    fn the_gates_of_a_written_file_can_be_changed_without_its_template() {
        let before = [slot("alice234", true), slot("bob23456", false), slot("carol234", true)];
        let after = [slot("alice234", false), slot("bob23456", true)];
        let made = with(&template(), &before).unwrap();
        let (changed, cache_file) = with_gates(&made.json, &after, false).unwrap();
        let gone = [&after[..], &[slot("carol234", false)]].concat();
        let as_rendered: Value = serde_json::from_slice(&with(&template(), &gone).unwrap().json).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&changed).unwrap(), as_rendered, "a slot that nobody names is shut");
        assert_eq!(cache_file, Some(made.cache_file));
        assert_eq!(digest(&changed), Some(made.digest));
        assert!(
            with_gates(br#"{"outbounds":[{"type":"direct","tag":"direct"}]}"#, &after, false).is_none(),
            "not ours"
        );
    }

    #[test]
    fn a_written_file_tells_where_its_core_answers_and_which_digest_it_states() {
        let made = with(&template(), &[slot("alice234", true)]).unwrap();
        assert_eq!(target(&made.json), Some(made.target));
        assert_eq!(digest(&made.json), Some(made.digest));
        assert_eq!(target(b"{"), None);
        assert_eq!(digest(br#"{"outbounds":[{"type":"direct","tag":"direct"}]}"#), None);
    }
}
