//! Shadowsocks servers as SIP008 and Outline write them.

use super::super::link::Reason;
use super::super::xpert::link::Link;
use super::draft::{Draft, without};
use super::tree::Tree;

/// Reads one server.
pub(super) fn read(server: &Tree) -> Result<Link, Reason> {
    // Bytes that Outline sends first: a server that wants them takes no others.
    without(server, &["prefix"])?;
    let name = server.any(&["remarks", "tag", "name"]).text();
    let mut draft = Draft::new("ss", name, server.get("server"), server.get("server_port"));
    if let Some(plugin) = server.get("plugin").text() {
        let options = server.get("plugin_opts").text().unwrap_or_default();
        draft.params.add("plugin", if options.is_empty() { plugin.to_owned() } else { format!("{plugin};{options}") });
    }
    draft.user(&[server.get("method"), server.get("password")]).link()
}
