//! Signed reports: `X-Webhook-Signature: sha256=<hex of HMAC-SHA256(XPERT_WEBHOOK_SECRET, body)>`.

use weir_wire::credential::hmac_sha256;
use worker::Request;

use crate::domain::token::same;
use crate::http::call::Call;
use crate::http::failure::Failure;

const HEADER: &str = "x-webhook-signature";

/// Whether a report is signed by somebody who knows the secret. Without a signature, or as long as the operator has set no
/// secret, it is not, and taken all the same. A wrong signature is refused: the report was forged or changed on its way.
pub(super) fn is_trusted(request: &Request, call: &Call, body: &[u8]) -> Result<bool, Failure> {
    let Some(given) = request.headers().get(HEADER)? else { return Ok(false) };
    let Ok(secret) = call.env.secret("XPERT_WEBHOOK_SECRET") else { return Ok(false) };
    let secret = secret.to_string();
    if secret.len() < 16 {
        return Err(Failure::Unconfigured("XPERT_WEBHOOK_SECRET (16 characters at least)"));
    }
    let expected = hex::encode(hmac_sha256(secret.as_bytes(), body));
    let given = given.trim().trim_start_matches("sha256=").to_ascii_lowercase();
    if same(given.as_bytes(), expected.as_bytes()) { Ok(true) } else { Err(Failure::Unauthorized) }
}
