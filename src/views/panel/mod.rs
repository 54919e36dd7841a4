//! The panel's pages in the reader's language.

mod alerts;
mod audit;
mod channel_form;
mod clients;
mod dashboard;
mod form;
mod nodes;
mod say;
mod shell;
mod sources;
mod user;
mod users;
pub(crate) mod words;

pub(crate) use alerts::{AddChannel, Alerts, AlertsLive, ChannelFacts, ChannelPage, DeliveryFilter, TARGET_KINDS};
pub(crate) use audit::{AuditFilter, AuditPage};
pub(crate) use clients::{ClientRules, ClientRulesLive, RulePage, RulesState};
pub(crate) use dashboard::{Cost, Dashboard, DashboardFacts, DashboardLive, FailedJob, TopUser, Totals};
pub(crate) use form::{AddNode, AddUser, EditUser};
pub(crate) use nodes::{AddressLine, NodePage, NodePageLive, Nodes, NodesLive};
pub(crate) use say::Say;
pub(crate) use shell::{Section, Shell};
pub(crate) use sources::{AddSource, SourcePage, Sources, SourcesLive, Turn};
pub(crate) use user::{DeviceFacts, NodeShare, PackageFacts, UserPage, UserPageFacts, UserPageLive};
pub(crate) use users::{Paging, Users, UsersLive};
