//! What the parts of the panel are called, in every language.

/// See the module's description.
pub(crate) struct Areas {
    pub(crate) plans: &'static str,
    pub(crate) sources: &'static str,
    pub(crate) alerts: &'static str,
    pub(crate) audit: &'static str,
    pub(crate) settings: &'static str,
    pub(crate) general: &'static str,
    pub(crate) clients: &'static str,
    pub(crate) operators: &'static str,
    pub(crate) jobs: &'static str,
    pub(crate) backups: &'static str,
    pub(crate) account: &'static str,
    pub(crate) second_menu: &'static str,
}

super::in_every_language!(Areas);

const EN: Areas = Areas {
    plans: "Plans",
    sources: "Sources",
    alerts: "Alerts",
    audit: "Audit",
    settings: "Settings",
    general: "General",
    clients: "Clients",
    operators: "Operators and keys",
    jobs: "Jobs",
    backups: "Backups",
    account: "Your sign-in",
    second_menu: "Settings menu",
};

const ZH: Areas = Areas {
    plans: "套餐",
    sources: "订阅源",
    alerts: "通知",
    audit: "审计",
    settings: "设置",
    general: "常规",
    clients: "客户端",
    operators: "管理员与密钥",
    jobs: "任务",
    backups: "备份",
    account: "我的登录",
    second_menu: "设置菜单",
};

const RU: Areas = Areas {
    plans: "Тарифы",
    sources: "Источники",
    alerts: "Оповещения",
    audit: "Аудит",
    settings: "Настройки",
    general: "Общие",
    clients: "Клиенты",
    operators: "Операторы и ключи",
    jobs: "Задания",
    backups: "Резервные копии",
    account: "Ваш вход",
    second_menu: "Меню настроек",
};

const FA: Areas = Areas {
    plans: "طرح‌ها",
    sources: "منابع",
    alerts: "هشدارها",
    audit: "گزارش کارها",
    settings: "تنظیمات",
    general: "عمومی",
    clients: "برنامه‌ها",
    operators: "مدیران و کلیدها",
    jobs: "کارها",
    backups: "پشتیبان‌ها",
    account: "ورود شما",
    second_menu: "منوی تنظیمات",
};
