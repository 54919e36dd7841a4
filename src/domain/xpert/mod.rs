//! Traffic through other people's servers, and the links to them: the rules of the Xpert API.

pub mod figures;
pub mod link;
pub mod list;
pub mod report;
pub mod servers;
pub mod settings;
