//! The URLs below `/api/v1/nodes`.

use super::NoRoute;

/// What a request about nodes wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes<'a> {
    /// `GET /`
    List,
    /// `POST /`
    Create,
    /// `GET /{id}`
    Get(&'a str),
    /// `PATCH /{id}`
    Change(&'a str),
    /// `DELETE /{id}`
    Delete(&'a str),
    /// `POST /{id}/rotate-key`
    RotateKey(&'a str),
    /// `GET /{id}/usage`
    Usage(&'a str),
    /// `GET /{id}/inbounds`
    Inbounds(&'a str),
    /// `GET /{id}/addresses`
    Addresses(&'a str),
    /// `POST /{id}/addresses`
    AddAddress(&'a str),
    /// `POST /{id}/addresses/reorder`
    ReorderAddresses(&'a str),
    /// `GET /{id}/addresses/{address}`
    Address(&'a str, &'a str),
    /// `PATCH /{id}/addresses/{address}`
    ChangeAddress(&'a str, &'a str),
    /// `DELETE /{id}/addresses/{address}`
    DeleteAddress(&'a str, &'a str),
}

/// Finds the route of what follows `/api/v1/nodes`.
#[expect(clippy::match_same_arms, reason = "one line per URL and method, in the order of the URLs, reads as a table")]
pub(super) fn route<'a>(method: &str, segments: &[&'a str]) -> Result<Nodes<'a>, NoRoute> {
    use NoRoute::{Method, Path};
    match (segments, method) {
        ([], "GET") => Ok(Nodes::List),
        ([], "POST") => Ok(Nodes::Create),
        ([], _) => Err(Method("GET, POST")),
        ([id], "GET") => Ok(Nodes::Get(id)),
        ([id], "PATCH") => Ok(Nodes::Change(id)),
        ([id], "DELETE") => Ok(Nodes::Delete(id)),
        ([_], _) => Err(Method("GET, PATCH, DELETE")),
        ([id, "rotate-key"], "POST") => Ok(Nodes::RotateKey(id)),
        ([_, "rotate-key"], _) => Err(Method("POST")),
        ([id, "usage"], "GET") => Ok(Nodes::Usage(id)),
        ([id, "inbounds"], "GET") => Ok(Nodes::Inbounds(id)),
        ([_, "usage" | "inbounds"], _) => Err(Method("GET")),
        ([id, "addresses"], "GET") => Ok(Nodes::Addresses(id)),
        ([id, "addresses"], "POST") => Ok(Nodes::AddAddress(id)),
        ([_, "addresses"], _) => Err(Method("GET, POST")),
        ([id, "addresses", "reorder"], "POST") => Ok(Nodes::ReorderAddresses(id)),
        ([_, "addresses", "reorder"], _) => Err(Method("POST")),
        ([id, "addresses", address], "GET") => Ok(Nodes::Address(id, address)),
        ([id, "addresses", address], "PATCH") => Ok(Nodes::ChangeAddress(id, address)),
        ([id, "addresses", address], "DELETE") => Ok(Nodes::DeleteAddress(id, address)),
        ([_, "addresses", _], _) => Err(Method("GET, PATCH, DELETE")),
        _ => Err(Path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_below_its_node_and_the_order_is_none() {
        assert_eq!(route("PATCH", &["3", "addresses", "7"]), Ok(Nodes::ChangeAddress("3", "7")));
        assert_eq!(route("POST", &["3", "addresses", "reorder"]), Ok(Nodes::ReorderAddresses("3")));
        assert_eq!(route("GET", &["3", "addresses", "reorder"]), Err(NoRoute::Method("POST")));
        assert_eq!(route("PUT", &["3", "addresses"]), Err(NoRoute::Method("GET, POST")));
        assert_eq!(route("GET", &["3", "elsewhere"]), Err(NoRoute::Path));
    }
}
