//! Roles of operators: what each may do, in one table. Handlers ask [`Role::reach`] and decide nothing themselves.

use serde::{Deserialize, Serialize};

use super::name::Breaks;

/// What an operator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum Role {
    /// Everything.
    Owner,
    /// Everything but operators and secrets.
    Admin,
    /// Users of his own, within his allowances.
    Reseller,
    /// Looks, and changes nothing. What lets somebody in (links, credentials) is not shown to him.
    Viewer,
}

/// How far a role reaches with an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everywhere.
    All,
    /// Users that the operator owns.
    Own,
    /// Nowhere.
    None,
}

/// An action that is asked for before it is done.
struct Row {
    action: &'static str,
    /// The scope that an API key needs for it.
    scope: &'static str,
    owner: Reach,
    admin: Reach,
    reseller: Reach,
    viewer: Reach,
}

const fn row(action: &'static str, scope: &'static str, [owner, admin, reseller, viewer]: [Reach; 4]) -> Row {
    Row { action, scope, owner, admin, reseller, viewer }
}

const ALL: Reach = Reach::All;
const OWN: Reach = Reach::Own;
const NONE: Reach = Reach::None;

/// Role x action. A link, like a credential, lets in whoever has it: so they are apart from the rest of what is read. A backup has
/// everything in it, the log has the addresses of operators, and what a changed plan would change names everybody's users.
#[rustfmt::skip]
const TABLE: [Row; 22] = [
    //   action            scope of a key     owner admin reseller viewer
    row("users:read",      "users:read",      [ALL, ALL,  OWN,     ALL]),
    row("users:write",     "users:write",     [ALL, ALL,  OWN,     NONE]),
    row("users:links",     "users:read",      [ALL, ALL,  OWN,     NONE]),
    row("users:own",       "users:write",     [ALL, ALL,  NONE,    NONE]),
    row("plans:read",      "plans:read",      [ALL, ALL,  ALL,     ALL]),
    row("plans:write",     "plans:write",     [ALL, ALL,  NONE,    NONE]),
    row("plans:changes",   "plans:read",      [ALL, ALL,  NONE,    ALL]),
    row("nodes:read",      "nodes:read",      [ALL, ALL,  NONE,    ALL]),
    row("nodes:write",     "nodes:write",     [ALL, ALL,  NONE,    NONE]),
    row("nodes:links",     "nodes:read",      [ALL, ALL,  NONE,    NONE]),
    row("stats:read",      "stats:read",      [ALL, ALL,  NONE,    ALL]),
    row("settings:read",   "settings:read",   [ALL, ALL,  NONE,    ALL]),
    row("settings:write",  "settings:write",  [ALL, ALL,  NONE,    NONE]),
    row("channels:read",   "channels:read",   [ALL, ALL,  NONE,    ALL]),
    row("channels:write",  "channels:write",  [ALL, ALL,  NONE,    NONE]),
    row("audit:read",      "audit:read",      [ALL, ALL,  NONE,    NONE]),
    row("backup:read",     "backup:read",     [ALL, NONE, NONE,    NONE]),
    row("backup:write",    "backup:write",    [ALL, ALL,  NONE,    NONE]),
    row("operators:read",  "operators:read",  [ALL, NONE, NONE,    NONE]),
    row("operators:write", "operators:write", [ALL, NONE, NONE,    NONE]),
    row("keys:read",       "keys:read",       [ALL, NONE, NONE,    NONE]),
    row("keys:write",      "keys:write",      [ALL, NONE, NONE,    NONE]),
];

impl Role {
    /// Every role, the mightiest first.
    pub const EVERY: [Self; 4] = [Self::Owner, Self::Admin, Self::Reseller, Self::Viewer];

    /// As it is stored and said.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Reseller => "reseller",
            Self::Viewer => "viewer",
        }
    }

    /// How far this role reaches with an action. One that the table does not know reaches nowhere.
    #[must_use]
    pub fn reach(self, action: &str) -> Reach {
        let Some(row) = TABLE.iter().find(|row| row.action == action) else { return Reach::None };
        match self {
            Self::Owner => row.owner,
            Self::Admin => row.admin,
            Self::Reseller => row.reseller,
            Self::Viewer => row.viewer,
        }
    }
}

