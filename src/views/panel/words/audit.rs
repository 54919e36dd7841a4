//! What the page of the audit log says, in every language.

use crate::domain::notice::texts::Language;

/// See the module's description.
pub(crate) struct Audit {
    pub(crate) who: &'static str,
    pub(crate) what: &'static str,
    pub(crate) any_action: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) subject_hint: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) filter: &'static str,
    pub(crate) empty: &'static str,
    pub(crate) empty_filtered: &'static str,
    pub(crate) empty_piece: &'static str,
    pub(crate) newest: &'static str,
    pub(crate) older: &'static str,
    pub(crate) no_address: &'static str,
    pub(crate) request: &'static str,
    pub(crate) nothing: &'static str,
    pub(crate) yes: &'static str,
    pub(crate) no: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
    pub(crate) becomes: &'static str,
    pub(crate) verify: &'static str,
    pub(crate) verify_how: &'static str,
    pub(crate) begin: &'static str,
    pub(crate) begin_hint: &'static str,
    pub(crate) kept: &'static str,
    pub(crate) kept_hint: &'static str,
    pub(crate) working: &'static str,
    pub(crate) whole: &'static str,
    pub(crate) whole_from: &'static str,
    pub(crate) edited: &'static str,
    pub(crate) rewritten: &'static str,
    pub(crate) missing: &'static str,
    pub(crate) cut: &'static str,
    pub(crate) beyond: &'static str,
    pub(crate) unsealed: &'static str,
    pub(crate) head_forged: &'static str,
    pub(crate) head_missing: &'static str,
    pub(crate) head_new: &'static str,
    pub(crate) kept_differs: &'static str,
    pub(crate) kept_missing: &'static str,
    pub(crate) keep: &'static str,
    pub(crate) api_key: &'static str,
    pub(crate) operator: &'static str,
    pub(crate) marzban: &'static str,
    pub(crate) job: &'static str,
    pub(crate) stranger: &'static str,
}

super::in_every_language!(Audit);

