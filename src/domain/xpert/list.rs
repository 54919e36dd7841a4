//! The list that a user fetches: his own nodes first, then the links of others.

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
    let others = || others.iter().flat_map(|lines| lines.iter());
    let taken: Vec<&str> = others().map(|line| line.0.as_str()).collect();
    let mut lines = format::lines(own, &taken);
    lines.extend(others().map(|line| line.1.clone()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoint::{Protocol, notice};

    #[test]
    fn our_own_nodes_come_first_and_give_way() {
        let direct = [Line("Berlin".into(), "trojan://a@b:1#Berlin".into())];
        let aggregated = [Line("Paris".into(), "trojan://c@d:2#Paris".into())];
        let own = ["Berlin", "Rome", "Rome", "Rome 2"].map(notice);
        let lines = compose(&own, &[&aggregated, &direct]);
        let ends: Vec<&str> = lines.iter().map(|line| line.rsplit('#').next().unwrap()).collect();
        assert_eq!(ends, ["Berlin%202", "Rome", "Rome%202", "Rome%202%202", "Paris", "Berlin"]);
        assert_eq!(lines.last().unwrap(), "trojan://a@b:1#Berlin");
    }
    #[test]
    fn an_own_node_for_which_a_client_refuses_the_list_is_not_in_it() {
        let mut strange = notice("Rome");
        let Protocol::Shadowsocks(shadowsocks) = &mut strange.protocol else { panic!("{strange:?}") };
        shadowsocks.method = "bf-cfb".into();
        assert_eq!(compose(&[strange, notice("Rome")], &[]), [notice("Rome").link()]);
    }
}
