//! The panel's pages in the reader's language.

mod account;
mod dashboard;
mod form;
mod nodes;
mod operators;
mod say;
mod shell;
mod user;
mod users;
pub(crate) mod words;

pub(crate) use account::{Account, AccountLive, PasskeyFacts, SecondFactor, SessionFacts};
pub(crate) use dashboard::{Cost, Dashboard, DashboardFacts, DashboardLive, FailedJob, TopUser, Totals};
pub(crate) use form::{AddNode, AddUser, EditUser};
pub(crate) use nodes::{AddressLine, NodePage, NodePageLive, Nodes, NodesLive};
pub(crate) use operators::{AddKey, AddOperator, KeyFacts, OperatorFacts, OperatorLive, OperatorPage, Operators};
pub(crate) use say::Say;
pub(crate) use shell::{Section, Shell};
pub(crate) use user::{DeviceFacts, NodeShare, PackageFacts, UserPage, UserPageFacts, UserPageLive};
pub(crate) use users::{Paging, Users, UsersLive};