impl TryFrom<String> for Role {
    type Error = Breaks;

    fn try_from(name: String) -> Result<Self, Breaks> {
        let named = Self::EVERY.into_iter().find(|role| role.name() == name);
        named.ok_or(Breaks("owner, admin, reseller or viewer"))
    }
}

/// The scope that an API key needs for an action; the action's own name, if the table does not know it.
#[must_use]
pub fn scope(action: &'static str) -> &'static str {
    TABLE.iter().find(|row| row.action == action).map_or(action, |row| row.scope)
}

/// Every scope that an API key may have, once. Keys themselves are not managed by keys.
pub fn scopes() -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .map(|row| row.scope)
        .enumerate()
        .filter(|(at, scope)| !scope.starts_with("keys:") && !TABLE.iter().take(*at).any(|row| row.scope == *scope))
        .map(|(_, scope)| scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The product's own words: "owner, admin (everything but operators and secrets), reseller (own users within a byte and a user
    /// allowance), viewer".
    #[test]
    fn the_table_says_what_the_roles_are() {
        for Row { action, .. } in &TABLE {
            let reach = |role: Role| role.reach(action);
            assert_eq!(reach(Role::Owner), Reach::All, "{action}");
            let kept_from_admins =
                ["operators:", "keys:"].iter().any(|kept| action.starts_with(kept)) || *action == "backup:read";
            assert_eq!(reach(Role::Admin), if kept_from_admins { Reach::None } else { Reach::All }, "{action}");
            let reseller = match *action {
                "users:read" | "users:write" | "users:links" => Reach::Own,
                "plans:read" => Reach::All,
                _ => Reach::None,
            };
            assert_eq!(reach(Role::Reseller), reseller, "{action}");
            let secret = ["audit:read", "backup:read", "operators:read", "keys:read"].contains(action);
            let looks = action.ends_with(":read") || *action == "plans:changes";
            let viewer = if looks && !secret { Reach::All } else { Reach::None };
            assert_eq!(reach(Role::Viewer), viewer, "{action}");
        }
    }

    #[test]
    fn an_action_that_is_not_in_the_table_is_for_nobody() {
        for role in Role::EVERY {
            for action in ["", "users", "users:*", "USERS:READ", "users:read ", "everything"] {
                assert_eq!(role.reach(action), Reach::None, "{action}");
            }
        }
    }

    #[test]
    fn a_key_may_have_each_scope_once_and_none_for_keys() {
        let all: Vec<_> = scopes().collect();
        assert_eq!(all.len(), 16, "{all:?}");
        assert!(all.contains(&"operators:write") && !all.contains(&"users:links") && !all.contains(&"keys:write"));
    }

    #[test]
    fn no_action_stands_in_the_table_twice() {
        for (at, row) in TABLE.iter().enumerate() {
            assert!(TABLE.iter().skip(at + 1).all(|other| other.action != row.action), "{}", row.action);
        }
    }

    #[test]
    fn a_role_is_read_as_it_is_said() {
        for role in Role::EVERY {
            let said = format!("\"{}\"", role.name());
            assert_eq!(serde_json::from_str::<Role>(&said).unwrap(), role);
            assert_eq!(serde_json::to_string(&role).unwrap(), said);
        }
        assert!(serde_json::from_str::<Role>("\"root\"").is_err());
    }

    /// Every action that a handler asks for, found in the handlers' own text: one that is misspelt would be for nobody.
    #[test]
    fn handlers_ask_only_for_what_the_table_has() {
        fn walk(folder: &std::path::Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    let text = std::fs::read_to_string(path).unwrap();
                    found.extend(text.split('"').skip(1).step_by(2).filter(|word| is_action(word)).map(str::to_owned));
                }
            }
        }
        fn is_action(word: &str) -> bool {
            let verb = word.split_once(':').map(|(_, verb)| verb);
            verb.is_some_and(|verb| ["read", "write", "links", "own", "changes"].contains(&verb))
        }
        let mut asked = Vec::new();
        walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut asked);
        assert!(asked.len() > 50, "{}", asked.len());
        for action in asked {
            assert!(TABLE.iter().any(|row| row.action == action), "{action}");
        }
    }
}
