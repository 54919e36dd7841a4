//! The URLs below `/api/xpert`.

use super::NoRoute;

/// What a request of the Xpert API wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Xpert<'a> {
    /// `OPTIONS` of any path below.
    Preflight,
    /// `POST /traffic-webhook`
    Report,
    /// `GET /traffic-stats/{user_token}`
    UserStats(&'a str),
    /// `GET /traffic-stats/global`
    GlobalStats,
    /// `GET /marzban-traffic-stats`
    MarzbanStats,
    /// `POST /traffic-stats/cleanup`
    Cleanup,
    /// `GET /traffic-stats/database/info`
    DatabaseInfo,
    /// `GET /settings`
    Settings,
    /// `PUT /settings`
    ReplaceSettings,
    /// `PATCH /settings`
    ChangeSettings,
    /// `GET /sub`
    Sub,
    /// `GET /direct-configs/sub`
    DirectSub,
    /// `GET /fetches`
    Fetches,
    /// `GET /direct-configs`
    DirectConfigs,
    /// `POST /direct-configs`
    AddDirect,
    /// `POST /direct-configs/batch`
    AddDirectBatch,
    /// `POST /direct-configs/validate`
    ValidateDirect,
    /// `POST /direct-configs/reorder`
    ReorderDirect,
    /// `PUT /direct-configs/{id}`
    ChangeDirect(&'a str),
    /// `DELETE /direct-configs/{id}`
    DeleteDirect(&'a str),
    /// `PUT /direct-configs/{id}/toggle`
    ToggleDirect(&'a str),
    /// `PUT /direct-configs/{id}/permanent`
    MakeDirectPermanent(&'a str),
    /// `GET /sources`
    Sources,
    /// `POST /sources`
    AddSource,
    /// `PUT /sources/{id}`
    ChangeSource(&'a str),
    /// `DELETE /sources/{id}`
    DeleteSource(&'a str),
    /// `POST /sources/{id}/toggle`
    ToggleSource(&'a str),
    /// `POST /update`
    UpdateSources,
    /// `POST /test-url`
    TestUrl,
}

/// Finds the route of what follows `/api/xpert/`. `cleanup` is no token: a token has 32 letters, and an alias may not be
/// one of the words here.
pub(super) fn route<'a>(method: &str, segments: &[&'a str]) -> Result<Xpert<'a>, NoRoute> {
    use NoRoute::{Method, Path};
    let get = matches!(method, "GET" | "HEAD");
    let (allow, route) = match (segments, method) {
        (["traffic-webhook"], "POST") => ("", Xpert::Report),
        (["traffic-stats", "global"], _) if get => ("", Xpert::GlobalStats),
        (["traffic-stats", "cleanup"], "POST") => ("", Xpert::Cleanup),
        (["traffic-webhook"] | ["traffic-stats", "cleanup"], _) => ("POST", Xpert::Preflight),
        (["traffic-stats", "database", "info"], _) if get => ("", Xpert::DatabaseInfo),
        (["traffic-stats", token], _) if get => ("", Xpert::UserStats(token)),
        (["marzban-traffic-stats"], _) if get => ("", Xpert::MarzbanStats),
        (["settings"], "PUT") => ("", Xpert::ReplaceSettings),
        (["settings"], "PATCH") => ("", Xpert::ChangeSettings),
        (["settings"], _) if get => ("", Xpert::Settings),
        (["settings"], _) => ("GET, HEAD, PUT, PATCH", Xpert::Preflight),
        (["sub"], _) if get => ("", Xpert::Sub),
        (["direct-configs", "sub"], _) if get => ("", Xpert::DirectSub),
        (["fetches"], _) if get => ("", Xpert::Fetches),
        (
            ["traffic-stats", _]
            | ["traffic-stats", "database", "info"]
            | ["marzban-traffic-stats" | "sub" | "fetches"]
            | ["direct-configs", "sub"],
            _,
        ) => ("GET, HEAD", Xpert::Preflight),
        (["sources"], "POST") => ("", Xpert::AddSource),
        (["sources"], _) if get => ("", Xpert::Sources),
        (["sources", id], "PUT") => ("", Xpert::ChangeSource(id)),
        (["sources", id], "DELETE") => ("", Xpert::DeleteSource(id)),
        (["direct-configs"], "POST") => ("", Xpert::AddDirect),
        (["direct-configs"], _) if get => ("", Xpert::DirectConfigs),
        (["direct-configs" | "sources"], _) => ("GET, HEAD, POST", Xpert::Preflight),
        (["direct-configs", "batch"], "POST") => ("", Xpert::AddDirectBatch),
        (["direct-configs", "validate"], "POST") => ("", Xpert::ValidateDirect),
        (["direct-configs", "reorder"], "POST") => ("", Xpert::ReorderDirect),
        (["direct-configs", "batch" | "validate" | "reorder"], _) => ("POST", Xpert::Preflight),
        (["direct-configs", id], "PUT") => ("", Xpert::ChangeDirect(id)),
        (["direct-configs", id], "DELETE") => ("", Xpert::DeleteDirect(id)),
        (["direct-configs" | "sources", _], _) => ("PUT, DELETE", Xpert::Preflight),
        (["direct-configs", id, "toggle"], "PUT") => ("", Xpert::ToggleDirect(id)),
        (["direct-configs", id, "permanent"], "PUT") => ("", Xpert::MakeDirectPermanent(id)),
        (["direct-configs", _, "toggle" | "permanent"], _) => ("PUT", Xpert::Preflight),
        (["sources", id, "toggle"], "POST") => ("", Xpert::ToggleSource(id)),
        (["update"], "POST") => ("", Xpert::UpdateSources),
        (["test-url"], "POST") => ("", Xpert::TestUrl),
        (["sources", _, "toggle"] | ["update" | "test-url"], _) => ("POST", Xpert::Preflight),
        _ => return Err(Path),
    };
    match (allow, method) {
        ("", _) | (_, "OPTIONS") => Ok(route),
        (allow, _) => Err(Method(allow)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_no_tokens() {
        assert_eq!(route("GET", &["traffic-stats", "global"]), Ok(Xpert::GlobalStats));
        assert_eq!(route("GET", &["traffic-stats", "database", "info"]), Ok(Xpert::DatabaseInfo));
        assert_eq!(route("GET", &["traffic-stats", "user123"]), Ok(Xpert::UserStats("user123")));
        assert_eq!(route("POST", &["traffic-stats", "cleanup"]), Ok(Xpert::Cleanup));
    }

    #[test]
    fn options_is_answered_wherever_there_is_something() {
        for path in [&["marzban-traffic-stats"][..], &["traffic-webhook"], &["traffic-stats", "global"], &["settings"]]
        {
            assert_eq!(route("OPTIONS", path), Ok(Xpert::Preflight), "{path:?}");
        }
        assert_eq!(route("OPTIONS", &["nowhere"]), Err(NoRoute::Path));
        assert_eq!(route("DELETE", &["traffic-webhook"]), Err(NoRoute::Method("POST")));
        assert_eq!(route("POST", &["marzban-traffic-stats"]), Err(NoRoute::Method("GET, HEAD")));
    }
}
