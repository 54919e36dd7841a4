use super::*;
use crate::cores::testing::slot;

const TEMPLATE: &str = r#"{
    "inbounds": [
        {"tag": "vmess-in", "protocol": "vmess", "port": 10001, "settings": {"clients": [{"id": "own", "email": "own@x"}]}},
        {"tag": "vless-in", "protocol": "vless", "port": 10002},
        {"tag": "http-in", "protocol": "http", "port": 10003}
    ],
    "outbounds": [{"protocol": "freedom"}],
    "routing": {"rules": [{"type": "field", "ip": ["geoip:private"], "outboundTag": "blocked"}]},
    "policy": {"levels": {"0": {"handshake": 3}}},
    "weir": {"self_signed": ["vmess-in"]}
}"#;

fn rendered(template: &str, family: Family, slots: &[ConfiguredSlot]) -> Result<(Value, String), CoreError> {
    let template = Template::parse(template, family)?;
    let additions = Additions { secret: &HostSecret::fixed([7; 32]), api_port: 10_085, family };
    let made = render(&template, slots, &additions)?;
    Ok((serde_json::from_slice(&made.json).unwrap(), made.digest))
}

fn emails(config: &Value, inbound: usize) -> Vec<&str> {
    let clients = config["inbounds"][inbound]["settings"]["clients"].as_array().unwrap();
    clients.iter().map(|client| client["email"].as_str().unwrap()).collect()
}

#[test]
fn the_file_lets_in_whose_gate_is_open_beside_the_operators_own_users() {
    let (config, _) = rendered(TEMPLATE, Family::V2Ray, &[slot("alice", true), slot("bobby", false)]).unwrap();
    assert_eq!(emails(&config, 0), ["own@x", NOBODY, "alice"]);
    assert_eq!(emails(&config, 1), [NOBODY, "alice"]);
    assert_eq!(config["inbounds"][1]["settings"]["decryption"], "none");
    assert!(config["inbounds"][2].get("settings").is_none());
}

#[test]
fn the_core_is_made_to_count_and_to_answer_on_loopback_before_any_rule_of_the_operators() {
    let (config, _) = rendered(TEMPLATE, Family::V2Ray, &[]).unwrap();
    assert_eq!(config["stats"], json!({}));
    assert_eq!(
        config["policy"]["levels"]["0"],
        json!({ "handshake": 3, "statsUserUplink": true, "statsUserDownlink": true })
    );
    assert_eq!(config["api"], json!({ "tag": API, "services": ["HandlerService", "StatsService"] }));
    assert_eq!(config["inbounds"][3]["listen"], "127.0.0.1");
    assert_eq!(config["inbounds"][3]["port"], 10_085);
    let rules = config["routing"]["rules"].as_array().unwrap();
    assert_eq!((rules.len(), &rules[0]["outboundTag"]), (2, &json!(API)));
    let (config, _) = rendered(TEMPLATE, Family::Xray, &[]).unwrap();
    assert_eq!(config["policy"]["levels"]["0"]["statsUserOnline"], true);
}

#[test]
fn an_api_of_the_operators_keeps_its_tag_and_its_services() {
    let own = r#"{"api": {"tag": "mine", "services": ["LoggerService", "StatsService"]}}"#;
    let (config, _) = rendered(own, Family::V2Ray, &[]).unwrap();
    assert_eq!(config["api"]["services"], json!(["LoggerService", "StatsService", "HandlerService"]));
    assert_eq!(config["routing"]["rules"][0]["outboundTag"], "mine");
}

#[test]
fn a_user_of_the_operators_with_the_name_of_a_slot_is_refused() {
    let own = TEMPLATE.replace("own@x", "alice");
    let why = rendered(&own, Family::V2Ray, &[slot("alice", true)]).unwrap_err().to_string();
    assert!(why.contains("inbound \"vmess-in\": its own user alice"), "{why}");
}

#[test]
fn only_the_template_changes_the_digest() {
    let digest = |template: &str, slots: &[ConfiguredSlot]| rendered(template, Family::V2Ray, slots).unwrap().1;
    let plain = digest(TEMPLATE, &[]);
    assert_eq!(plain, digest(TEMPLATE, &[slot("alice", true)]));
    assert_ne!(plain, digest(&TEMPLATE.replace("10002", "10004"), &[]));
}

#[test]
fn a_file_is_read_again_and_its_users_are_exchanged_without_the_template() {
    let (config, digest) = rendered(TEMPLATE, Family::V2Ray, &[slot("alice", true)]).unwrap();
    let read = || Ours::read(config.to_string().as_bytes(), Family::V2Ray).unwrap();
    let ours = read();
    assert_eq!(ours.digest, digest);
    let inbounds = [("vmess-in".to_owned(), Scheme::Vmess), ("vless-in".to_owned(), Scheme::Vless { vision: false })];
    assert_eq!(ours.inbounds, inbounds);
    assert_eq!(ours.slots.iter().map(SlotName::as_str).collect::<Vec<_>>(), ["alice"]);
    let json = read().with(&[slot("bobby", true), slot("carol", false)]).unwrap();
    let config: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(emails(&config, 0), ["own@x", NOBODY, "bobby"]);
    assert!(Ours::read(TEMPLATE.as_bytes(), Family::V2Ray).is_none(), "the operator's own file");
}
