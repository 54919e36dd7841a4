//! Surfboard's profile: Surge's, with what differs told in `surge.rs` (getsurfboard.com/docs).

use super::surge::{Reader, profile};
use super::{About, Rendered};
use crate::domain::endpoint::Endpoint;

/// The profile.
pub(super) fn write(endpoints: &[Endpoint], about: About<'_>) -> Rendered {
    profile(endpoints, about, Reader::Surfboard, "surfboard")
}
