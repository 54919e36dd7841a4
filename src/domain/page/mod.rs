//! What the page of a subscription shows: in which language, which apps can import it, and pictures of links.

pub mod apps;
pub mod calendar;
pub mod language;
pub mod qr;
