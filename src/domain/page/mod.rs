//! What pages show: in which language, which apps can import a subscription, pictures of links, and the names of browsers.

pub mod apps;
pub mod browser;
pub mod calendar;
pub mod language;
pub mod qr;
