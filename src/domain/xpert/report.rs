//! What a client reports: bytes that it moved through a server that is not ours.

use serde::Deserialize;

use weir_wire::Bytes;

/// Most bytes of one direction that one report may state: 16 TiB, more than a client can move between two reports.
pub const MOST_BYTES: u64 = 1 << 44;
/// Longest host name.
const SERVER: usize = 253;
/// Longest protocol name.
const PROTOCOL: usize = 32;
/// Longest token or alias.
const TOKEN: usize = 256;

/// The body of a report. Fields that it does not know are tolerated: clients send more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Report {
    /// Whose bytes: a subscription token or an alias.
    pub user_token: String,
    /// Host name or address of the server.
    pub server: String,
    /// Its port.
    pub port: u64,
    /// Protocol, as the client names it.
    pub protocol: String,
    /// Bytes from the client to the server.
    pub bytes_uploaded: u64,
    /// Bytes from the server to the client.
    pub bytes_downloaded: u64,
}

/// A field that breaks its rule, and the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The field.
    pub field: &'static str,
    /// The rule as a sentence.
    pub rule: &'static str,
}

const COUNT: &str = "bytes, an integer from 0 to 17592186044416";

impl Report {
    /// Whether every field is what it can be.
    ///
    /// # Errors
    /// The first field that is not.
    pub fn check(&self) -> Result<(), Broken> {
        let rules = [
            (!self.user_token.is_empty() && self.user_token.len() <= TOKEN, "user_token", "a subscription token"),
            (is_server(&self.server), "server", "a host name or an IP address of at most 253 characters"),
            ((1..=65_535).contains(&self.port), "port", "an integer from 1 to 65535"),
            (is_protocol(&self.protocol), "protocol", "1 to 32 of A-Z a-z 0-9 . _ + -"),
            (self.bytes_uploaded <= MOST_BYTES, "bytes_uploaded", COUNT),
            (self.bytes_downloaded <= MOST_BYTES, "bytes_downloaded", COUNT),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map_or(Ok(()), |(_, field, rule)| Err(Broken { field, rule }))
    }

    /// Bytes of both directions.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        Bytes::saturating(self.bytes_uploaded).plus(Bytes::saturating(self.bytes_downloaded))
    }
}

/// Anything that a client may connect to: names beyond ASCII too, because clients report what they were given.
fn is_server(text: &str) -> bool {
    (1..=SERVER).contains(&text.chars().count()) && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

fn is_protocol(text: &str) -> bool {
    (1..=PROTOCOL).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            user_token: "user123".into(),
            server: "vpn.example.com".into(),
            port: 443,
            protocol: "vless".into(),
            bytes_uploaded: 0,
            bytes_downloaded: MOST_BYTES,
        }
    }

    #[test]
    fn a_report_names_the_first_field_that_breaks_its_rule() {
        assert_eq!(report().check(), Ok(()));
        let cases = [
            (Report { user_token: String::new(), ..report() }, "user_token"),
            (Report { server: String::new(), ..report() }, "server"),
            (Report { server: "a b".into(), ..report() }, "server"),
            (Report { server: "x".repeat(254), ..report() }, "server"),
            (Report { port: 0, ..report() }, "port"),
            (Report { port: 65_536, ..report() }, "port"),
            (Report { protocol: "<b>".into(), ..report() }, "protocol"),
            (Report { bytes_uploaded: MOST_BYTES + 1, ..report() }, "bytes_uploaded"),
            (Report { bytes_downloaded: u64::MAX, ..report() }, "bytes_downloaded"),
        ];
        for (report, field) in cases {
            assert_eq!(report.check().map_err(|broken| broken.field), Err(field));
        }
    }

    #[test]
    fn servers_beyond_ascii_and_ipv6_are_servers() {
        for server in ["münchen.example", "2001:db8::1", "[2001:db8::1]", "1.2.3.4"] {
            assert_eq!(Report { server: server.into(), ..report() }.check(), Ok(()), "{server}");
        }
    }
}
