//! The doorbell's Durable Object: holds one socket for each agent while it sleeps, and rings the nodes that a change concerns.
//!
//! Hibernating sockets cost nothing while nobody rings; a ring costs one request to the object and no row. It is an
//! optimisation: polling goes on without it, so a ring that fails is not an error of the change that rang.

use weir_wire::NodeId;
use worker::{
    DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    durable_object, wasm_bindgen,
};

use crate::http::failure::Failure;

/// Which node opens a line, for the object alone: whatever a caller sends under this name is overwritten.
const NODE: &str = "weir-node";
/// Said to a line whose node has opened another one.
const REPLACED: u16 = 4000;

/// Who is rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    /// Every node: all carry every user.
    All,
    /// One node.
    One(u32),
    /// Every node but one, which hears of it by the answer to its sync.
    Others(u32),
}

impl Whom {
    /// What the object is asked for.
    fn address(self) -> String {
        match self {
            Self::All => "https://bell/ring".to_owned(),
            Self::One(node) => format!("https://bell/ring/{node}"),
            Self::Others(node) => format!("https://bell/ring/but/{node}"),
        }
    }

    fn of_path(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/ring")?;
        match rest.strip_prefix("/but/") {
            Some(node) => node.parse().ok().map(Self::Others),
            None if rest.is_empty() => Some(Self::All),
            None => rest.strip_prefix('/')?.parse().ok().map(Self::One),
        }
    }
}

/// One object for the whole deployment.
#[durable_object]
pub struct Bell {
    state: State,
}

impl Bell {
    fn lines(&self, whom: Whom) -> Vec<WebSocket> {
        match whom {
            Whom::All => self.state.get_websockets(),
            Whom::One(node) => self.state.get_websockets_with_tag(&node.to_string()),
            Whom::Others(node) => {
                let tag = node.to_string();
                let mut lines = self.state.get_websockets();
                lines.retain(|line| !self.state.get_tags(line).contains(&tag));
                lines
            }
        }
    }
}

impl DurableObject for Bell {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        if let Some(whom) = Whom::of_path(&request.path()) {
            for line in self.lines(whom) {
                // One that is closing misses the ring; its agent polls.
                let _ = line.send_with_str("sync");
            }
            return Response::empty();
        }
        let node = request.headers().get(NODE)?.unwrap_or_default();
        // A line that died without a word would otherwise stay for hours.
        for line in self.state.get_websockets_with_tag(&node) {
            let _ = line.close(Some(REPLACED), Some("replaced"));
        }
        let pair = WebSocketPair::new()?;
        self.state.accept_websocket_with_tags(&pair.server, &[&node]);
        Response::from_websocket(pair.client)
    }

    async fn websocket_message(&self, _socket: WebSocket, _message: WebSocketIncomingMessage) -> Result<()> {
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, _reason: String, _clean: bool) -> Result<()> {
        // 1005 and 1006 stand for "no code" and may not be sent.
        let code = u16::try_from(code).ok().filter(|code| (3000..5000).contains(code)).unwrap_or(1000);
        socket.close(Some(code), Some("bye"))
    }

    async fn websocket_error(&self, _socket: WebSocket, _error: worker::Error) -> Result<()> {
        Ok(())
    }
}

fn stub(env: &Env) -> std::result::Result<worker::Stub, Failure> {
    let namespace = env.durable_object("BELL").map_err(|_| Failure::NotFound("the doorbell"))?;
    Ok(namespace.id_from_name("bell")?.get_stub()?)
}

/// Hands the WebSocket of a node's agent to the bell.
pub(crate) async fn connect(env: &Env, request: &Request, node: NodeId) -> std::result::Result<Response, Failure> {
    let mut request = request.clone_mut()?;
    request.headers_mut()?.set(NODE, &node.0.to_string())?;
    Ok(stub(env)?.fetch_with_request(request).await?)
}

/// Wakes every agent. Without a bell, or when it fails, they find out at their next poll.
pub(crate) async fn ring(env: &Env) {
    wake(env, Whom::All).await;
}

/// Wakes the agent of a node, whose own settings have changed.
pub(crate) async fn ring_node(env: &Env, node: NodeId) {
    wake(env, Whom::One(node.0)).await;
}

/// Wakes every agent but that of the node whose sync is being answered.
pub(crate) async fn ring_others(env: &Env, node: NodeId) {
    wake(env, Whom::Others(node.0)).await;
}

async fn wake(env: &Env, whom: Whom) {
    if let Ok(stub) = stub(env) {
        let _ = stub.fetch_with_str(&whom.address()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_rung_survives_the_way_to_the_object() {
        for whom in [Whom::All, Whom::One(7), Whom::Others(7)] {
            let address = whom.address();
            assert_eq!(Whom::of_path(address.strip_prefix("https://bell").unwrap()), Some(whom));
        }
        for path in ["/agent/v1/bell", "/ring/", "/ring/x", "/ring/but", "/ringing"] {
            assert_eq!(Whom::of_path(path), None, "{path}");
        }
    }
}
