//! The agents' face, `/agent/v1/...`: node keys as bearer tokens, refusals as [`weir_wire::refusal::Refusal`].

mod addresses;
mod apply;
pub(crate) mod bell;
pub(crate) mod enroll;
mod restoration;
mod roster;
pub(crate) mod sync;

use weir_wire::refusal::{Code, Refusal};
use worker::Response;

use super::failure::{Failure, Unwanted};

/// A failure as agents read it.
pub(crate) fn refusal(failure: &Failure) -> worker::Result<Response> {
    let (_, _, message) = failure.describe();
    let code = match failure {
        Failure::Malformed(_) | Failure::Refused(_) | Failure::Method(_) => Code::Malformed,
        Failure::Unauthorized
        | Failure::Forbidden(_)
        | Failure::Role { .. }
        | Failure::Denied(_)
        | Failure::Keyed
        | Failure::Foreign => Code::Key,
        Failure::NotFound(_) => Code::Token,
        Failure::Report(Unwanted::Expect(_)) => Code::Expect,
        Failure::Report(Unwanted::Fork(_) | Unwanted::Old(_)) => Code::Fork,
        Failure::Conflict { .. } => Code::TokenUsed,
        Failure::Gone(_) => Code::Deleted,
        Failure::TooLarge(_) => Code::TooLarge,
        Failure::Invalid { .. } => Code::Invalid,
        Failure::Protocol(_) => Code::Protocol,
        Failure::TooOften(_) => Code::TooOften,
        Failure::Loop | Failure::Unconfigured(_) | Failure::Busy(_) | Failure::Broken(_) => Code::Unavailable,
    };
    let field = if let Failure::Invalid { field, .. } = failure { Some(field.clone()) } else { None };
    let seq =
        if let Failure::Report(Unwanted::Expect(seq) | Unwanted::Fork(seq)) = failure { Some(*seq) } else { None };
    Response::from_json(&Refusal { code, message, field, seq })
}
