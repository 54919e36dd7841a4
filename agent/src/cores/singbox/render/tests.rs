use super::testing::{PORTS, template, with, with_marks, with_relay};
use super::*;
use crate::cores::Way;
use crate::cores::singbox::gate::way_of;
use crate::cores::singbox::written;
use crate::cores::testing::slot;

fn config(template: &Value, slots: &[ConfiguredSlot]) -> Value {
    serde_json::from_slice(&with(template, slots).unwrap().json).unwrap()
}

fn tags(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| text(item, "tag")).collect()
}

#[test]
fn every_slot_is_a_user_whether_its_gate_is_open_or_shut() {
    let config = config(&template(), &[slot("bob23456", false), slot("alice234", true)]);
    let names: Vec<&str> =
        config["inbounds"][0]["users"].as_array().unwrap().iter().map(|user| text(user, "name")).collect();
    assert_eq!(names, ["guest", "alice234", "bob23456", NOBODY]);
}

#[test]
fn a_gate_starts_in_its_slot_s_state_and_leads_to_the_final_outbound() {
    let config = config(&template(), &[slot("bob23456", false), slot("alice234", true)]);
    let outbounds = config["outbounds"].as_array().unwrap();
    let gate = |tag: &str| outbounds.iter().find(|of| text(of, "tag") == tag).unwrap();
    assert_eq!(gate("weir:alice234")["default"], "direct");
    assert_eq!(gate("weir:bob23456")["default"], REFUSE);
    assert_eq!(gate("weir:bob23456")["outbounds"], json!(["direct", REFUSE]));
    assert_eq!(gate("weir:bob23456")["interrupt_exist_connections"], true);
}

#[test]
fn with_the_relay_every_gate_has_a_slow_way_in_the_slot_s_name_and_starts_with_it_where_it_is_wanted() {
    let slots = [slot("alice234", true), ConfiguredSlot { slow: true, ..slot("bob23456", true) }];
    let config: Value = serde_json::from_slice(&with_relay(&template(), &slots, PORTS).unwrap().json).unwrap();
    let outbounds = config["outbounds"].as_array().unwrap();
    let outbound = |tag: &str| outbounds.iter().find(|of| text(of, "tag") == tag).unwrap();
    assert_eq!(outbound("weir:bob23456")["outbounds"], json!(["direct", REFUSE, "weir-relay:bob23456"]));
    assert_eq!(outbound("weir:bob23456")["default"], "weir-relay:bob23456");
    assert_eq!(outbound("weir:alice234")["default"], "direct");
    let relay = outbound("weir-relay:bob23456");
    assert_eq!((text(relay, "type"), &relay["server_port"]), ("socks", &json!(21_091)));
    assert_eq!(text(relay, "username"), "bob23456");
    assert_eq!(["weir-refuse", "direct", "weir-relay:bob23456"].map(way_of), [Way::Shut, Way::Open, Way::Slow]);
    // The secret of the one way in is not that of the other.
    let back = config["inbounds"].as_array().unwrap().last().unwrap();
    assert_eq!((text(back, "tag"), text(back, "listen"), &back["listen_port"]), (BACK, "127.0.0.1", &json!(21_092)));
    assert_eq!(back["users"].as_array().unwrap().len(), 1);
    assert_ne!(back["users"][0]["password"], relay["password"]);
}

#[test]
fn with_marks_every_gate_leads_out_under_one_as_well_as_the_final_outbound_does() {
    let mut template = template();
    template["outbounds"][0]["bind_interface"] = "eth1".into();
    let slots = [slot("alice234", true), ConfiguredSlot { slow: true, ..slot("bob23456", true) }];
    for (kernel, starts) in [(true, "weir-mark:"), (false, "weir-relay:bob23456")] {
        let json = with_marks(&template, &slots, kernel).json;
        let config: Value = serde_json::from_slice(&json).unwrap();
        let outbounds = config["outbounds"].as_array().unwrap();
        let gate = outbounds.iter().find(|of| text(of, "tag") == "weir:bob23456").unwrap();
        assert!(text(gate, "default").starts_with(starts), "{gate}");
        let members = gate["outbounds"].as_array().unwrap();
        assert_eq!(members.len(), 4);
        let marked = outbounds.iter().find(|of| of["tag"] == members[3]).unwrap();
        let marks = written::marks(&json);
        assert_eq!(marked["routing_mark"], marks[&crate::testing::slot("bob23456")]);
        assert_eq!((text(marked, "type"), text(marked, "bind_interface")), ("direct", "eth1"));
        assert_eq!(way_of(text(marked, "tag")), Way::Slow);
        assert_eq!(marks.len(), 2);
    }
}

#[test]
fn where_users_leave_by_something_else_than_direct_no_gate_leads_out_under_a_mark() {
    let mut template = template();
    template["outbounds"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "type": "socks", "tag": "tunnel", "server": "192.0.2.1", "server_port": 1080 }));
    template["route"]["final"] = "tunnel".into();
    let made = with_marks(&template, &[slot("alice234", true)], true);
    assert!(written::marks(&made.json).is_empty());
    assert_eq!(made.digest, with_relay(&template, &[slot("alice234", true)], PORTS).unwrap().digest);
}

