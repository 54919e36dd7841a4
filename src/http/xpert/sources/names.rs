//! What a name means. A Worker has no resolver of its own, so it asks one over HTTPS.

use core::net::IpAddr;

use futures_util::StreamExt as _;
use serde::Deserialize;
use worker::{AbortSignal, Fetch, Headers, Request, RequestInit, RequestRedirect};

use crate::domain::reach::is_public;

/// Most bytes of a resolver's answer.
const MOST_BYTES: usize = 64 << 10;
/// Types of records: A, AAAA.
const TYPES: [u16; 2] = [1, 28];

/// An answer in the JSON that public resolvers speak (`application/dns-json`).
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Status")]
    status: u16,
    #[serde(rename = "Answer", default)]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: u16,
    data: String,
}

/// Whether all addresses of a name are public ones. Nothing is assumed when the resolver does not answer.
///
/// # Errors
/// Why not, in words for the operator.
pub(super) async fn check(name: &str, resolver: &str, signal: &AbortSignal) -> Result<(), String> {
    let mut found = false;
    for kind in TYPES {
        let answer = ask(name, kind, resolver, signal).await;
        let answer = answer.map_err(|_| format!("the resolver did not say what {name} means"))?;
        match answer.status {
            0 => {}
            3 => return Err(format!("there is no host {name}")),
            status => return Err(format!("the resolver could not find {name} (DNS status {status})")),
        }
        for record in answer.records.iter().filter(|record| record.kind == kind) {
            let address: IpAddr =
                record.data.parse().map_err(|_| format!("the resolver did not say what {name} means"))?;
            if !is_public(address) {
                return Err(format!("{name} has the address {address}, which is none of the open Internet"));
            }
            found = true;
        }
    }
    if found { Ok(()) } else { Err(format!("{name} has no address")) }
}

async fn ask(name: &str, kind: u16, resolver: &str, signal: &AbortSignal) -> worker::Result<Answer> {
    let headers = Headers::new();
    headers.set("accept", "application/dns-json")?;
    let mut init = RequestInit::new();
    init.with_headers(headers).with_redirect(RequestRedirect::Manual);
    // The name holds letters, digits, dots, hyphens and underscores only.
    let request = Request::new_with_init(&format!("{resolver}?name={name}&type={kind}"), &init)?;
    let mut response = Fetch::Request(request).send_with_signal(signal).await?;
    if response.status_code() != 200 {
        return Err(worker::Error::RustError(format!("status {}", response.status_code())));
    }
    let mut body = Vec::new();
    let mut stream = response.stream()?;
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk?);
        if body.len() > MOST_BYTES {
            return Err(worker::Error::RustError("too long".into()));
        }
    }
    Ok(serde_json::from_slice(&body)?)
}
