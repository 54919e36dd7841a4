//! The doorbell's Durable Object: holds the agents' sockets while they sleep, and rings them all.
//!
//! Hibernating sockets cost nothing while nobody rings. It is an optimisation: polling goes on without it, so a ring
//! that fails is not an error of the change that rang.

use worker::{
    DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    durable_object, wasm_bindgen,
};

use crate::http::failure::Failure;

const RING: &str = "https://bell/ring";

/// One object for the whole deployment.
#[durable_object]
pub struct Bell {
    state: State,
}

impl DurableObject for Bell {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        if request.path() == "/ring" {
            for socket in self.state.get_websockets() {
                // A socket that is closing misses the ring; its agent polls.
                let _ = socket.send_with_str("sync");
            }
            return Response::empty();
        }
        let pair = WebSocketPair::new()?;
        self.state.accept_web_socket(&pair.server);
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

/// Hands an agent's WebSocket to the bell.
pub(crate) async fn connect(env: &Env, request: Request) -> std::result::Result<Response, Failure> {
    Ok(stub(env)?.fetch_with_request(request).await?)
}

/// Wakes every agent. Without a bell, or when it fails, they find out at their next poll.
pub(crate) async fn ring(env: &Env) {
    if let Ok(stub) = stub(env) {
        let _ = stub.fetch_with_str(RING).await;
    }
}
