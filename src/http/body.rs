//! Reading bodies: capped before anything is parsed, and parsed with the name of the field that is wrong.

use std::io::Read as _;

use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use worker::Request;

use super::failure::Failure;

/// Largest body of the JSON APIs, in bytes.
pub(crate) const MAX_JSON: usize = 64 << 10;

/// Reads at most `limit` bytes. The declared length is checked first, so that a large body is refused unread.
pub(crate) async fn read(request: &mut Request, limit: usize) -> Result<Vec<u8>, Failure> {
    let declared = request.headers().get("content-length")?.and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(Failure::TooLarge(limit));
    }
    if request.inner().body().is_none() {
        return Ok(Vec::new());
    }
    let mut stream = request.stream()?;
    let mut body = Vec::with_capacity(declared.unwrap_or_default());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| Failure::Malformed(format!("the body broke off: {error}")))?;
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(Failure::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Unpacks gzip to at most `limit` bytes.
pub(crate) fn gunzip(packed: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::GzDecoder::new(packed)
        .take(cap)
        .read_to_end(&mut body)
        .map_err(|error| Failure::Malformed(format!("the body is not gzip: {error}")))?;
    if body.len() > limit { Err(Failure::TooLarge(limit)) } else { Ok(body) }
}

/// Parses JSON. Text that is not JSON is malformed (400); JSON of another shape is invalid (422) and the field is named.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let cause = error.into_inner();
        if cause.is_data() {
            let text = cause.to_string();
            let rule = text.split(" at line ").next().unwrap_or_default();
            Failure::invalid(if field == "." { "body".to_owned() } else { field }, rule)
        } else {
            Failure::Malformed(format!("the body is not JSON: {cause}"))
        }
    })?;
    json.end().map_err(|error| Failure::Malformed(format!("the body is not one JSON value: {error}")))?;
    Ok(value)
}

/// Reads and parses a JSON body of at most [`MAX_JSON`] bytes.
pub(crate) async fn json<T: DeserializeOwned>(request: &mut Request) -> Result<T, Failure> {
    parse(&read(request, MAX_JSON).await?)
}
