//! How often clients may report. The platform counts, so a flood costs no row.

use core::net::IpAddr;

use worker::Request;

use super::variables;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::random;

/// Seconds of a window of both bindings, as `wrangler.toml` says.
const WINDOW: u32 = 60;

/// Lets 600 reports a minute of one address pass.
pub(super) async fn address(request: &Request, call: &Call) -> Result<(), Failure> {
    let address = request.headers().get("cf-connecting-ip")?.unwrap_or_else(|| "local".to_owned());
    count(call, "XPERT_ADDRESS_LIMIT", &network(&address)).await
}

/// Lets 60 reports a minute of one token pass.
pub(super) async fn token(call: &Call, token: &str) -> Result<(), Failure> {
    count(call, "XPERT_TOKEN_LIMIT", token).await
}

/// A host has a whole IPv6 /64 to itself: it counts as one address.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => hex::encode(address.octets().get(..8).unwrap_or_default()),
        _ => address.to_owned(),
    }
}

async fn count(call: &Call, binding: &str, key: &str) -> Result<(), Failure> {
    let Ok(limiter) = call.env.rate_limiter(binding) else { return Ok(()) };
    // The platform's limit is fixed when the Worker is deployed. A factor spreads one key over that many.
    let factor = variables::limit_factor(&call.env);
    let share = if factor > 1 { u32::from_be_bytes(random::bytes::<4>()?) % factor } else { 0 };
    let outcome = limiter.limit(format!("{key}#{share}")).await?;
    if outcome.success { Ok(()) } else { Err(Failure::TooOften(WINDOW)) }
}
