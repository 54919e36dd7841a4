//! Lines of the log that clients listen to: what happened to nodes, and how they come to stand.

use std::collections::BTreeMap;

use weir_wire::Second;

use super::instant::naive;
use super::node::Told;

/// What a listener was told so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listener {
    /// The last event.
    pub after: i64,
    stands: BTreeMap<u32, &'static str>,
}

/// Seconds between two lines for the client at most, as Marzban has it.
const LONGEST_INTERVAL: f64 = 10.0;

/// The interval that a client asks for, in seconds; none if it may not.
#[must_use]
pub fn interval(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|seconds: &f64| *seconds > 0.0 && *seconds <= LONGEST_INTERVAL)
}

/// A line.
#[must_use]
pub fn line(at: Second, node: &str, what: &str, more: &str) -> String {
    // What an agent says may have line breaks in it: a line stays one.
    let more = more.replace(['\r', '\n'], " ");
    let behind = if more.is_empty() { String::new() } else { format!(": {more}") };
    format!("{} [{node}] {what}{behind}", naive(at))
}

impl Listener {
    /// The line of a node that stands otherwise than the listener was told, or that he was not told of.
    pub fn stands(&mut self, id: u32, name: &str, told: &Told, now: Second) -> Option<String> {
        let before = self.stands.insert(id, told.status);
        let more = told.message.as_deref().or(told.version.as_deref()).unwrap_or_default();
        (before != Some(told.status)).then(|| line(now, name, told.status, more))
    }

    /// Remembers that he was told of an event; whether he was not told of it before.
    pub fn hears(&mut self, event: i64) -> bool {
        let is_new = event > self.after;
        self.after = self.after.max(event);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Second = Second::clamped(1_704_829_059);

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line(NOW, "Wien", "fork", "a\nb"), "2024-01-09T19:37:39 [Wien] fork: a b");
        assert_eq!(line(NOW, "Wien", "restored", ""), "2024-01-09T19:37:39 [Wien] restored");
    }

    #[test]
    fn how_a_node_stands_is_said_when_it_changes() {
        let told = |status, message: Option<&str>| Told {
            status,
            version: Some("1.14.4".into()),
            message: message.map(str::to_owned),
        };
        let mut listener = Listener::default();
        let mut says = |status, message| listener.stands(7, "Wien", &told(status, message), NOW);
        assert_eq!(says("connected", None).unwrap(), "2024-01-09T19:37:39 [Wien] connected: 1.14.4");
        assert_eq!(says("connected", None), None);
        assert_eq!(says("error", Some("down")).unwrap(), "2024-01-09T19:37:39 [Wien] error: down");
        assert_eq!(says("error", Some("still")), None);
    }

    #[test]
    fn an_event_is_heard_once() {
        let mut listener = Listener::default();
        assert!(listener.hears(3) && listener.hears(4) && !listener.hears(4) && !listener.hears(2));
        assert_eq!(listener.after, 4);
    }

    #[test]
    fn an_interval_is_above_zero_and_ten_at_most() {
        assert_eq!((interval("0.5"), interval("10"), interval(" 3 ")), (Some(0.5), Some(10.0), Some(3.0)));
        for text in ["0", "-1", "10.1", "x", "", "NaN", "inf"] {
            assert_eq!(interval(text), None, "{text}");
        }
    }
}
