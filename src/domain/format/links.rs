//! One link a line, plain or in base64.

use super::{Clash, Rendered, Unfit, clash, fit};
use crate::domain::endpoint::Endpoint;

/// The lines. Each client skips a scheme that it does not know, so only what ends the whole list of a strict client is
/// left out: mihomo reads a list of links as it reads its own file.
pub(super) fn write(endpoints: &[Endpoint]) -> Rendered {
    let (lines, left_out) =
        fit(endpoints, &[], str::to_owned, |name, endpoint| match clash::node(name, endpoint, Clash::Mihomo) {
            Err(why @ (Unfit::Method | Unfit::Cipher | Unfit::Flow | Unfit::Pin)) => Err(why),
            _ => Ok(Endpoint { name: name.to_owned(), ..endpoint.clone() }.link() + "\n"),
        });
    Rendered { served: lines.len(), body: lines.into_iter().map(|(_, line)| line).collect(), left_out }
}
