//! What Marzban's clients say in a URL.

use worker::Request;

use crate::domain::marzban::instant::{self, NoSpan};
use crate::domain::percent;
use crate::http::address::parameter;
use crate::http::call::Call;
use crate::http::failure::Failure;
use weir_wire::Second;

/// `offset` and `limit`, both of which may be missing: from the first on, and everything.
pub(super) fn page(request: &Request) -> Result<(u32, u32), Failure> {
    Ok((count(request, "offset")?.unwrap_or(0), count(request, "limit")?.unwrap_or(u32::MAX)))
}

/// A number of things, if it is said.
pub(super) fn count(request: &Request, name: &'static str) -> Result<Option<u32>, Failure> {
    let text = parameter(request, name).filter(|text| !text.is_empty());
    let rule = || Failure::invalid(name, format!("an integer from 0 to {}", u32::MAX));
    text.map(|text| text.parse().map_err(|_| rule())).transpose()
}

/// What a span's first and last instant are called, where they have no other names.
pub(super) const SPAN: [&str; 2] = ["start", "end"];

/// A span, by the names of its ends.
pub(super) fn span(request: &Request, call: &Call, names: [&str; 2]) -> Result<(Second, Second), Failure> {
    let [start, end] = names.map(|name| parameter(request, name));
    let span = instant::span(start.as_deref(), end.as_deref(), call.now);
    span.map_err(|why: NoSpan| Failure::Refused(why.sentence().to_owned()))
}

/// A name in the path.
pub(super) fn name(segment: &str) -> Result<String, Failure> {
    percent::decode(segment).ok_or(Failure::NotFound("page"))
}

/// A number in the path. What is none breaks the rule of `field`, as `FastAPI` has it.
pub(super) fn number(field: &'static str, segment: &str) -> Result<i64, Failure> {
    let number = segment.parse::<i64>().ok().filter(|number| number.unsigned_abs() < 1 << 53);
    number
        .ok_or_else(|| Failure::invalid(field, "Input should be a valid integer, unable to parse string as an integer"))
}
