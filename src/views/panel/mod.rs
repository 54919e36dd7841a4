//! The panel's pages in the reader's language.

mod account;
mod backups;
mod bulk;
mod dashboard;
mod form;
mod hours;
mod jobs;
mod node_form;
mod nodes;
mod operators;
mod plans;
mod say;
mod settings;
mod shell;
mod user;
mod user_details;
mod users;
pub(crate) mod words;

pub(crate) use account::{Account, AccountLive, PasskeyFacts, SecondFactor, SessionFacts};
pub(crate) use backups::{BackupFacts, BackupPage, Backups, BackupsLive, PartFacts};
pub(crate) use bulk::{BulkLive, BulkPage};
pub(crate) use dashboard::{Cost, Dashboard, DashboardFacts, DashboardLive, FailedJob, TopUser, Totals};
pub(crate) use form::{AddNode, AddUser, EditUser};
pub(crate) use hours::HOURS;
pub(crate) use jobs::{Jobs, JobsLive};
pub(crate) use node_form::{AddressPage, AddressRow, EditNode, EditNodeLive, InboundFacts};
pub(crate) use nodes::{AddressLine, NodePage, NodePageLive, Nodes, NodesLive};
pub(crate) use operators::{AddKey, AddOperator, KeyFacts, OperatorFacts, OperatorLive, OperatorPage, Operators};
pub(crate) use plans::{AddPlan, Application, PlanFacts, PlanLine, PlanPage, PlanPageLive, Plans, Preview};
pub(crate) use say::Say;
pub(crate) use settings::{Settings, SettingsFacts};
pub(crate) use shell::{Section, Shell};
pub(crate) use user::{DeviceFacts, NodeShare, PackageFacts, UserPage, UserPageFacts, UserPageLive};
pub(crate) use user_details::{DetailsFacts, Holding, NodeSum, Seen, UserDetails};
pub(crate) use users::{Paging, Users, UsersLive, labels};
