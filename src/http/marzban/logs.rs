//! Logs, each a `WebSocket`: what happens to nodes, as it comes. The panel has no core of its own and reads no log of theirs: it tells what
//! agents report.

use core::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use weir_wire::{NodeId, Second};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Delay, Env, EventStream, Request, Response, WebSocket, WebSocketPair, WebsocketEvent, console_error};

use super::nodes::{find, id_of};
use crate::domain::marzban::log::{Listener, interval, line};
use crate::domain::marzban::node::told;
use crate::http::address::parameter;
use crate::http::auth::authorize;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::node_log::{self, Event, Look, MOST, State};

/// Looks of one listener. The platform allows a request 50 queries, and two or three are spent before the first look.
const LOOKS: u32 = 40;
/// Seconds between two looks at least: so a listener stays for more than three minutes, and costs little.
const PAUSE: f64 = 5.0;

/// `GET /api/core/logs`, a WebSocket
pub(super) async fn of_core(request: &Request, call: &Call) -> Result<Response, Failure> {
    listen(request, call, None).await
}

/// `GET /api/node/{node_id}/logs`, a WebSocket
pub(super) async fn of_node(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    listen(request, call, Some(id)).await
}

/// Query: `token` (or a bearer), `interval` (above 0, at most 10 seconds). Text lines: the last events, how each node stands, then
/// what comes. Refused after it was opened, with a code: 4401 no valid token, 4403 not for this role, 4404 no such node, 4400 no
/// such interval. It is ended by code 1000 after some minutes; clients open it again.
///
/// Rows read: 3 or 4, and with each look those of [`node_log::look`].
async fn listen(request: &Request, call: &Call, id: Option<&str>) -> Result<Response, Failure> {
    let upgrade = request.headers().get("upgrade")?;
    if upgrade.is_none_or(|upgrade| !upgrade.eq_ignore_ascii_case("websocket")) {
        return Err(Failure::NotFound("page"));
    }
    let checked = checked(request, call, id).await;
    let pair = WebSocketPair::new()?;
    pair.server.accept()?;
    match checked {
        Ok((node, pause)) => spawn_local(tell(pair.server, call.env.clone(), node, pause)),
        Err((code, reason)) => pair.server.close(Some(code), Some(reason))?,
    }
    Ok(Response::from_websocket(pair.client)?)
}

type Refused = (u16, &'static str);

async fn checked(request: &Request, call: &Call, id: Option<&str>) -> Result<(Option<NodeId>, f64), Refused> {
    let refused = |failure: Failure| match failure {
        Failure::Role { .. } | Failure::Forbidden(_) => (4403, "You're not allowed"),
        Failure::NotFound(_) | Failure::Invalid { .. } => (4404, "Node not found"),
        Failure::Unauthorized | Failure::Keyed | Failure::Foreign => (4401, "Unauthorized"),
        // Nothing is told of why.
        _ => (1011, "Internal error"),
    };
    let request = with_bearer(request).map_err(refused)?;
    authorize(&request, call, "nodes:read").await.map_err(refused)?;
    let node = match id {
        Some(id) => Some(NodeId(find(call, id_of(id).map_err(refused)?).await.map_err(refused)?.id)),
        None => None,
    };
    match parameter(&request, "interval").filter(|text| !text.is_empty()) {
        None => Ok((node, PAUSE)),
        Some(text) => match interval(&text) {
            Some(seconds) => Ok((node, seconds.max(PAUSE))),
            None => Err((4400, "Interval must be more than 0 and at most 10 seconds")),
        },
    }
}

/// The request with the token of its query as bearer, which a browser's WebSocket cannot send. A cookie is nobody's here.
fn with_bearer(request: &Request) -> Result<Request, Failure> {
    let mut request = request.clone_mut()?;
    let token = parameter(&request, "token").filter(|token| !token.is_empty());
    let headers = request.headers_mut()?;
    headers.delete("cookie")?;
    if let Some(token) = token {
        headers.set("authorization", &format!("Bearer {token}"))?;
    }
    Ok(request)
}

async fn tell(socket: WebSocket, env: Env, node: Option<NodeId>, pause: f64) {
    let Ok(mut events) = socket.events() else { return };
    let mut listener = Listener::default();
    for _ in 0..LOOKS {
        match lines(&env, node, &mut listener).await {
            Ok(lines) if lines.iter().any(|line| socket.send_with_str(line).is_err()) => return,
            Ok(_) => {}
            Err(failure) => {
                console_error!("log of nodes ends error={failure:?}");
                let _ = socket.close(Some(1011), Some("Internal error"));
                return;
            }
        }
        if !waits(&mut events, Duration::from_secs_f64(pause)).await {
            // The other side has closed: this completes it.
            let _ = socket.close(Some(1000), Some("bye"));
            return;
        }
    }
    let _ = socket.close(Some(1000), Some("open it again for more"));
}

/// Waits; whether the client is still there then.
async fn waits(events: &mut EventStream<'_>, pause: Duration) -> bool {
    let mut rest = Delay::from(pause);
    loop {
        match select(rest, events.next()).await {
            Either::Left(_) => return true,
            Either::Right((Some(Ok(WebsocketEvent::Message(_))), still)) => rest = still,
            Either::Right(_) => return false,
        }
    }
}

/// What a listener is told next.
async fn lines(env: &Env, node: Option<NodeId>, listener: &mut Listener) -> Result<Vec<String>, Failure> {
    let call = Call::new(env.clone())?;
    let is_first = listener.after == 0;
    let look: Option<Look> = call.db.first(node_log::look(node, listener.after)).await?;
    let look = look.ok_or_else(|| Failure::Broken("one row gave none".into()))?;
    let broken = |error: serde_json::Error| Failure::Broken(format!("log of nodes: {error}"));
    let events: Vec<Event> = serde_json::from_str(&look.events).map_err(broken)?;
    let nodes: Vec<State> = serde_json::from_str(&look.nodes).map_err(broken)?;
    let mut lines = Vec::new();
    if !is_first && events.len() >= MOST {
        lines.push(line(call.now, "panel", "more happened", "older lines are left out"));
    }
    for Event(id, at, name, kind, detail) in events.iter().rev() {
        if listener.hears(*id) {
            lines.push(line(Second::clamped(*at), name, kind, detail));
        }
    }
    for State(id, name, seen, said) in nodes {
        let said = said.map(serde_json::from_value).transpose().map_err(broken)?.unwrap_or_default();
        let told = told(seen.map(Second::clamped), &said, call.now);
        lines.extend(listener.stands(id, &name, &told, call.now));
    }
    Ok(lines)
}
