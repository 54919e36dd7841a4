//! What the pages of operators and API keys say, and what roles are called.

use crate::domain::notice::texts::Language;
use crate::domain::role::Role;

/// See the module's description.
pub(crate) struct Operators {
    /// What a role is called.
    pub(crate) role_of: fn(Role) -> &'static str,
}

/// In a language.
pub(crate) const fn of(language: Language) -> &'static Operators {
    match language {
        Language::En => &EN,
        Language::Zh => &ZH,
        Language::Ru => &RU,
        Language::Fa => &FA,
    }
}

const EN: Operators = Operators {
    role_of: |role| match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Reseller => "reseller",
        Role::Viewer => "viewer",
    },
};

const ZH: Operators = Operators {
    role_of: |role| match role {
        Role::Owner => "所有者",
        Role::Admin => "管理员",
        Role::Reseller => "经销商",
        Role::Viewer => "观察者",
    },
};

const RU: Operators = Operators {
    role_of: |role| match role {
        Role::Owner => "владелец",
        Role::Admin => "администратор",
        Role::Reseller => "реселлер",
        Role::Viewer => "наблюдатель",
    },
};

const FA: Operators = Operators {
    role_of: |role| match role {
        Role::Owner => "مالک",
        Role::Admin => "مدیر",
        Role::Reseller => "نماینده",
        Role::Viewer => "ناظر",
    },
};
