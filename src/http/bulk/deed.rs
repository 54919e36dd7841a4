//! What callers want done to many users at once.

use serde::{Deserialize, Serialize};

use crate::domain::name::{PlanName, UserName};
use crate::domain::user::Status;
use crate::http::api::user_body::UserChange;
use crate::http::failure::Failure;
use crate::store::bulk;
use crate::store::user_list::Query;

/// Names in one selection.
const MOST_NAMES: usize = 1_000;

/// Whom it is for: the users of these names, or all whom a list with these filters shows. No filter at all needs `all`, so that
/// nobody deletes everybody by a misspelt name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chosen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    users: Option<Vec<UserName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    search: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<PlanName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
}

impl Chosen {
    /// As the store takes it.
    pub(crate) fn selection(&self) -> Result<bulk::Selection, Failure> {
        let search = self.search.clone().unwrap_or_default();
        let is_filtered = !search.is_empty() || self.status.is_some() || self.plan.is_some() || self.node.is_some();
        let everybody = self.all == Some(true);
        if let Some(names) = &self.users {
            if is_filtered || everybody {
                return Err(Failure::invalid("selection.users", "names, or filters, not both"));
            }
            if names.is_empty() || names.len() > MOST_NAMES {
                return Err(Failure::invalid("selection.users", format!("from 1 to {MOST_NAMES} names")));
            }
            return Ok(bulk::Selection::Names(names.iter().map(|name| name.as_str().to_owned()).collect()));
        }
        if is_filtered == everybody {
            let rule =
                if everybody { "not together with a filter" } else { "true, unless a filter or names are given" };
            return Err(Failure::invalid("selection.all", rule));
        }
        let plan = self.plan.as_ref().map(|plan| plan.as_str().to_owned());
        Ok(bulk::Selection::Filter(Query { search, status: self.status, plan, node: self.node, ..Query::default() }))
    }
}

/// Days by which accounts are extended; a negative number shortens them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub(crate) struct ExtendDays(i64);

impl ExtendDays {
    pub(crate) const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for ExtendDays {
    type Error = &'static str;

    fn try_from(days: i64) -> Result<Self, Self::Error> {
        let fits = days != 0 && (-3_650..=3_650).contains(&days);
        if fits { Ok(Self(days)) } else { Err("an integer of days from -3650 to 3650, not 0") }
    }
}

impl From<ExtendDays> for i64 {
    fn from(days: ExtendDays) -> Self {
        days.0
    }
}

/// By how much accounts are extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extension {
    pub(crate) days: ExtendDays,
}

/// What is done: `"reset"`, `"enable"`, `"disable"`, `"delete"`, `{"extend":{"days":30}}` or `{"change":{..}}` with the fields of a
/// user's change.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    /// Fields are changed.
    Change(Box<UserChange>),
    /// The expiry is moved.
    Extend(Extension),
    /// A new period begins now.
    Reset,
    /// A person's "disabled" and a suspension end.
    Enable,
    /// Shut out until a person enables again.
    Disable,
    /// Deleted.
    Delete,
}

impl Deed {
    /// What is one user's alone cannot be given to many.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Change(change) => match change.personal() {
                Some(field) => Err(Failure::invalid(format!("action.change.{field}"), "it is one user's alone")),
                None if change.is_empty() => Err(Failure::invalid("action.change", "at least one field")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
