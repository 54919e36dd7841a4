//! An admin as Marzban's API shows him.

use serde::Serialize;
use weir_wire::Bytes;

use crate::domain::role::Role;
use crate::store::admins::Admin;

/// See the field names.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AdminJson {
    pub(super) username: String,
    pub(super) is_sudo: bool,
    pub(super) telegram_id: Option<i64>,
    pub(super) discord_webhook: Option<String>,
    /// Bytes of his users since his usage was last reset; not told where it would cost a read per user.
    pub(super) users_usage: Option<Bytes>,
}

/// Whether a role is what Marzban calls sudo.
pub(super) const fn is_sudo(role: Role) -> bool {
    matches!(role, Role::Owner | Role::Admin)
}

impl From<Admin> for AdminJson {
    fn from(admin: Admin) -> Self {
        Self {
            username: admin.name,
            is_sudo: is_sudo(admin.role),
            telegram_id: admin.telegram_id,
            discord_webhook: admin.discord_webhook,
            users_usage: Some(admin.users_usage),
        }
    }
}
