//! The doorbell: a WebSocket on which the panel says that it has news. Without it, polling goes on.

use core::time::Duration;

use futures_util::SinkExt as _;
use http::header::{AUTHORIZATION, HeaderValue};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt as _;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::identity::Identity;

/// Back-off after the first failure and at most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(5);
/// A connection that lived for so long begins the back-off anew when it ends.
const LASTING: Duration = Duration::from_mins(1);
/// A line that died without a word is found out by a ping; routers forget idle lines after some minutes.
const PING_EVERY: Duration = Duration::from_mins(1);
/// Opening takes at most this long.
const OPEN_LIMIT: Duration = Duration::from_secs(20);

/// Listens for as long as `rings` is heard, and reconnects with back-off. Sends on every ring, and whenever it has
/// connected anew, because rings may have been missed before.
pub(crate) async fn listen(identity: &Identity, rings: &UnboundedSender<()>) {
    let mut retry = FIRST_RETRY;
    while !rings.is_closed() {
        let began = tokio::time::Instant::now();
        match timeout(OPEN_LIMIT, open(identity)).await {
            Ok(Ok(line)) => {
                tracing::debug!("the doorbell is connected");
                let why = hear(line, rings).await;
                tracing::debug!(why, "the doorbell is disconnected");
            }
            Ok(Err(error)) => tracing::debug!(%error, "the doorbell cannot be reached"),
            Err(_) => tracing::debug!("the doorbell does not answer"),
        }
        retry = if began.elapsed() >= LASTING { FIRST_RETRY } else { (retry * 2).min(LAST_RETRY) };
        sleep(retry / 2 + retry.mul_f64(f64::from(crate::random::byte()) / 256.0) / 2).await;
    }
}

type Line = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(identity: &Identity) -> Result<Line, Error> {
    let url = identity.panel.join("/agent/v1/bell").replacen("http", "ws", 1);
    let mut request = url.into_client_request()?;
    let bearer = HeaderValue::from_str(&identity.key.bearer()).map_err(|error| Error::HttpFormat(error.into()))?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let (line, _) = connect_async(request).await?;
    Ok(line)
}

/// Returns why the line ended.
async fn hear(mut line: Line, rings: &UnboundedSender<()>) -> String {
    if rings.send(()).is_err() {
        return String::new();
    }
    let mut silent = false;
    loop {
        match timeout(PING_EVERY, line.next()).await {
            Ok(Some(Ok(Message::Text(_) | Message::Binary(_)))) => {
                silent = false;
                if rings.send(()).is_err() {
                    return String::new();
                }
            }
            Ok(Some(Ok(Message::Close(_))) | None) => return "closed".to_owned(),
            Ok(Some(Ok(_))) => silent = false,
            Ok(Some(Err(error))) => return error.to_string(),
            Err(_) if silent => return "no answer to a ping".to_owned(),
            Err(_) => {
                silent = true;
                if let Err(error) = line.send(Message::Ping(Vec::new().into())).await {
                    return error.to_string();
                }
            }
        }
    }
}
