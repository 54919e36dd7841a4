//! The panel's pages in the reader's language.

mod bulk;
mod dashboard;
mod form;
mod hours;
mod node_form;
mod nodes;
mod say;
mod shell;
mod user;
mod user_details;
mod users;
pub(crate) mod words;

pub(crate) use bulk::{BulkLive, BulkPage};
pub(crate) use dashboard::{Cost, Dashboard, DashboardFacts, DashboardLive, FailedJob, TopUser, Totals};
pub(crate) use form::{AddNode, AddUser, EditUser};
pub(crate) use hours::HOURS;
pub(crate) use node_form::{AddressPage, AddressRow, EditNode, EditNodeLive, InboundFacts};
pub(crate) use nodes::{AddressLine, NodePage, NodePageLive, Nodes, NodesLive};
pub(crate) use say::Say;
pub(crate) use shell::{Section, Shell};
pub(crate) use user::{DeviceFacts, NodeShare, PackageFacts, UserPage, UserPageFacts, UserPageLive};
pub(crate) use user_details::{DetailsFacts, Holding, NodeSum, Seen, UserDetails};
pub(crate) use users::{Paging, Users, UsersLive, labels};
