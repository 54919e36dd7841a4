//! What is said of the last reload of a core, in every language.

use weir_wire::status::ReloadReason;

/// See the module's description.
pub(crate) struct Reload {
    /// With `{time}`, `{why}` and `{cut}`.
    pub(crate) said: &'static str,
    pub(crate) first: &'static str,
    pub(crate) users: &'static str,
    pub(crate) template: &'static str,
    pub(crate) credentials: &'static str,
    pub(crate) quiet: &'static str,
    pub(crate) other: &'static str,
}

super::in_every_language!(Reload);

impl Reload {
    /// Why it was.
    pub(crate) const fn why(&self, reason: ReloadReason) -> &'static str {
        match reason {
            ReloadReason::First => self.first,
            ReloadReason::Users => self.users,
            ReloadReason::Template => self.template,
            ReloadReason::Credentials => self.credentials,
            ReloadReason::Quiet => self.quiet,
            ReloadReason::Other => self.other,
        }
    }
}

const EN: Reload = Reload {
    said: "Last reload {time}: {why}; connections cut: {cut}.",
    first: "the core ran nothing of this panel",
    users: "users had no loaded slot",
    template: "the template was saved",
    credentials: "a user got other credentials",
    quiet: "new slots, while nobody was connected",
    other: "for a reason that only a later version knows",
};

const ZH: Reload = Reload {
    said: "上次重载：{time}，{why}；断开的连接：{cut}。",
    first: "核心此前未运行本面板的内容",
    users: "有用户没有已加载的槽位",
    template: "模板已保存",
    credentials: "有用户更换了凭据",
    quiet: "在无人连接时加入新槽位",
    other: "原因只有更新的版本才知道",
};

const RU: Reload = Reload {
    said: "Последняя перезагрузка {time}: {why}; оборвано соединений: {cut}.",
    first: "ядро ещё не обслуживало эту панель",
    users: "у пользователей не было загруженного слота",
    template: "шаблон сохранён",
    credentials: "у пользователя сменились учётные данные",
    quiet: "новые слоты, пока никто не был подключён",
    other: "по причине, которую знает лишь более новая версия",
};

const FA: Reload = Reload {
    said: "آخرین بارگذاری دوباره {time}: {why}؛ اتصال‌های قطع‌شده: {cut}.",
    first: "هسته هنوز چیزی از این پنل اجرا نمی‌کرد",
    users: "کاربرانی جایگاه بارگذاری‌شده نداشتند",
    template: "الگو ذخیره شد",
    credentials: "کاربری اطلاعات ورود دیگری گرفت",
    quiet: "جایگاه‌های تازه، وقتی کسی وصل نبود",
    other: "به دلیلی که فقط نسخه‌ای تازه‌تر می‌داند",
};
