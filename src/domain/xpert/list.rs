//! The list that a user fetches: his own nodes first, then the links of others.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::domain::endpoint::Endpoint;
use crate::domain::format;

/// A link as it is handed out: `[name, link]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line(
    /// What clients show.
    pub String,
    /// The link on one line.
    pub String,
);

/// The lines. Clients merge or refuse entries of the same name: our own nodes give way, because direct configs are never
/// renamed, and sources were renamed already.
#[must_use]
pub fn compose(own: &[Endpoint], others: &[&[Line]]) -> Vec<String> {
    let mut taken: HashSet<&str> = others.iter().flat_map(|lines| lines.iter().map(|line| line.0.as_str())).collect();
    let names: Vec<String> = own.iter().map(|endpoint| endpoint.name.clone()).collect();
    let mut lines = Vec::new();
    for (endpoint, name) in own.iter().zip(&names) {
        if taken.insert(name) {
            lines.push(format::line(name, endpoint));
        } else {
            let free = (2..=u32::MAX).map(|n| format!("{name} {n}")).find(|free| !taken.contains(free.as_str()));
            lines.push(format::line(&free.unwrap_or_default(), endpoint));
        }
    }
    lines.extend(others.iter().flat_map(|lines| lines.iter().map(|line| line.1.clone())));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoint::notice;

    #[test]
    fn our_own_nodes_come_first_and_give_way() {
        let direct = [Line("Berlin".into(), "trojan://a@b:1#Berlin".into())];
        let aggregated = [Line("Paris".into(), "trojan://c@d:2#Paris".into())];
        let lines = compose(&[notice("Berlin"), notice("Rome")], &[&aggregated, &direct]);
        let ends: Vec<&str> = lines.iter().map(|line| line.rsplit('#').next().unwrap()).collect();
        assert_eq!(ends, ["Berlin%202", "Rome", "Paris", "Berlin"]);
        assert_eq!(lines.last().unwrap(), "trojan://a@b:1#Berlin");
    }
}
