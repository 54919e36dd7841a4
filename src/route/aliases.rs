//! The URLs below `/api/v1/users/{name}/aliases`.

use super::NoRoute::{self, Method, Path};

/// What a request about the aliases of a user's link wants. The first text is his name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aliases<'a> {
    /// `GET /`
    List(&'a str),
    /// `POST /`
    Add(&'a str),
    /// `DELETE /`
    RemoveAll(&'a str),
    /// `DELETE /{alias}`
    Remove(&'a str, &'a str),
}

/// Finds the route of what follows `/api/v1/users/{name}/aliases`.
pub(super) fn route<'a>(method: &str, name: &'a str, rest: &[&'a str]) -> Result<Aliases<'a>, NoRoute> {
    match (rest, method) {
        ([], "GET") => Ok(Aliases::List(name)),
        ([], "POST") => Ok(Aliases::Add(name)),
        ([], "DELETE") => Ok(Aliases::RemoveAll(name)),
        ([], _) => Err(Method("GET, POST, DELETE")),
        ([alias], "DELETE") => Ok(Aliases::Remove(name, alias)),
        ([_], _) => Err(Method("DELETE")),
        _ => Err(Path),
    }
}
