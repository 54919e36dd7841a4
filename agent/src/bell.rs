//! The doorbell: a WebSocket on which the panel says that it has news. Without it, polling goes on.

use core::time::Duration;
use std::io;
use std::sync::Arc;

use futures_util::SinkExt as _;
use http::header::{AUTHORIZATION, HeaderValue};
use http::uri::InvalidUri;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt as _;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tower_service::Service as _;

use crate::egress::Egress;
use crate::identity::Identity;

/// Back-off after the first failure and at most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(5);
/// A panel that is deployed anew drops all lines at once: their agents come back spread over this time. Polling goes on.
const SPREAD: Duration = Duration::from_secs(5);
/// A connection that lived for so long begins the back-off anew when it ends.
const LASTING: Duration = Duration::from_mins(1);
/// A line that died without a word is found out by a ping; routers forget idle lines after some minutes.
const PING_EVERY: Duration = Duration::from_mins(1);
/// Opening takes at most this long.
const OPEN_LIMIT: Duration = Duration::from_secs(20);

/// Listens for as long as `rings` is heard, and reconnects with back-off. Sends on every ring, and whenever it has
/// connected anew, because rings may have been missed before.
pub(crate) async fn listen(identity: &Identity, egress: &Egress, rings: &UnboundedSender<()>) {
    let mut retry = FIRST_RETRY;
    while !rings.is_closed() {
        let began = tokio::time::Instant::now();
        match timeout(OPEN_LIMIT, open(identity, egress)).await {
            Ok(Ok(line)) => {
                tracing::debug!("the doorbell is connected");
                let why = hear(line, rings).await;
                tracing::debug!(why, "the doorbell is disconnected");
            }
            Ok(Err(error)) => tracing::debug!(%error, "the doorbell cannot be reached"),
            Err(_) => tracing::debug!("the doorbell does not answer"),
        }
        let lasted = began.elapsed() >= LASTING;
        sleep(pause(retry, lasted, crate::random::byte())).await;
        retry = if lasted { FIRST_RETRY } else { (retry * 2).min(LAST_RETRY) };
    }
}

/// How long to wait before the next attempt: after a line that lasted at random within the spread, otherwise the back-off, of
/// which one half is at random. `dice` is that chance.
fn pause(retry: Duration, lasted: bool, dice: u8) -> Duration {
    let chance = f64::from(dice) / 256.0;
    if lasted { SPREAD.mul_f64(chance) } else { retry.mul_f64(0.5 + chance / 2.0) }
}

type Line = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(identity: &Identity, egress: &Egress) -> Result<Line, Error> {
    let url = identity.panel.join("/agent/v1/bell").replacen("http", "ws", 1);
    let mut request = url.into_client_request()?;
    let bearer = HeaderValue::from_str(&identity.key.bearer()).map_err(|error| Error::HttpFormat(error.into()))?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let panel = identity.panel.join("").parse().map_err(|error: InvalidUri| Error::HttpFormat(error.into()))?;
    let stream = egress.dial.clone().call(panel).await.map_err(|error| Error::Io(io::Error::other(error)))?;
    let tls = Connector::Rustls(Arc::clone(&egress.tls));
    let (line, _) = client_async_tls_with_config(request, stream.into_inner(), None, Some(tls)).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_whose_lines_were_dropped_at_once_do_not_come_back_at_once() {
        let pauses: Vec<_> = (0..=255).map(|dice| pause(LAST_RETRY, true, dice)).collect();
        assert!(pauses.is_sorted_by(|a, b| a < b) && pauses.iter().all(|pause| *pause < SPREAD));
    }

    #[test]
    fn a_panel_that_does_not_answer_is_asked_ever_more_rarely() {
        for (retry, least, most) in [(FIRST_RETRY, 500, 1_000), (LAST_RETRY, 150_000, 300_000)] {
            assert_eq!(pause(retry, false, 0), Duration::from_millis(least));
            assert!(pause(retry, false, 255) < Duration::from_millis(most));
        }
    }
}
