//! What panel and agent say to each other, as the other side may write it: what was read is written again to the same, and whatever an
//! agent says of its node becomes links that read.
//!
//! An input is one message as JSON, or what a panel knows of its nodes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use weir::domain::endpoint::{Bearer, NodeWays, of_nodes, plans_of, why_not};
use weir::domain::format::{About, Format, Ways};
use weir::domain::remark::Account;
use weir::domain::report::{Verdict, judge, window};
use weir::domain::user::Standing;
use weir::domain::zone::Zone;
use weir_wire::credential::SlotSecret;
use weir_wire::digest::report_digest;
use weir_wire::enroll::{EnrollReply, EnrollRequest};
use weir_wire::sync::{Inbound, InboundPlans, Report, SyncReply, SyncRequest};
use weir_wire::{Epoch, Second, SlotName};

use super::links;

const NOW: Second = Second::clamped(1_795_867_200);

/// Reads a message as each of those that there are.
///
/// # Panics
/// It is written as another one, or what follows from it does not hold.
pub fn check(data: &[u8]) {
    if let Some(request) = same::<SyncRequest>(data) {
        if let Some(report) = &request.report {
            self::report(request.epoch, report, &request);
        }
        if let Some(inbounds) = &request.inbounds {
            self::inbounds(inbounds);
        }
    }
    if let Some(reply) = same::<SyncReply>(data) {
        for plans in reply.inbound_plans.iter().flatten() {
            admits(plans);
        }
    }
    same::<EnrollRequest>(data);
    same::<EnrollReply>(data);
    if let Ok(node) = serde_json::from_slice::<NodeWays>(data) {
        node_ways(&node);
    }
}

/// A message, if it is one of this type.
fn same<T: DeserializeOwned + Serialize + PartialEq + core::fmt::Debug>(data: &[u8]) -> Option<T> {
    let message: T = serde_json::from_slice(data).ok()?;
    let text = serde_json::to_string(&message).expect("a message is JSON");
    let again: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(again, message, "{text}");
    Some(message)
}

/// A report is judged, and its bytes land in a time that has been.
fn report(epoch: Epoch, report: &Report, request: &SyncRequest) {
    let digest = report_digest(epoch, report);
    assert!(digest.len() == 32 && digest == report_digest(epoch, &report.clone()));
    for last_to in [Second::EPOCH, NOW, report.to, report.from, Second::LAST] {
        let window = window(report, last_to, NOW);
        assert!(window.to <= NOW.plus(1) && window.at <= NOW && window.at <= window.to);
        assert!(window.clamped || window.to == report.to);
    }
    let digests = [digest, report.digest.clone()];
    for last in [0, 1, report.seq.saturating_sub(1), report.seq, u64::MAX] {
        match judge(report, request.skip, last, &digests) {
            Verdict::Next(seq) => assert_eq!(seq, last),
            Verdict::Expect(seq) => assert!(seq == last.saturating_add(1) && report.seq > seq),
            Verdict::Repeated | Verdict::Fork | Verdict::Old => assert!(report.seq <= last || last == u64::MAX),
        }
    }
}

/// Plans admit whom they name, in any case.
fn admits(plans: &InboundPlans) {
    assert!(plans.plans.iter().all(|plan| plans.admits(Some(&plan.to_ascii_uppercase()))));
    assert!(!plans.admits(None));
}

/// What an agent tells of its inbounds is stored, and read for every list from then on.
fn inbounds(inbounds: &[Inbound]) {
    let node = NodeWays {
        node: "Wien".to_owned(),
        address: "n.weir.test".to_owned().try_into().expect("a host name is an address"),
        country: None,
        inbounds: inbounds.to_vec(),
        addresses: Vec::new(),
    };
    node_ways(&node);
}

fn node_ways(node: &NodeWays) {
    let slot: SlotName = "aaaaaaaa".parse().expect("a slot");
    let credentials = SlotSecret::derive(b"0123456789abcdef0123456789abcdef", &slot).into();
    let standing = Standing::default();
    let account =
        Account { name: "ann", plan: Some("basic"), standing: &standing, next_reset: None, zone: Zone::UTC, now: NOW };
    let endpoints = of_nodes(core::slice::from_ref(node), &Bearer { slot: &slot, credentials: &credentials, account });
    for endpoint in &endpoints {
        links::again(endpoint);
    }
    let reachable = node.inbounds.iter().filter(|inbound| why_not(inbound, &node.address).is_none()).count();
    assert!(node.addresses.is_empty().then_some(reachable).is_none_or(|count| count == endpoints.len()));
    let addresses: Vec<_> = node.addresses.iter().map(|(on, address)| (*on == 1, address.clone())).collect();
    for plans in plans_of(&addresses) {
        admits(&plans);
    }
    if !endpoints.is_empty() {
        let about = About { url: "https://weir.test/sub/t", update_hours: 12, used: 0, quota: 0 };
        for format in ["links", "mihomo", "sing-box", "xray", "surge"].into_iter().filter_map(Format::named) {
            let rendered = format.render(Ways::Open(&endpoints), about);
            assert_eq!(rendered.served + rendered.left_out.len(), endpoints.len(), "{format:?}");
        }
    }
}
