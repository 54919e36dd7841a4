//! One request to an endpoint: a deadline, a small answer, no redirects.

use core::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use worker::wasm_bindgen::JsValue;
use worker::{AbortController, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect};

use super::{Outcome, Verdict};

/// How long an endpoint may take, its answer's body included.
const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are looked at: more than is shown of it, so that an address that the answer quotes (2,048 characters, up to three times as
/// long when they are encoded again) is there as a whole and can be taken out.
const MAX_ANSWER: usize = 8_192;

/// What an endpoint said.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `Retry-After`, in seconds.
    pub(super) wait: Option<i64>,
    /// Begin of the body.
    pub(super) text: String,
}

impl Answer {
    /// The outcome that the status stands for. `refusals` are the statuses that speak of the message and not of the endpoint.
    pub(super) fn outcome(self, refusals: &[u16]) -> Outcome {
        let verdict = match self.status {
            200..300 => Verdict::Delivered,
            status if refusals.contains(&status) => Verdict::Refused,
            _ => Verdict::Failed,
        };
        let said: String = self.text.chars().filter(|letter| !letter.is_control()).collect();
        let error = (verdict != Verdict::Delivered).then(|| match (self.status, said.is_empty()) {
            (300..400, _) => format!("it answered {} and leads elsewhere; enter the final address", self.status),
            (status, true) => format!("it answered {status}"),
            (status, false) => format!("it answered {status}: {said}"),
        });
        Outcome { verdict, status: Some(self.status), error, wait: self.wait }
    }
}

/// Posts JSON.
pub(super) async fn post(url: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, String> {
    let controller = AbortController::default();
    let signal = controller.signal();
    let exchange = Box::pin(exchange(url, headers, body, &signal));
    let answer = match select(exchange, Box::pin(Delay::from(DEADLINE))).await {
        Either::Left((answer, _)) => answer.map_err(|error| readable(&error)),
        Either::Right(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
    };
    // Whatever still comes is not waited for.
    controller.abort();
    answer
}

async fn exchange(
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
    signal: &worker::AbortSignal,
) -> worker::Result<Answer> {
    let all = Headers::new();
    all.set("content-type", "application/json")?;
    all.set("user-agent", concat!("Weir/", env!("CARGO_PKG_VERSION")))?;
    for (name, value) in headers {
        all.set(name, value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(all)
        .with_body(Some(JsValue::from_str(body)))
        .with_redirect(RequestRedirect::Manual);
    let mut response = Fetch::Request(Request::new_with_init(url, &init)?).send_with_signal(signal).await?;
    let wait = response.headers().get("retry-after")?.and_then(|wait| wait.trim().parse().ok());
    let mut text = Vec::new();
    if let Ok(mut stream) = response.stream() {
        while let Some(chunk) = stream.next().await {
            text.extend(chunk?);
            if text.len() >= MAX_ANSWER {
                break;
            }
        }
    }
    text.truncate(MAX_ANSWER);
    Ok(Answer { status: response.status_code(), wait, text: String::from_utf8_lossy(&text).into_owned() })
}

/// The first line of a runtime's error; the rest is a stack.
fn readable(error: &worker::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
