//! Knowing ourselves: a source that is this panel would feed it with what it hands out.

use weir_wire::credential::hmac_sha256;
use worker::Request;

use super::MARK;
use crate::domain::reach::Place;
use crate::http::address;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::xpert::settings;

/// What the panel writes on its fetches, so that it knows its own when one comes back by whatever way. It says nothing to others.
pub(super) fn mark(call: &Call) -> Result<String, Failure> {
    let digest: Vec<u8> = hmac_sha256(&call.secret("AUTH_KEY")?, b"weir/source/1").into_iter().take(12).collect();
    Ok(hex::encode(digest))
}

/// Refuses a request that is a fetch of ours.
pub(crate) fn refuse(request: &Request, call: &Call) -> Result<(), Failure> {
    match request.headers().get(MARK)? {
        Some(found) if found == mark(call)? => Err(Failure::Loop),
        _ => Ok(()),
    }
}

/// Authorities under which this panel is known: that of `request`, and that of the setting `domain`. Rows read: 1.
pub(super) async fn authorities(call: &Call, request: Option<&Request>) -> Result<Vec<String>, Failure> {
    let domain = settings::read(call).await?.domain;
    let domain = if domain.is_empty() || domain.contains("://") { domain } else { format!("https://{domain}") };
    let origin = request.map(address::origin).unwrap_or_default();
    // Read as something that is allowed: that a panel on a private address may not be fetched is another question.
    let authority = |url: &str| {
        let rest = url.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
        let rest = rest.to_ascii_lowercase();
        let usual = if url.starts_with("http://") { 80 } else { 443 };
        let named = [rest.clone(), format!("{rest}:{usual}")];
        Place::read(url, &named).ok().map(|place| place.authority)
    };
    Ok([domain, origin].iter().filter_map(|url| authority(url)).collect())
}
