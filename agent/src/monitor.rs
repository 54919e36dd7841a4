//! What monitors read on loopback: `/metrics` in Prometheus' text format, `/health` in JSON.

mod metrics;

use core::convert::Infallible;
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::health::complaints;
use crate::node::status::Report;

/// Who has asked for nothing by then is shown out, and an answer takes at most this long.
const LIMIT: Duration = Duration::from_secs(10);
/// A port that is taken is tried again after this long: no byte goes uncounted because of a monitor.
const RETRY: Duration = Duration::from_secs(30);
/// Readers at once.
const MOST_READERS: usize = 16;

/// Answers until it is dropped. `reports` brings what is told, anew every few seconds.
pub(crate) async fn serve(address: SocketAddr, reports: watch::Receiver<Option<Report>>) {
    let listener = listen(address).await;
    tracing::info!(%address, "metrics and health");
    let readers = Arc::new(Semaphore::new(MOST_READERS));
    loop {
        // It fails when files are short, which the core's users may need more.
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let Ok(turn) = Arc::clone(&readers).try_acquire_owned() else { continue };
        let reports = reports.clone();
        tokio::spawn(async move {
            let _turn = turn;
            let answer = service_fn(move |request| {
                let response = answer(&request, reports.borrow().as_ref());
                async { Ok::<_, Infallible>(response) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(LIMIT).keep_alive(false);
            // Whatever a reader does wrong is his own affair.
            let _ = timeout(LIMIT, server.serve_connection(TokioIo::new(stream), answer)).await;
        });
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if !told => {
                tracing::warn!(%address, %error, "metrics and health cannot be served, it is tried again");
            }
            Err(_) => {}
        }
        told = true;
        sleep(RETRY).await;
    }
}

fn answer(request: &Request<Incoming>, report: Option<&Report>) -> Response<Full<Bytes>> {
    let (status, kind, body) = page(request.method(), request.uri().path(), report, clock::read().wall);
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
    }
    response
}

const TEXT: &str = "text/plain; charset=utf-8";

/// What a path holds at `now`, the host's clock in unix milliseconds.
fn page(method: &Method, path: &str, report: Option<&Report>, now: i64) -> (StatusCode, &'static str, String) {
    if !matches!(path, "/metrics" | "/health") {
        return (StatusCode::NOT_FOUND, TEXT, "there are /metrics and /health\n".to_owned());
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET and HEAD only\n".to_owned());
    }
    let complaints = report.map_or_else(|| vec!["the agent is starting".to_owned()], |report| complaints(report, now));
    if path == "/health" {
        let is_well = complaints.is_empty();
        let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let told = json!({ "status": if is_well { "ok" } else { "trouble" }, "troubles": complaints });
        return (status, "application/json", format!("{told}\n"));
    }
    let text = report.map(|report| metrics::text(report, complaints.is_empty())).unwrap_or_default();
    (StatusCode::OK, metrics::KIND, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::tests::well;

    fn get(path: &str, report: Option<&Report>) -> (StatusCode, String) {
        let (status, _, body) = page(&Method::GET, path, report, 1_000_000);
        (status, body)
    }

    #[test]
    fn health_is_a_status_that_monitors_understand() {
        assert_eq!(get("/health", Some(&well())), (StatusCode::OK, "{\"status\":\"ok\",\"troubles\":[]}\n".to_owned()));
        let (status, body) = get("/health", Some(&Report { core_up: false, ..well() }));
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("the core does not answer"), "{body}");
        assert_eq!(get("/health", None).0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn there_is_nothing_else_and_nothing_can_be_changed() {
        assert_eq!(get("/", Some(&well())).0, StatusCode::NOT_FOUND);
        assert_eq!(page(&Method::POST, "/health", None, 0).0, StatusCode::METHOD_NOT_ALLOWED);
    }
}
