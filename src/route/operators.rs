//! The URLs below `/api/v1/operators` and `/api/v1/me`.

use super::NoRoute::{self, Method, Path};

/// What a request about operators wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operators<'a> {
    /// `GET /`
    List,
    /// `POST /`
    Create,
    /// `GET /{name}`
    Get(&'a str),
    /// `PATCH /{name}`
    Change(&'a str),
    /// `DELETE /{name}`
    Delete(&'a str),
    /// `POST /{name}/enable`
    Enable(&'a str),
    /// `POST /{name}/disable`
    Disable(&'a str),
    /// `POST /{name}/reset-password`
    ResetPassword(&'a str),
    /// `DELETE /{name}/two-factor`
    ForgetTwoFactor(&'a str),
}

/// What a request about the caller himself wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Me<'a> {
    /// `GET /`
    Get,
    /// `POST /password`
    ResetPassword,
    /// `GET /sessions`
    Sessions,
    /// `DELETE /sessions`
    EndOthers,
    /// `DELETE /sessions/{id}`
    End(&'a str),
    /// `POST /two-factor`
    Enrol,
    /// `POST /two-factor/confirm`
    Confirm,
    /// `POST /two-factor/recovery-codes`
    RenewCodes,
    /// `DELETE /two-factor`
    ForgetTwoFactor,
    /// `GET /passkeys`
    Passkeys,
    /// `POST /passkeys/challenge`
    AskPasskey,
    /// `POST /passkeys`
    AddPasskey,
    /// `DELETE /passkeys/{id}`
    RemovePasskey(&'a str),
}

/// Finds the route of what follows `/api/v1/operators`.
pub(super) fn route<'a>(method: &str, segments: &[&'a str]) -> Result<Operators<'a>, NoRoute> {
    match (segments, method) {
        ([], "GET") => Ok(Operators::List),
        ([], "POST") => Ok(Operators::Create),
        ([], _) => Err(Method("GET, POST")),
        ([name], "GET") => Ok(Operators::Get(name)),
        ([name], "PATCH") => Ok(Operators::Change(name)),
        ([name], "DELETE") => Ok(Operators::Delete(name)),
        ([_], _) => Err(Method("GET, PATCH, DELETE")),
        ([name, "enable"], "POST") => Ok(Operators::Enable(name)),
        ([name, "disable"], "POST") => Ok(Operators::Disable(name)),
        ([name, "reset-password"], "POST") => Ok(Operators::ResetPassword(name)),
        ([_, "enable" | "disable" | "reset-password"], _) => Err(Method("POST")),
        ([name, "two-factor"], "DELETE") => Ok(Operators::ForgetTwoFactor(name)),
        ([_, "two-factor"], _) => Err(Method("DELETE")),
        _ => Err(Path),
    }
}

/// Finds the route of what follows `/api/v1/me`.
#[expect(clippy::match_same_arms, reason = "one line per URL and method, in the order of the URLs, reads as a table")]
pub(super) fn me<'a>(method: &str, segments: &[&'a str]) -> Result<Me<'a>, NoRoute> {
    match (segments, method) {
        ([], "GET") => Ok(Me::Get),
        ([], _) => Err(Method("GET")),
        (["password"], "POST") => Ok(Me::ResetPassword),
        (["password"], _) => Err(Method("POST")),
        (["sessions"], "GET") => Ok(Me::Sessions),
        (["sessions"], "DELETE") => Ok(Me::EndOthers),
        (["sessions"], _) => Err(Method("GET, DELETE")),
        (["sessions", id], "DELETE") => Ok(Me::End(id)),
        (["sessions", _], _) => Err(Method("DELETE")),
        (["two-factor"], "POST") => Ok(Me::Enrol),
        (["two-factor"], "DELETE") => Ok(Me::ForgetTwoFactor),
        (["two-factor"], _) => Err(Method("POST, DELETE")),
        (["two-factor", "confirm"], "POST") => Ok(Me::Confirm),
        (["two-factor", "recovery-codes"], "POST") => Ok(Me::RenewCodes),
        (["two-factor", "confirm" | "recovery-codes"], _) => Err(Method("POST")),
        (["passkeys"], "GET") => Ok(Me::Passkeys),
        (["passkeys"], "POST") => Ok(Me::AddPasskey),
        (["passkeys"], _) => Err(Method("GET, POST")),
        (["passkeys", "challenge"], "POST") => Ok(Me::AskPasskey),
        (["passkeys", "challenge"], _) => Err(Method("POST")),
        (["passkeys", id], "DELETE") => Ok(Me::RemovePasskey(id)),
        (["passkeys", _], _) => Err(Method("DELETE")),
        _ => Err(Path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_to_an_operator_stands_behind_his_name() {
        assert_eq!(route("POST", &["shop", "disable"]), Ok(Operators::Disable("shop")));
        assert_eq!(route("DELETE", &["shop", "two-factor"]), Ok(Operators::ForgetTwoFactor("shop")));
        assert_eq!(route("GET", &["shop", "reset-password"]), Err(Method("POST")));
        assert_eq!(route("GET", &["shop", "elsewhere"]), Err(Path));
    }

    #[test]
    fn a_session_is_ended_by_its_id_and_all_others_without() {
        assert_eq!(me("DELETE", &["sessions"]), Ok(Me::EndOthers));
        assert_eq!(me("DELETE", &["sessions", "0123456789abcdef"]), Ok(Me::End("0123456789abcdef")));
        assert_eq!(me("PUT", &["two-factor"]), Err(Method("POST, DELETE")));
    }
}
