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
    let number = |name: &'static str, default: u32| match parameter(request, name).filter(|text| !text.is_empty()) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| Failure::invalid(name, format!("an integer from 0 to {}", u32::MAX))),
    };
    Ok((number("offset", 0)?, number("limit", u32::MAX)?))
}

/// `start` and `end`.
pub(super) fn span(request: &Request, call: &Call) -> Result<(Second, Second), Failure> {
    let (start, end) = (parameter(request, "start"), parameter(request, "end"));
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
