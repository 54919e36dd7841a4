//! What the menu of saved lists of users says.

/// See the module's description.
pub(crate) struct Lists {
    pub(crate) saved: &'static str,
    pub(crate) save: &'static str,
    pub(crate) forget: &'static str,
    pub(crate) name: &'static str,
    pub(crate) how: &'static str,
}

super::in_every_language!(Lists);

const EN: Lists = Lists {
    saved: "Saved lists",
    save: "Save this list…",
    forget: "Forget this list",
    name: "Name of the list",
    how: "Kept in this browser: search, status, plan and order.",
};

const ZH: Lists = Lists {
    saved: "已保存的列表",
    save: "保存此列表…",
    forget: "移除此列表",
    name: "列表名称",
    how: "保存在此浏览器中：搜索、状态、套餐和排序。",
};

const RU: Lists = Lists {
    saved: "Сохранённые списки",
    save: "Сохранить этот список…",
    forget: "Забыть этот список",
    name: "Название списка",
    how: "Хранится в этом браузере: поиск, состояние, тариф и порядок.",
};

const FA: Lists = Lists {
    saved: "فهرست‌های ذخیره‌شده",
    save: "ذخیرهٔ این فهرست…",
    forget: "فراموش کردن این فهرست",
    name: "نام فهرست",
    how: "در همین مرورگر نگه داشته می‌شود: جست‌وجو، وضعیت، طرح و ترتیب.",
};
