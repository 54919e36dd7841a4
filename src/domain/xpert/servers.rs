//! A user's servers, added up over days.

use std::collections::HashMap;

use serde::Deserialize;

/// What one server was used on one day: `[server, port, protocol, bytes up, bytes down, last report]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Seen(
    /// Server.
    pub String,
    /// Port.
    pub u32,
    /// Protocol.
    pub String,
    /// Bytes from the client.
    pub u64,
    /// Bytes to the client.
    pub u64,
    /// Unix second.
    pub i64,
);

/// What one server was used in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Server.
    pub server: String,
    /// Port.
    pub port: u32,
    /// Protocol.
    pub protocol: String,
    /// Bytes from the client.
    pub up: u64,
    /// Bytes to the client.
    pub down: u64,
    /// Days on which it was reported.
    pub days: u64,
    /// When it was last reported, in unix seconds.
    pub last_at: i64,
}

/// Adds days up; the busiest server first. A day may come in two parts.
#[must_use]
pub fn add_up(days: Vec<(i64, Vec<Seen>)>) -> Vec<Server> {
    let mut servers: HashMap<(String, u32, String), (Server, Vec<i64>)> = HashMap::new();
    for (day, seen) in days {
        for Seen(server, port, protocol, up, down, last_at) in seen {
            let key = (server.clone(), port, protocol.clone());
            let fresh = || (Server { server, port, protocol, up: 0, down: 0, days: 0, last_at: 0 }, Vec::new());
            let (sum, days) = servers.entry(key).or_insert_with(fresh);
            sum.up = sum.up.saturating_add(up);
            sum.down = sum.down.saturating_add(down);
            sum.last_at = sum.last_at.max(last_at);
            days.push(day);
        }
    }
    let count = |days: &mut Vec<i64>| {
        days.sort_unstable();
        days.dedup();
        u64::try_from(days.len()).unwrap_or(u64::MAX)
    };
    let mut servers: Vec<Server> =
        servers.into_values().map(|(server, mut days)| Server { days: count(&mut days), ..server }).collect();
    servers.sort_by(|a, b| {
        let order = |server: &Server| core::cmp::Reverse(server.up.saturating_add(server.down));
        (order(a), &a.server, a.port, &a.protocol).cmp(&(order(b), &b.server, b.port, &b.protocol))
    });
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(server: &str, up: u64) -> Seen {
        Seen(server.into(), 443, "vless".into(), up, 1, i64::try_from(up).unwrap())
    }

    #[test]
    fn days_add_up_per_server_and_a_day_in_two_parts_is_one_day() {
        let days = vec![
            (7, vec![seen("a", 5), seen("b", 90)]),
            (8, vec![seen("a", 6)]),
            (8, vec![seen("a", 2), seen("c", 90)]),
        ];
        let sums: Vec<_> = add_up(days).into_iter().map(|s| (s.server, s.up, s.down, s.days, s.last_at)).collect();
        assert_eq!(sums, [("b".into(), 90, 1, 1, 90), ("c".into(), 90, 1, 1, 90), ("a".into(), 13, 3, 2, 6)]);
    }
}
