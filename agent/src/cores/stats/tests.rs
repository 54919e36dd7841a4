use std::collections::BTreeMap;

use super::server::{Plays, Server};
use super::*;
use crate::testing::block_on;

fn counter(user: &str, up: u64, down: u64) -> Counter {
    Counter { user: user.to_owned(), up, down }
}

async fn counting(plays: Plays) -> Server {
    let server = Server::start(plays).await;
    server.with(|state| {
        state.uptime = 77;
        state.counters = BTreeMap::from([("alice".to_owned(), (5, 7_000_000_000)), ("bobby".to_owned(), (0, 1))]);
        state.others = BTreeMap::from([("inbound>>>in>>>traffic>>>uplink".to_owned(), 99)]);
    });
    server
}

#[test]
fn each_core_is_read_in_its_own_dialect_and_never_asked_to_reset() {
    block_on(async {
        for (plays, dialect) in
            [(Plays::V2Ray, Dialect::V2Ray), (Plays::Xray, Dialect::Xray), (Plays::SingBox, Dialect::V2Ray)]
        {
            let server = counting(plays).await;
            let connection = connect(server.address).await.unwrap();
            assert_eq!((connection.dialect, connection.start().await.unwrap().uptime), (dialect, 77), "{plays:?}");
            let users = connection.users().await.unwrap();
            assert_eq!(users, [counter("alice", 5, 7_000_000_000), counter("bobby", 0, 1)], "{plays:?}");
            assert_eq!(server.with(|state| state.resets), 0);
        }
    });
}

#[test]
fn what_has_no_stats_service_is_told_as_a_mistake_of_the_configuration() {
    block_on(async {
        let server = Server::start(Plays::Nothing).await;
        let why = connect(server.address).await.err().unwrap();
        assert!(matches!(&why, CoreError::Config(why) if why.contains("StatsService")), "{why:?}");
    });
}

#[test]
fn a_connection_is_never_made_anew_by_itself() {
    block_on(async {
        let server = counting(Plays::V2Ray).await;
        let port = server.address.port();
        let connection = connect(server.address).await.unwrap();
        connection.users().await.unwrap();
        server.kill().await;
        let again = Server::start_on(Plays::V2Ray, port).await;
        // Another process answers there by now; whatever it says belongs to another incarnation.
        let why = connection.users().await.unwrap_err();
        assert!(matches!(why, CoreError::Unreachable(_)), "{why:?}");
        assert_eq!(connect(again.address).await.unwrap().users().await.unwrap(), []);
    });
}

#[test]
fn a_core_whose_answer_was_late_is_asked_again_when_it_began() {
    block_on(async {
        let server = counting(Plays::Xray).await;
        let start = connect(server.address).await.unwrap().start().await.unwrap();
        let late = Duration::from_millis(1_100);
        server.with(|state| state.late = vec![late; 2]);
        let again = connect(server.address).await.unwrap().start().await.unwrap();
        // It is played without a clock: 2,200 ms later it says the same of how long it has run.
        assert!((2_200..3_000).contains(&(again.millis - start.millis)), "{again:?} after {start:?}");
        server.with(|state| state.late = vec![late; 3]);
        let why = connect(server.address).await.unwrap().start().await.unwrap_err();
        assert!(matches!(why, CoreError::Unreachable(_)), "{why:?}");
    });
}

#[test]
fn addresses_are_told_where_the_version_can() {
    block_on(async {
        let server = counting(Plays::Xray).await;
        let connection = connect(server.address).await.unwrap();
        assert_eq!(connection.online("alice").await.unwrap(), None, "an older Xray");
        let ips =
            BTreeMap::from([("203.0.113.7".to_owned(), 1_800_000_000), ("2001:db8::1".to_owned(), 1_800_000_001)]);
        server.with(|state| {
            state.tells_addresses = true;
            state.online.insert("user>>>alice>>>online".to_owned(), ips.clone());
        });
        assert_eq!(connection.online("alice").await.unwrap(), Some(ips));
        assert_eq!(connection.online("bobby").await.unwrap(), Some(BTreeMap::new()));
    });
}

#[test]
fn names_of_another_form_are_no_users() {
    let stat = |name: &str, value| messages::Stat { name: name.to_owned(), value };
    let answer = QueryStatsResponse {
        stat: vec![
            stat("user>>>a>>>b>>>traffic>>>uplink", 1),
            stat("user>>>alice>>>traffic>>>sideways", 2),
            stat("user>>>alice>>>online", 3),
            stat("user>>>carol>>>traffic>>>downlink", -4),
        ],
    };
    assert_eq!(by_user(answer), [counter("a>>>b", 1, 0)]);
}

/// What the wire may bring: anything at all, and messages with names and numbers of any kind.
mod wire {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::super::messages::Stat;
    use super::*;

    fn name() -> impl Strategy<Value = String> {
        let user = prop_oneof!["[a-c]", "a>>>b", ".{0,8}"];
        let direction = prop_oneof![Just("uplink"), Just("downlink"), Just("sideways"), Just("")];
        let of_user = (user, direction).prop_map(|(user, way)| format!("user>>>{user}>>>traffic>>>{way}"));
        prop_oneof![4 => of_user, 1 => ".{0,24}"]
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_message_are_an_error_and_those_that_are_one_are_read_the_same_again(bytes in vec(any::<u8>(), 0..200)) {
            if let Ok(read) = QueryStatsResponse::decode(bytes.as_slice()) {
                prop_assert_eq!(QueryStatsResponse::decode(read.encode_to_vec().as_slice()).unwrap(), read.clone());
                by_user(read);
            }
            if let Ok(read) = IpList::decode(bytes.as_slice()) {
                prop_assert_eq!(IpList::decode(read.encode_to_vec().as_slice()).unwrap(), read);
            }
            let _ = SysStats::decode(bytes.as_slice());
        }

        #[test]
        fn each_user_comes_once_with_the_last_of_his_counters_that_is_one(stats in vec((name(), any::<i64>()), 0..20)) {
            let stat: Vec<_> = stats.iter().map(|(name, value)| Stat { name: name.clone(), value: *value }).collect();
            let sent = QueryStatsResponse { stat };
            let counters = by_user(QueryStatsResponse::decode(sent.encode_to_vec().as_slice()).unwrap());
            let names: Vec<_> = counters.iter().map(|counter| counter.user.clone()).collect();
            let mut once = names.clone();
            once.dedup();
            prop_assert_eq!(&names, &once);
            for Counter { user, up, down } in counters {
                let last = |way: &str| {
                    let named = format!("user>>>{user}>>>traffic>>>{way}");
                    stats.iter().rev().find(|(name, value)| *name == named && *value >= 0).map_or(0, |(_, value)| *value)
                };
                prop_assert_eq!((i64::try_from(up), i64::try_from(down)), (Ok(last("uplink")), Ok(last("downlink"))));
            }
        }

        #[test]
        fn a_message_that_was_cut_or_changed_never_stops_the_agent(stats in vec((name(), any::<i64>()), 1..6), at in any::<prop::sample::Index>(), other: u8) {
            let stat = stats.into_iter().map(|(name, value)| Stat { name, value }).collect();
            let mut bytes = QueryStatsResponse { stat }.encode_to_vec();
            let place = at.index(bytes.len());
            bytes[place] = other;
            for bytes in [&bytes[..], &bytes[..place]] {
                if let Ok(read) = QueryStatsResponse::decode(bytes) {
                    by_user(read);
                }
            }
        }
    }
}
