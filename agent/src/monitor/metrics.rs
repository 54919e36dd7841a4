//! The agent's figures in Prometheus' text format, version 0.0.4. None has a label per user: monitors keep every one for good.

use core::fmt::{Display, Write as _};

use crate::node::status::Report;

/// The format's media type.
pub(super) const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures.
pub(super) fn text(report: &Report, is_well: bool) -> String {
    let node = &report.node;
    let mut page = Page::default();
    let name = [
        ("version", &report.agent),
        ("node", &report.name),
        ("core", &node.core),
        ("core_version", &node.core_version),
    ];
    page.head("info", "gauge", "1, with what runs here.").labelled("info", &name, 1);
    page.gauge("healthy", "1 while /health says ok.", u8::from(is_well));
    page.gauge("core_up", "1 while the proxy core answers.", u8::from(report.core_up));
    page.gauge("deleted", "1 when the panel has deleted this node.", u8::from(report.deleted));
    page.gauge("troubles", "What is wrong now.", report.troubles.len());
    page.gauge("uptime_seconds", "Since the agent started.", node.uptime);
    page.gauge("panel_heard_ago_seconds", "Since the panel's last answer; NaN before the first.", heard(report));
    page.gauge("panel_clock_ahead_seconds", "The panel's clock minus the host's.", seconds(report.panel_clock_ahead));
    page.gauge("unreported_bytes", "Bytes of users that the panel has not acknowledged.", report.unreported);
    page.gauge("reports_waiting", "Parcels and reports that the panel has not acknowledged.", report.waiting);
    page.gauge("slots", "Slots in the roster.", report.slots);
    page.gauge("slots_online", "Slots with a live connection.", node.online);
    page.gauge("connections", "Live connections.", node.connections);
    page.gauge("gates_shut", "Gates that are shut, those of vacant slots included.", node.gates_shut);
    page.gauge("slots_pending_reload", "Open slots that wait for a reload of the core.", node.pending_reload);
    page.head("core_bytes_total", "counter", "Bytes that the core has moved since it started, by its own count.");
    for (direction, bytes) in [("up", report.core_bytes.0), ("down", report.core_bytes.1)] {
        page.labelled("core_bytes_total", &[("direction", direction)], bytes);
    }
    page.counter("reloads_total", "Reloads of the core since the ledger was made.", node.reloads);
    page.counter("cut_connections_total", "Connections that these reloads have cut.", node.cut);
    page.counter("reports_rejected_total", "Reports that the panel did not take for their form.", node.rejected);
    page.counter("reports_missing_total", "Reports that the panel lacks and the agent no longer had.", node.gaps);
    page.counter("forks_total", "How often the ledger was found to be a copy.", node.forks);
    page.head("inexact_bytes", "gauge", "Bytes that are billed to nobody, by the reason; docs/agent.md explains each.");
    let inexact = [
        ("unattributed", node.unattributed),
        ("foreign", node.foreign),
        ("unknown", report.unknown),
        ("ambiguous", node.ambiguous),
        ("lost", node.lost_estimate),
    ];
    for (reason, bytes) in inexact {
        page.labelled("inexact_bytes", &[("reason", reason)], bytes.get());
    }
    page.0
}

fn heard(report: &Report) -> String {
    report.heard_ago.map_or_else(|| "NaN".to_owned(), |millis| seconds(i64::try_from(millis).unwrap_or(i64::MAX)))
}

/// Milliseconds as seconds.
fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", millis.unsigned_abs() / 1_000, millis.unsigned_abs() % 1_000)
}

/// The text so far. Writing to a String cannot fail.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) -> &mut Self {
        let _ = writeln!(self.0, "# HELP weir_agent_{name} {help}\n# TYPE weir_agent_{name} {kind}");
        self
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        let _ = writeln!(self.head(name, "gauge", help).0, "weir_agent_{name} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        let _ = writeln!(self.head(name, "counter", help).0, "weir_agent_{name} {value}");
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, impl AsRef<str>)], value: impl Display) {
        let labels: Vec<_> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text.as_ref()))).collect();
        let _ = writeln!(self.0, "weir_agent_{name}{{{}}} {value}", labels.join(","));
    }
}

/// A label's value: backslash, quote and line feed are written as two characters.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::tests::well;

    #[test]
    fn every_line_is_a_figure_with_its_head_before_it() {
        let text = text(&well(), true);
        let mut known = Vec::new();
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("# TYPE ") {
                let (name, kind) = head.split_once(' ').unwrap();
                assert!(matches!(kind, "gauge" | "counter") && !known.contains(&name), "{line}");
                known.push(name);
            } else if !line.starts_with("# HELP ") {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next(), known.last().copied(), "{line}");
                assert!(value == "NaN" || value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(known.len() > 20, "{known:?}");
    }

    #[test]
    fn figures_are_those_of_the_report() {
        let text = text(&well(), true);
        for line in [
            r#"weir_agent_info{version="0.1.0",node="pa\"ris",core="sing-box",core_version="1.14.4"} 1"#,
            "weir_agent_healthy 1",
            "weir_agent_panel_heard_ago_seconds 4.000",
            "weir_agent_panel_clock_ahead_seconds -0.012",
            "weir_agent_unreported_bytes 1048576",
            "weir_agent_slots_online 12",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