#[test]
fn what_comes_back_from_the_relay_leaves_by_the_final_outbound_and_meets_no_other_rule() {
    let mut template = template();
    template["route"]["rules"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({ "action": "route-options", "udp_connect": true }));
    template["route"]["final"] = "warp".into();
    let config: Value =
        serde_json::from_slice(&with_relay(&template, &[slot("alice234", true)], PORTS).unwrap().json).unwrap();
    let rules = config["route"]["rules"].as_array().unwrap();
    let actions: Vec<&str> = rules.iter().map(|rule| text(rule, "action")).collect();
    assert_eq!(actions, ["route-options", "route", "route-options", "sniff", "route", "route", ""]);
    assert_eq!(rules[1], json!({ "inbound": [BACK], "action": "route", "outbound": "warp" }));
}

#[test]
fn an_inbound_at_a_port_of_the_relay_is_refused() {
    for (port, why) in [(21_091, "speed.relay_port"), (21_092, "21092 is taken")] {
        let mut template = template();
        template["inbounds"][0]["listen_port"] = port.into();
        let refusal = with_relay(&template, &[], PORTS).map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains(why), "{refusal}");
        assert!(with(&template, &[]).is_ok());
    }
}

#[test]
fn gates_stand_between_the_leading_rules_and_the_first_that_chooses_an_outbound() {
    let config = config(&template(), &[slot("alice234", true)]);
    let rules = &config["route"]["rules"];
    assert_eq!(rules[0]["action"], "sniff");
    assert_eq!(rules[1], json!({ "auth_user": ["alice234"], "action": "route", "outbound": "weir:alice234" }));
    assert_eq!(rules[2], json!({ "auth_user": [NOBODY], "action": "route", "outbound": REFUSE }));
    assert_eq!(rules[3]["outbound"], "warp");
}

#[test]
fn an_inbound_without_slots_still_has_a_user_whom_nobody_can_be() {
    let mixed = |tag: &str| {
        let template = json!({ "inbounds": [{ "type": "mixed", "tag": tag, "listen_port": 1080 }] });
        config(&template, &[])["inbounds"][0]["users"].clone()
    };
    assert_eq!(mixed("a")[0]["username"], NOBODY);
    assert_ne!(mixed("a")[0]["password"], mixed("b")[0]["password"]);
    assert_eq!(mixed("a"), mixed("a"));
}

#[test]
fn a_template_without_outbounds_goes_out_directly() {
    let config = config(&json!({}), &[slot("alice234", true)]);
    assert_eq!(tags(&config["outbounds"])[..3], [DIRECT, REFUSE, "weir:alice234"]);
    assert_eq!(config["outbounds"][2]["default"], DIRECT);
}

#[test]
fn the_core_remembers_its_choices_where_the_template_says_or_with_us() {
    let cache = |template: &Value| config(template, &[])["experimental"]["cache_file"].clone();
    assert_eq!(cache(&json!({})), json!({ "enabled": true, "path": "/var/lib/weir/cache.db" }));
    let own = json!({ "experimental": { "cache_file": { "enabled": false, "path": "/srv/c.db", "cache_id": "x" } } });
    assert_eq!(cache(&own), json!({ "enabled": true, "path": "/srv/c.db", "cache_id": "x" }));
    let relative = json!({ "experimental": { "cache_file": { "path": "c.db" } } });
    assert!(with(&relative, &[]).err().unwrap().to_string().contains("absolute"));
}

#[test]
fn the_api_service_is_the_template_s_or_ours_and_never_without_a_secret() {
    let ours = &config(&json!({}), &[])["services"][0];
    assert_eq!((ours["listen_port"].as_u64(), ours["listen"].as_str()), (Some(21_090), Some("127.0.0.1")));
    assert_eq!(ours["secret"].as_str().unwrap().len(), 64);
    let open = json!({ "services": [{ "type": "api", "listen": "127.0.0.1", "listen_port": 9 }] });
    let open = &config(&open, &[])["services"];
    assert_eq!((open.as_array().unwrap().len(), open[0]["secret"].as_str().unwrap().len()), (1, 64));
    let own = json!({ "services": [{ "type": "api", "listen_port": 9, "secret": "own" }] });
    assert_eq!(config(&own, &[])["services"][0]["secret"], "own");
    for (field, value) in [("tls", json!({ "enabled": true })), ("listen_port", json!(0)), ("listen", json!("x"))] {
        let mut service = json!({ "type": "api", "listen_port": 9 });
        service[field] = value;
        let told = with(&json!({ "services": [service] }), &[]).err().unwrap().to_string();
        assert!(told.contains(field), "{told}");
    }
}

#[test]
fn a_user_of_the_operator_may_not_have_the_name_of_a_slot() {
    let mut template = template();
    template["inbounds"][0]["users"][0]["name"] = "alice234".into();
    let told = with(&template, &[slot("alice234", true)]).err().unwrap().to_string();
    assert!(told.contains("alice234"), "{told}");
    assert!(with(&template, &[slot("bob23456", true)]).is_ok());
}

#[test]
fn the_same_slot_twice_is_refused() {
    assert!(with(&template(), &[slot("alice234", true), slot("alice234", false)]).is_err());
}