/// An action as it is told: "User · changed". One that no release of ours writes is told by its code.
pub(crate) fn action(code: &str, language: Language) -> String {
    let place = match language {
        Language::En => 0,
        Language::Zh => 1,
        Language::Ru => 2,
        Language::Fa => 3,
    };
    let word = |list: &[(&str, [&'static str; 4])], code: &str| {
        list.iter().find(|(known, _)| *known == code).and_then(|(_, words)| words.get(place).copied())
    };
    let told = code.rsplit_once('.').and_then(|(noun, verb)| Some((word(&NOUNS, noun)?, word(&VERBS, verb)?)));
    told.map_or_else(|| code.to_owned(), |(noun, verb)| format!("{noun} · {verb}"))
}

/// Every action that is recorded, for the filter.
pub(crate) const ACTIONS: [&str; 67] = [
    "audit.unsealed",
    "backup.make",
    "bulk.start",
    "bulk.stop",
    "bulk.undo",
    "channel.change",
    "channel.create",
    "channel.delete",
    "channel.replay",
    "delivery.replay",
    "device.change",
    "device.delete",
    "direct_config.add",
    "direct_config.change",
    "direct_config.delete",
    "direct_config.reorder",
    "direct_config.toggle",
    "job.run",
    "key.create",
    "key.delete",
    "node.address.add",
    "node.address.change",
    "node.address.delete",
    "node.address.reorder",
    "node.change",
    "node.create",
    "node.delete",
    "node.rotate_key",
    "operator.change",
    "operator.create",
    "operator.delete",
    "operator.disable",
    "operator.enable",
    "operator.password",
    "operator.recovery_codes",
    "operator.two_factor",
    "operator.two_factor_end",
    "operator.two_factor_enrol",
    "package.buy",
    "package.refund",
    "passkey.add",
    "passkey.copied",
    "passkey.remove",
    "plan.apply",
    "plan.change",
    "plan.create",
    "plan.delete",
    "session.end",
    "session.end_others",
    "session.lock",
    "session.open",
    "settings.change",
    "source.add",
    "source.change",
    "source.delete",
    "source.toggle",
    "source.update",
    "traffic.cleanup",
    "user.change",
    "user.create",
    "user.credentials",
    "user.delete",
    "user.disable",
    "user.enable",
    "user.own",
    "user.reset",
    "user.revoke",
];

#[rustfmt::skip]
const NOUNS: [(&str, [&str; 4]); 20] = [
    ("audit",         ["Audit log",      "审计日志",   "Журнал аудита",     "گزارش کارها"]),
    ("backup",        ["Backup",         "备份",       "Резервная копия",   "پشتیبان"]),
    ("bulk",          ["Many users",     "批量操作",   "Много пользователей", "کار گروهی"]),
    ("channel",       ["Channel",        "通知渠道",   "Канал",             "کانال"]),
    ("delivery",      ["Delivery",       "投递",       "Доставка",          "تحویل"]),
    ("device",        ["Device",         "设备",       "Устройство",        "دستگاه"]),
    ("direct_config", ["Direct config",  "直连配置",   "Прямая ссылка",     "پیکربندی مستقیم"]),
    ("job",           ["Job",            "任务",       "Задание",           "کار زمان‌بندی‌شده"]),
    ("key",           ["API key",        "API 密钥",   "Ключ API",          "کلید API"]),
    ("node",          ["Node",           "节点",       "Узел",              "گره"]),
    ("node.address",  ["Node’s address", "节点地址",  "Адрес узла",        "نشانی گره"]),
    ("operator",      ["Operator",       "管理员",     "Оператор",          "مدیر"]),
    ("package",       ["Package",        "流量包",     "Пакет",             "بسته"]),
    ("passkey",       ["Passkey",        "通行密钥",   "Ключ доступа",      "کلید عبور"]),
    ("plan",          ["Plan",           "套餐",       "Тариф",             "طرح"]),
    ("session",       ["Session",        "登录会话",   "Сеанс",             "نشست"]),
    ("settings",      ["Settings",       "设置",       "Настройки",         "تنظیمات"]),
    ("source",        ["Source",         "订阅源",     "Источник",          "منبع"]),
    ("traffic",       ["Traffic",        "流量",       "Трафик",            "ترافیک"]),
    ("user",          ["User",           "用户",       "Пользователь",      "کاربر"]),
];

#[rustfmt::skip]
const VERBS: [(&str, [&str; 4]); 36] = [
    ("add",             ["added",                    "添加",             "добавление",               "افزوده شد"]),
    ("apply",           ["given to its users",       "应用到用户",       "применение к пользователям", "به کاربرانش داده شد"]),
    ("buy",             ["given",                    "购买",             "выдача",                   "داده شد"]),
    ("change",          ["changed",                  "修改",             "изменение",                "تغییر کرد"]),
    ("copied",          ["used by a copy",           "疑似被复制",       "использована копия",       "از رونوشت آن استفاده شد"]),
    ("create",          ["created",                  "创建",             "создание",                 "ساخته شد"]),
    ("credentials",     ["credentials set by hand",  "手动设置凭据",     "учётные данные заданы вручную", "اعتبارنامه دستی تنظیم شد"]),
    ("delete",          ["deleted",                  "删除",             "удаление",                 "حذف شد"]),
    ("disable",         ["disabled",                 "停用",             "отключение",               "غیرفعال شد"]),
    ("enable",          ["enabled",                  "启用",             "включение",                "فعال شد"]),
    ("end",             ["ended",                    "结束",             "завершение",               "پایان یافت"]),
    ("end_others",      ["all others ended",         "结束其他会话",     "завершение остальных",     "بقیه پایان یافتند"]),
    ("lock",            ["locked after wrong passwords", "密码错误过多被锁定", "блокировка после неверных паролей", "پس از گذرواژه‌های نادرست قفل شد"]),
    ("make",            ["made",                     "生成",             "создание",                 "گرفته شد"]),
    ("open",            ["signed in",                "登录",             "вход",                     "ورود"]),
    ("own",             ["given another owner",      "更换归属",         "смена владельца",          "مالک تازه گرفت"]),
    ("password",        ["new password",             "新密码",           "новый пароль",             "گذرواژهٔ تازه"]),
    ("recovery_codes",  ["new recovery codes",       "新的恢复码",       "новые коды восстановления", "کدهای بازیابی تازه"]),
    ("refund",          ["taken back",               "退回",             "возврат",                  "پس گرفته شد"]),
    ("reorder",         ["put into another order",   "调整顺序",         "новый порядок",            "ترتیب تازه"]),
    ("remove",          ["removed",                  "移除",             "удаление",                 "برداشته شد"]),
    ("replay",          ["sent again",               "重新发送",         "повторная отправка",       "دوباره فرستاده شد"]),
    ("reset",           ["traffic reset",            "重置流量",         "сброс трафика",            "ترافیک صفر شد"]),
    ("revoke",          ["new link",                 "更换订阅链接",     "новая ссылка",             "پیوند تازه"]),
    ("rotate_key",      ["new key",                  "更换密钥",         "новый ключ",               "کلید تازه"]),
    ("run",             ["run by hand",              "手动运行",         "запуск вручную",           "دستی اجرا شد"]),
    ("start",           ["change begun",             "开始修改",         "изменение начато",         "تغییر آغاز شد"]),
    ("stop",            ["change stopped",           "停止修改",         "изменение остановлено",    "تغییر متوقف شد"]),
    ("toggle",          ["switched",                 "切换开关",         "переключение",             "روشن یا خاموش شد"]),
    ("two_factor",      ["second factor on",         "启用两步验证",     "второй фактор включён",    "عامل دوم روشن شد"]),
    ("two_factor_end",  ["second factor ended",      "关闭两步验证",     "второй фактор отключён",   "عامل دوم خاموش شد"]),
    ("two_factor_enrol", ["second factor begun",     "开始设置两步验证", "второй фактор начат",      "عامل دوم آغاز شد"]),
    ("undo",            ["change undone",            "撤销修改",         "изменение отменено",       "تغییر برگردانده شد"]),
    ("unsealed",        ["was not sealed by our key", "封签不是我们的密钥", "печать не нашим ключом", "مهرش از کلید ما نبود"]),
    ("update",          ["fetched by hand",          "手动更新",         "обновление вручную",       "دستی دریافت شد"]),
    ("cleanup",         ["old records deleted",      "清理旧记录",       "удаление старых записей",  "رکوردهای کهنه حذف شد"]),
];

const EN: Audit = Audit {
    who: "Who",
    what: "What",
    any_action: "Any action",
    subject: "To what",
    subject_hint: "Such as users/ann",
    from: "From",
    to: "Until",
    filter: "Show",
    empty: "Nothing is recorded yet. Whatever operators and scripts change is written here.",
    empty_filtered: "No entry fits.",
    empty_piece: "No entry fits among those that were looked at. Older ones have not been looked at yet.",
    newest: "To the newest",
    older: "Older",
    no_address: "no address",
    request: "request {id}",
    nothing: "nothing",
    yes: "yes",
    no: "no",
    secret: "a secret with the fingerprint {print}",
    before: "before",
    after: "after",
    becomes: "becomes",
    verify: "Verify the chain",
    verify_how: "Every entry is bound to the one before it. This looks at all of them and says whether any was changed, added or taken away.",
    begin: "Begin with entry",
    begin_hint: "1: the whole log.",
    kept: "A head that you have kept",
    kept_hint: "Number of entries, a colon, and the last link, from an earlier answer, the daily report or a backup. May stay empty.",
    working: "{count} entries looked at…",
    whole: "The log is whole: all {count} entries are as they were written, the first on {date}.",
    whole_from: "As they were written: {count} entries from number {number} on, to the end.",
    edited: "Entry {number} was changed, or another one stands in its place. Entries after it fit again.",
    rewritten: "From entry {number} on nothing fits: the chain was written anew without the key, or entries were pushed in.",
    missing: "Entry {number} was deleted.",
    cut: "The log ends before entry {number}, and its head knows that there were more.",
    beyond: "The head knows nothing of entry {number}: it was added, or an older head was put back.",
    unsealed: "When entry {number} was written, the head was not sealed by our key: it was forged, or AUDIT_KEY is another one since. To see the rest, begin with the entry after it.",
    head_forged: "The head was written without the key, or AUDIT_KEY is another one since.",
    head_missing: "The head was taken away.",
    head_new: "The head is as on the first day: nothing was ever recorded, or everything was wiped.",
    kept_differs: "The log does not pass through the head that you have kept: it was written anew.",
    kept_missing: "The log does not reach the head that you have kept: it was cut, or the panel was restored to an earlier point.",
    keep: "The head now. Keep it outside of the panel: it shows later whether everything was written anew.",
    api_key: "API key",
    operator: "operator",
    marzban: "Marzban admin",
    job: "by the clock",
    stranger: "not signed in",
};

const ZH: Audit = Audit {
    who: "操作者",
    what: "操作",
    any_action: "全部操作",
    subject: "对象",
    subject_hint: "例如 users/ann",
    from: "从",
    to: "到",
    filter: "查看",
    empty: "还没有记录。管理员和脚本所做的每次更改都会写在这里。",
    empty_filtered: "没有符合条件的记录。",
    empty_piece: "已查看的记录中没有符合条件的。更早的记录尚未查看。",
    newest: "回到最新",
    older: "更早",
    no_address: "无地址",
    request: "请求 {id}",
    nothing: "无",
    yes: "是",
    no: "否",
    secret: "机密，指纹 {print}",
    before: "之前",
    after: "之后",
    becomes: "变为",
    verify: "校验记录链",
    verify_how: "每条记录都与前一条绑定。校验会查看全部记录，告诉您是否有记录被改动、添加或删除。",
    begin: "从第几条开始",
    begin_hint: "1：整个日志。",
    kept: "您保存的链头",
    kept_hint: "记录数、冒号和最后一条的链接，来自以前的校验结果、每日报告或备份。可以留空。",
    working: "已查看 {count} 条…",
    whole: "日志完整：全部 {count} 条记录都与写入时一致，第一条写于 {date}。",
    whole_from: "从第 {number} 条到最后共 {count} 条，都与写入时一致。",
    edited: "第 {number} 条被改动，或被另一条替换。之后的记录仍然吻合。",
    rewritten: "从第 {number} 条起都不吻合：链被人在没有密钥的情况下重写，或有记录被插入。",
    missing: "第 {number} 条被删除。",
    cut: "日志在第 {number} 条之前结束，而链头记得还有更多。",
    beyond: "链头不知道第 {number} 条：它是后来添加的，或者换回了旧的链头。",
    unsealed: "写入第 {number} 条时，链头不是用我们的密钥封签的：它是伪造的，或者此后更换了 AUDIT_KEY。要查看其余部分，请从下一条开始。",
    head_forged: "链头是在没有密钥的情况下写入的，或者此后更换了 AUDIT_KEY。",
    head_missing: "链头被删除。",
    head_new: "链头还是初始状态：从未有过记录，或者全部被清空。",
    kept_differs: "日志不经过您保存的链头：它被重写了。",
    kept_missing: "日志没有到达您保存的链头：它被截断，或者面板恢复到了更早的状态。",
    keep: "当前的链头。请把它保存在面板之外：以后可以看出日志是否被整个重写。",
    api_key: "API 密钥",
    operator: "管理员",
    marzban: "Marzban 管理员",
    job: "定时任务",
    stranger: "未登录",
};

const RU: Audit = Audit {
    who: "Кто",
    what: "Что",
    any_action: "Любое действие",
    subject: "Над чем",
    subject_hint: "Например, users/ann",
    from: "С",
    to: "По",
    filter: "Показать",
    empty: "Записей пока нет. Здесь записывается всё, что меняют операторы и скрипты.",
    empty_filtered: "Подходящих записей нет.",
    empty_piece: "Среди просмотренных записей подходящих нет. Более старые ещё не просмотрены.",
    newest: "К новейшим",
    older: "Раньше",
    no_address: "без адреса",
    request: "запрос {id}",
    nothing: "ничего",
    yes: "да",
    no: "нет",
    secret: "секрет с отпечатком {print}",
    before: "было",
    after: "стало",
    becomes: "становится",
    verify: "Проверить цепочку",
    verify_how: "Каждая запись связана с предыдущей. Проверка просматривает их все и говорит, была ли какая-нибудь изменена, добавлена или удалена.",
    begin: "Начать с записи",
    begin_hint: "1: весь журнал.",
    kept: "Сохранённая вами вершина",
    kept_hint: "Число записей, двоеточие и последняя связь из прежнего ответа, ежедневного отчёта или резервной копии. Можно оставить пустым.",
    working: "Просмотрено записей: {count}…",
    whole: "Журнал цел. Записей: {count}; все такие, какими были написаны, первая от {date}.",
    whole_from: "Записи с номера {number} до конца такие, какими были написаны. Всего: {count}.",
    edited: "Запись {number} была изменена, или на её месте стоит другая. Записи после неё снова сходятся.",
    rewritten: "Начиная с записи {number} ничего не сходится: цепочку переписали без ключа, или записи были вставлены.",
    missing: "Запись {number} удалена.",
    cut: "Журнал кончается перед записью {number}, а его вершина знает, что записей было больше.",
    beyond: "Вершина ничего не знает о записи {number}: её добавили, или вернули старую вершину.",
    unsealed: "Когда писалась запись {number}, вершина была запечатана не нашим ключом: её подделали, или с тех пор сменился AUDIT_KEY. Чтобы увидеть остальное, начните со следующей записи.",
    head_forged: "Вершина написана без ключа, или с тех пор сменился AUDIT_KEY.",
    head_missing: "Вершина удалена.",
    head_new: "Вершина как в первый день: либо ничего не записывалось, либо всё стёрто.",
    kept_differs: "Журнал не проходит через сохранённую вами вершину: его переписали заново.",
    kept_missing: "Журнал не доходит до сохранённой вами вершины: его обрезали, или панель восстановлена на более раннее состояние.",
    keep: "Вершина сейчас. Храните её вне панели: позже она покажет, не переписано ли всё заново.",
    api_key: "ключ API",
    operator: "оператор",
    marzban: "администратор Marzban",
    job: "по расписанию",
    stranger: "без входа",
};

const FA: Audit = Audit {
    who: "چه کسی",
    what: "چه کاری",
    any_action: "هر کاری",
    subject: "روی چه چیزی",
    subject_hint: "مانند users/ann",
    from: "از",
    to: "تا",
    filter: "نمایش",
    empty: "هنوز چیزی ثبت نشده است. هر تغییری که مدیران و اسکریپت‌ها می‌دهند اینجا نوشته می‌شود.",
    empty_filtered: "موردی پیدا نشد.",
    empty_piece: "در میان موارد دیده‌شده چیزی پیدا نشد. موارد کهنه‌تر هنوز دیده نشده‌اند.",
    newest: "به تازه‌ترین",
    older: "کهنه‌تر",
    no_address: "بدون نشانی",
    request: "درخواست {id}",
    nothing: "هیچ",
    yes: "بله",
    no: "نه",
    secret: "رازی با اثر انگشت {print}",
    before: "پیش از آن",
    after: "پس از آن",
    becomes: "می‌شود",
    verify: "بررسی زنجیره",
    verify_how: "هر مورد به مورد پیش از خود بسته است. این بررسی همه را می‌بیند و می‌گوید آیا چیزی تغییر کرده، افزوده یا برداشته شده است.",
    begin: "آغاز از مورد",
    begin_hint: "۱: همهٔ گزارش.",
    kept: "سرِ زنجیره‌ای که نگه داشته‌اید",
    kept_hint: "شمار موارد، دونقطه و آخرین پیوند، از پاسخی پیشین، گزارش روزانه یا پشتیبان. می‌تواند خالی بماند.",
    working: "{count} مورد دیده شد…",
    whole: "گزارش کامل است: هر {count} مورد همان‌گونه است که نوشته شده، نخستین در {date}.",
    whole_from: "از شمارهٔ {number} تا پایان، {count} مورد همان‌گونه است که نوشته شده.",
    edited: "مورد {number} تغییر کرده یا چیز دیگری به جای آن است. موارد پس از آن دوباره جور درمی‌آیند.",
    rewritten: "از مورد {number} به بعد چیزی جور درنمی‌آید: زنجیره بدون کلید از نو نوشته شده یا مواردی در آن گنجانده شده است.",
    missing: "مورد {number} حذف شده است.",
    cut: "گزارش پیش از مورد {number} تمام می‌شود و سرِ زنجیره می‌داند که بیشتر بوده است.",
    beyond: "سرِ زنجیره از مورد {number} خبر ندارد: افزوده شده یا سرِ کهنه‌تری برگردانده شده است.",
    unsealed: "هنگام نوشتن مورد {number} سرِ زنجیره با کلید ما مهر نشده بود: جعل شده یا از آن پس AUDIT_KEY عوض شده است. برای دیدن بقیه از مورد پس از آن آغاز کنید.",
    head_forged: "سرِ زنجیره بدون کلید نوشته شده یا از آن پس AUDIT_KEY عوض شده است.",
    head_missing: "سرِ زنجیره برداشته شده است.",
    head_new: "سرِ زنجیره مانند روز نخست است: یا چیزی ثبت نشده یا همه چیز پاک شده است.",
    kept_differs: "گزارش از سری که نگه داشته‌اید نمی‌گذرد: از نو نوشته شده است.",
    kept_missing: "گزارش به سری که نگه داشته‌اید نمی‌رسد: بریده شده یا پنل به زمانی پیش‌تر بازگردانده شده است.",
    keep: "سرِ کنونی زنجیره. آن را بیرون از پنل نگه دارید: بعدها نشان می‌دهد آیا همه چیز از نو نوشته شده است.",
    api_key: "کلید API",
    operator: "مدیر",
    marzban: "مدیر Marzban",
    job: "زمان‌بندی‌شده",
    stranger: "واردنشده",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::page::language::LANGUAGES;

    #[test]
    fn every_action_of_the_list_has_words_in_every_language() {
        for (language, _, name) in LANGUAGES {
            for code in ACTIONS {
                assert!(action(code, language).contains(" · "), "{code} in {name}");
            }
            assert_eq!(action("user.fly", language), "user.fly");
        }
    }

    /// The list is what handlers record, found in their own text.
    #[test]
    fn every_action_that_a_handler_records_is_in_the_list() {
        fn walk(folder: &std::path::Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    let text = std::fs::read_to_string(path).unwrap();
                    found.extend(text.split('"').skip(1).step_by(2).filter(|word| is_action(word)).map(str::to_owned));
                }
            }
        }
        fn is_action(word: &str) -> bool {
            let fields = ["next_plan.plan"];
            let parts = word.rsplit_once('.');
            let known = parts.is_some_and(|(noun, verb)| {
                NOUNS.iter().any(|(known, _)| *known == noun)
                    && verb.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            });
            known && !fields.contains(&word)
        }
        let mut recorded = Vec::new();
        walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut recorded);
        assert!(recorded.len() > 50, "{}", recorded.len());
        for code in recorded {
            assert!(ACTIONS.contains(&code.as_str()), "{code}");
        }
    }
}
