//! The doorbell: one WebSocket per agent, which says "sync now" and carries no data.

use weir_wire::NodeId;
use worker::{Request, Response};

use super::sync::authenticate;
use crate::bell;
use crate::http::call::Call;
use crate::http::failure::Failure;

/// `GET /agent/v1/bell`
///
/// Rows read: 3.
pub(crate) async fn listen(request: Request, call: &Call) -> Result<Response, Failure> {
    if request.headers().get("upgrade")?.is_none_or(|upgrade| !upgrade.eq_ignore_ascii_case("websocket")) {
        return Err(Failure::Protocol("the bell is a WebSocket: send an Upgrade header".into()));
    }
    let caller = authenticate(&request, call, weir_wire::Epoch::from_random(0), false, 0).await?;
    bell::connect(&call.env, &request, NodeId(caller.node)).await
}
