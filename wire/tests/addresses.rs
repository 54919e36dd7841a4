//! Addresses in a sync: an extension that an older agent or panel need not know.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_wire::address::{AddressKey, AddressSet, day, network};
use weir_wire::sync::{SyncReply, SyncRequest};
use weir_wire::{Second, SlotName};

fn request(extra: &Value) -> Value {
    let mut request = json!({
        "protocol": 1, "agent": "0.1.0", "epoch": "0123456789abcdef", "n": 7, "clock": 1_800_000_000,
        "held": [1, 2], "loaded": [1, 2],
    });
    request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    request
}

fn reply(extra: &Value) -> Value {
    let policy = json!({ "interval": 30, "report_bytes": 1, "report_seconds": 600, "floor": 1 });
    let mut reply = json!({ "n": 7, "time": 1_800_000_000, "ack": 0, "policy": policy });
    reply.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    reply
}

#[test]
fn an_agent_that_tells_no_addresses_is_understood_and_one_that_has_none_to_tell_says_only_its_day() {
    let old: SyncRequest = serde_json::from_value(request(&json!({}))).unwrap();
    assert_eq!((old.address_day, old.addresses.len()), (None, 0));
    let text = serde_json::to_string(&old).unwrap();
    assert!(!text.contains("address"), "{text}");
    let idle: SyncRequest = serde_json::from_value(request(&json!({ "address_day": 20_783 }))).unwrap();
    let text = serde_json::to_string(&idle).unwrap();
    assert!(text.contains("\"address_day\":20783") && !text.contains("addresses"), "{text}");
}

#[test]
fn a_panel_that_hands_down_no_key_is_understood() {
    let old: SyncReply = serde_json::from_value(reply(&json!({}))).unwrap();
    assert_eq!(old.address_key, None);
    assert!(!serde_json::to_string(&old).unwrap().contains("address"));
}

#[test]
fn fields_that_a_side_does_not_know_are_tolerated_both_ways() {
    let later = json!({ "address_day": 3, "addresses": [["abcd2345", 3, ["AAAAAAAAAAA"]]], "of_a_later_version": [1] });
    let request: SyncRequest = serde_json::from_value(request(&later)).unwrap();
    assert_eq!(request.addresses.len(), 1);
    let key = json!({ "address_key": [3, "00".repeat(32)], "of_a_later_version": {} });
    let reply: SyncReply = serde_json::from_value(reply(&key)).unwrap();
    assert_eq!(reply.address_key.unwrap().day(), 3);
}

#[test]
fn what_is_no_set_of_addresses_is_refused() {
    for bad in [
        json!([["abcd2345", 3, ["AAAAAAAAAA"]]]),
        json!([["abcd2345", -1, []]]),
        json!([["NO SLOT", 3, []]]),
        json!([["abcd2345", 3]]),
        json!([["abcd2345", 3, ["192.0.2.7"]]]),
    ] {
        let sync: Result<SyncRequest, _> = serde_json::from_value(request(&json!({ "addresses": bad })));
        assert!(sync.is_err(), "{bad}");
    }
    for bad in [json!([3, "00"]), json!([3]), json!(["3", "00".repeat(32)])] {
        let told: Result<SyncReply, _> = serde_json::from_value(reply(&json!({ "address_key": bad })));
        assert!(told.is_err(), "{bad}");
    }
}

#[test]
fn a_day_is_that_of_the_panels_clock() {
    assert_eq!(day(Second::clamped(1_795_564_799)), 20_781);
    assert_eq!(day(Second::clamped(1_795_564_800)), 20_782);
}

proptest! {
    #[test]
    fn sets_and_keys_read_back_as_they_were_written(
        auth in any::<[u8; 32]>(), day in any::<u32>(), addresses in prop::collection::vec(any::<std::net::IpAddr>(), 0..40),
    ) {
        let key = AddressKey::derive(&auth, day);
        let slot: SlotName = "abcd2345".parse().unwrap();
        let hashes = addresses.iter().map(|address| key.hash(&slot, *address)).collect();
        let set = AddressSet { slot: slot.clone(), day, hashes };
        let text = serde_json::to_string(&set).unwrap();
        prop_assert_eq!(serde_json::from_str::<AddressSet>(&text).unwrap(), set);
        let told = serde_json::to_string(&key).unwrap();
        let read: AddressKey = serde_json::from_str(&told).unwrap();
        for address in addresses {
            prop_assert_eq!(read.hash(&slot, address), key.hash(&slot, network(address)));
            prop_assert!(!text.contains(&address.to_string()));
        }
    }
}
