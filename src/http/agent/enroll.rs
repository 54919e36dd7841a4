//! Enrolment: a one-time token turns a host's key into a node's key.

use weir_wire::NodeId;
use weir_wire::enroll::{EnrollReply, EnrollRequest};
use worker::{Request, Response};

use crate::http::body;
use crate::http::call::{Call, sha256_hex};
use crate::http::failure::Failure;
use crate::store::nodes::{self, TokenRow};

/// `POST /agent/v1/enroll`
pub(crate) async fn enroll(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let body = body::read(&mut request, body::MAX_JSON).await?;
    super::sync::check_protocol(&body)?;
    let ask: EnrollRequest = body::parse(&body)?;
    if !super::sync::is_key(&ask.key_hash) {
        return Err(Failure::invalid("key_hash", "64 lower-case hex digits, the SHA-256 of the node key"));
    }
    let find = || nodes::by_token(&sha256_hex(&ask.token));
    let token: TokenRow = call.db.first(find()).await?.ok_or(Failure::NotFound("enrolment token"))?;
    if token.token_expires.is_none_or(|expires| expires <= call.now.get()) {
        return Err(Failure::NotFound("enrolment token"));
    }
    call.db.batch(&nodes::enroll(NodeId(token.id), &ask.key_hash, call.now)).await?;
    // Read again: of two hosts that enrol at once with one token, the batch lets one through.
    let claimed: Option<TokenRow> = call.db.first(find()).await?;
    if claimed.and_then(|row| row.token_key).as_deref() != Some(ask.key_hash.as_str()) {
        return Err(Failure::Conflict { code: "token_used", message: "the token has enrolled another key".into() });
    }
    let reply = EnrollReply { node: NodeId(token.id), name: token.name, panel: token.panel, time: call.now };
    Ok(Response::from_json(&reply)?)
}
