//! One link a line, plain or in base64.

use super::check::XHTTP_MODES;
use super::{Clash, Fitted, Rendered, Unfit, clash, fit};
use crate::domain::endpoint::{Endpoint, Plugin, Protocol, Transport};

/// The lines. Each client skips a scheme that it does not know, so only what ends the whole list of a strict client is
/// left out.
pub(super) fn write(endpoints: &[Endpoint]) -> Rendered {
    let (lines, left_out) = fitted(endpoints, &[]);
    Rendered { served: lines.len(), body: lines.into_iter().map(|(_, line)| line + "\n").collect(), left_out }
}

/// The same one by one, beside links that have these names.
#[must_use]
pub fn lines(endpoints: &[Endpoint], taken: &[&str]) -> Vec<String> {
    fitted(endpoints, taken).0.into_iter().map(|(_, line)| line).collect()
}

fn fitted(endpoints: &[Endpoint], taken: &[&str]) -> Fitted<String> {
    fit(endpoints, taken, str::to_owned, |name, endpoint| match refused(endpoint) {
        Some(why) => Err(why),
        None => Ok(line(name, endpoint)),
    })
}

/// The link under a name, so that mihomo loads it: it knows no mode of a v2ray-plugin but what is said.
#[must_use]
pub fn line(name: &str, endpoint: &Endpoint) -> String {
    let mut endpoint = Endpoint { name: name.to_owned(), ..endpoint.clone() };
    if let Protocol::Shadowsocks(shadowsocks) = &mut endpoint.protocol {
        shadowsocks.plugin = shadowsocks.plugin.take().map(Plugin::spelled_out);
    }
    endpoint.link()
}

/// Why mihomo, the strictest reader of lists of links, refuses a whole list that holds this one: it reads each as an entry of its own file,
/// and one bad entry ends them all. `tests/formats.test.mjs` asks it.
#[must_use]
pub fn refused(endpoint: &Endpoint) -> Option<Unfit> {
    let why = clash::node("", endpoint, Clash::Mihomo).err()?;
    let is_fatal = match why {
        Unfit::Method | Unfit::Cipher | Unfit::Flow | Unfit::Pin | Unfit::Encryption => true,
        // It reads the options of two plugins, and does without what else a link names.
        Unfit::Plugin => plugin_is_read(endpoint),
        Unfit::Transport => has_unknown_mode(endpoint),
        _ => false,
    };
    is_fatal.then_some(why)
}

fn plugin_is_read(endpoint: &Endpoint) -> bool {
    let Protocol::Shadowsocks(shadowsocks) = &endpoint.protocol else { return false };
    shadowsocks.plugin.as_ref().is_some_and(|plugin| {
        !plugin.options.is_empty() && (plugin.name.contains("obfs") || plugin.name.contains("v2ray-plugin"))
    })
}

fn has_unknown_mode(endpoint: &Endpoint) -> bool {
    let Protocol::Vless(vless) = &endpoint.protocol else { return false };
    let Transport::Xhttp { mode, .. } = &vless.stream.transport else { return false };
    mode.as_deref().is_some_and(|mode| !XHTTP_MODES.contains(&mode))
}
