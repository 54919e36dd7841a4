//! What nginx-module-vts says at `/status/format/json`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cores::Counter;

/// Groups of keys that are the panel's: `vhost_traffic_status_filter_by_set_key $weir_user weir::$server_name;`.
const GROUP: &str = "weir";

/// The part of the document that is needed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(default)]
    nginx_version: String,
    #[serde(default)]
    module_version: String,
    /// By group and key. Absent until the first request of any user has ended.
    #[serde(default)]
    filter_zones: BTreeMap<String, BTreeMap<String, Zone>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Zone {
    in_bytes: u64,
    out_bytes: u64,
    #[serde(default)]
    over_counts: Overflows,
}

/// How often a counter has begun anew because it was full.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Overflows {
    max_integer_size: u64,
    in_bytes: u64,
    out_bytes: u64,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// Why it is none, in a sentence.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|why| format!("this is no status of nginx-module-vts: {why}"))
    }

    /// Of nginx and of the module.
    pub(super) fn version(&self) -> String {
        format!("{} (vts {})", self.nginx_version, self.module_version.trim_start_matches('v'))
    }

    /// What every user has moved, over all servers.
    pub(super) fn users(&self) -> Vec<Counter> {
        let mut users: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let ours = |group: &str| group == GROUP || group.starts_with("weir::");
        for (key, zone) in self.filter_zones.iter().filter(|(group, _)| ours(group)).flat_map(|(_, keys)| keys) {
            let whole = |bytes: u64, overflows: u64| {
                bytes.saturating_add(overflows.saturating_mul(zone.over_counts.max_integer_size))
            };
            let sum = users.entry(key).or_default();
            sum.0 = sum.0.saturating_add(whole(zone.in_bytes, zone.over_counts.in_bytes));
            sum.1 = sum.1.saturating_add(whole(zone.out_bytes, zone.over_counts.out_bytes));
        }
        users.into_iter().map(|(user, (up, down))| Counter { user: user.to_owned(), up, down }).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As nginx 1.22.1 with the module's version 0.2.7 wrote it, with the users' groups and keys in their place.
    pub(in super::super) fn recorded(zones: &str) -> String {
        format!(
            r#"{{"hostName":"vm","moduleVersion":"v0.2.7","nginxVersion":"1.22.1","loadMsec":1795302853094,"nowMsec":1795302854616,
 "connections":{{"active":2,"reading":0,"writing":2,"waiting":0,"accepted":7,"handled":7,"requests":7}},
 "sharedZones":{{"name":"vts","maxSize":4194304,"usedSize":10664,"usedNode":3,"freeSize":4145152}},
 "serverZones":{{"proxy.test":{{}},"*":{{}}}},"filterZones":{{{zones}}},"upstreamZones":{{}}}}"#
        )
    }

    pub(in super::super) fn zone(key: &str, up: u64, down: u64) -> String {
        format!(
            r#""{key}":{{"requestCounter":1,"inBytes":{up},"outBytes":{down},
   "responses":{{"1xx":1,"2xx":0,"3xx":0,"4xx":0,"5xx":0,"miss":0}},"requestMsecCounter":312,"requestMsec":312,
   "requestBuckets":{{"msecs":[],"counters":[]}},"overCounts":{{"maxIntegerSize":18446744073709551615,"inBytes":0,"outBytes":0}}}}"#
        )
    }

    #[test]
    fn users_are_summed_over_servers_and_other_groups_are_left_out() {
        let zones = format!(
            r#""weir::a.test":{{{},{}}},"weir::b.test":{{{}}},"country::a.test":{{{}}}"#,
            zone("alice", 85, 1_000_136),
            zone("bobby", 1, 2),
            zone("alice", 15, 4),
            zone("de", 9, 9)
        );
        let document = Document::read(recorded(&zones).as_bytes()).unwrap();
        let counter = |user: &str, up, down| Counter { user: user.to_owned(), up, down };
        assert_eq!(document.users(), [counter("alice", 100, 1_000_140), counter("bobby", 1, 2)]);
        assert_eq!(document.version(), "1.22.1 (vts 0.2.7)");
    }

    #[test]
    fn before_the_first_request_there_are_no_users() {
        let without = recorded("").replace(r#""filterZones":{},"#, "");
        assert!(Document::read(without.as_bytes()).unwrap().users().is_empty());
    }

    #[test]
    fn what_is_no_status_is_told_as_such() {
        assert!(Document::read(b"<html>").unwrap_err().contains("nginx-module-vts"));
    }
}
