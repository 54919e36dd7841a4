//! Why a user stands where he stands and what may have made a remainder, in every language. English is what the API tells too
//! ([`crate::domain::explain`]).

/// See the module's description. In braces: `left`, `quota`, `time`, `bytes`, `anew` (one of the two sentences on it).
pub(crate) struct StandWords {
    pub(crate) no_quota: &'static str,
    pub(crate) open: &'static str,
    pub(crate) month: &'static str,
    pub(crate) total: &'static str,
    pub(crate) expired: &'static str,
    pub(crate) sharing: &'static str,
    pub(crate) disabled: &'static str,
    pub(crate) anew: &'static str,
    pub(crate) never: &'static str,
    pub(crate) hour: &'static str,
    pub(crate) day: &'static str,
    pub(crate) month_of: &'static str,
    pub(crate) clients: &'static str,
    pub(crate) bonus: &'static str,
    pub(crate) fractions: &'static str,
    pub(crate) otherwise: &'static str,
}

super::in_every_language!(StandWords);

const EN: StandWords = StandWords {
    no_quota: "May pass: no quota limits the account.",
    open: "May pass: {left} are left. {anew}",
    month: "May not pass: the monthly quota of {quota} is used up and no bonus is left. {anew}",
    total: "May not pass: the total quota of {quota} is used up and no bonus is left.",
    expired: "May not pass: the account expired {time}.",
    sharing: "May not pass: the account was shared with too many addresses. It opens again: {time}.",
    disabled: "May not pass: a person disabled the account {time}.",
    anew: "Usage begins anew: {time}.",
    never: "Usage never begins anew.",
    hour: "The hour of {time} holds {bytes}; the period began within it, and how many of them it has is not kept.",
    day: "The day of {time} holds {bytes}; the period began within it, and how many of them it has is not kept.",
    month_of: "The month of {time} holds {bytes}; the period began within it, and how many of them it has is not kept.",
    clients: "Of {bytes} that clients reported on the day on which the period began, some belong to it.",
    bonus: "Up to {bytes} of the bonus may have been taken by reports of bytes that flowed before the period.",
    fractions: "Coefficients that are not whole leave fractions of bytes.",
    otherwise: "A node’s coefficient was another one when its bytes were charged, or bytes were charged that no node and no client \
                reported, such as usage that was imported.",
};

const ZH: StandWords = StandWords {
    no_quota: "可以通过：账号没有配额限制。",
    open: "可以通过：还剩 {left}。{anew}",
    month: "不能通过：每周期配额 {quota} 已用完，也没有剩余的奖励流量。{anew}",
    total: "不能通过：总配额 {quota} 已用完，也没有剩余的奖励流量。",
    expired: "不能通过：账号已到期（{time}）。",
    sharing: "不能通过：账号与过多地址共享。重新开放：{time}。",
    disabled: "不能通过：账号被人停用（{time}）。",
    anew: "用量重新计算：{time}。",
    never: "用量从不重新计算。",
    hour: "{time} 那个小时共有 {bytes}；周期在其中开始，其中多少属于本周期未作保存。",
    day: "{time} 那一天共有 {bytes}；周期在其中开始，其中多少属于本周期未作保存。",
    month_of: "{time} 那个月共有 {bytes}；周期在其中开始，其中多少属于本周期未作保存。",
    clients: "周期开始当天客户端上报的 {bytes} 中，有一部分属于本周期。",
    bonus: "最多 {bytes} 的奖励流量可能被周期之前流量的报告用掉。",
    fractions: "非整数的倍率会留下不足一字节的零头。",
    otherwise: "计费时某节点的倍率与现在不同，或计入了没有节点和客户端上报的流量，例如导入的用量。",
};

const RU: StandWords = StandWords {
    no_quota: "Доступ открыт: трафик не ограничен.",
    open: "Доступ открыт: осталось {left}. {anew}",
    month: "Доступ закрыт: трафик периода ({quota}) израсходован, бонуса не осталось. {anew}",
    total: "Доступ закрыт: общий трафик ({quota}) израсходован, бонуса не осталось.",
    expired: "Доступ закрыт: срок окончился {time}.",
    sharing: "Доступ закрыт: аккаунтом пользовались со слишком многих адресов. Откроется: {time}.",
    disabled: "Доступ закрыт: отключён человеком {time}.",
    anew: "Трафик обнулится: {time}.",
    never: "Трафик не обнуляется.",
    hour: "В часе {time} всего {bytes}; период начался внутри него, и сколько из них его, не хранится.",
    day: "В дне {time} всего {bytes}; период начался внутри него, и сколько из них его, не хранится.",
    month_of: "В месяце {time} всего {bytes}; период начался внутри него, и сколько из них его, не хранится.",
    clients: "Из {bytes}, о которых клиенты сообщили в день начала периода, часть относится к нему.",
    bonus: "До {bytes} бонуса могли уйти на отчёты о трафике до начала периода.",
    fractions: "Нецелые коэффициенты оставляют доли байта.",
    otherwise: "Коэффициент узла был другим, когда байты начислялись, или начислено то, о чём не сообщал ни узел, ни клиент, \
                например, перенесённый расход.",
};

const FA: StandWords = StandWords {
    no_quota: "می‌تواند بگذرد: حساب سهمیه‌ای ندارد.",
    open: "می‌تواند بگذرد: {left} مانده است. {anew}",
    month: "نمی‌تواند بگذرد: سهمیهٔ دوره ({quota}) تمام شده و پاداشی نمانده است. {anew}",
    total: "نمی‌تواند بگذرد: سهمیهٔ کل ({quota}) تمام شده و پاداشی نمانده است.",
    expired: "نمی‌تواند بگذرد: مدت حساب تمام شده است ({time}).",
    sharing: "نمی‌تواند بگذرد: حساب با نشانی‌های بسیار به اشتراک گذاشته شده بود. باز می‌شود: {time}.",
    disabled: "نمی‌تواند بگذرد: کسی حساب را غیرفعال کرده است ({time}).",
    anew: "مصرف از نو آغاز می‌شود: {time}.",
    never: "مصرف هرگز از نو آغاز نمی‌شود.",
    hour: "ساعت {time} در کل {bytes} دارد؛ دوره در میان آن آغاز شد و اینکه چه اندازه از آنِ دوره است نگه داشته نمی‌شود.",
    day: "روز {time} در کل {bytes} دارد؛ دوره در میان آن آغاز شد و اینکه چه اندازه از آنِ دوره است نگه داشته نمی‌شود.",
    month_of: "ماه {time} در کل {bytes} دارد؛ دوره در میان آن آغاز شد و اینکه چه اندازه از آنِ دوره است نگه داشته نمی‌شود.",
    clients: "از {bytes} که برنامه‌ها در روز آغاز دوره گزارش کردند، بخشی از آنِ آن است.",
    bonus: "تا {bytes} از پاداش شاید صرف گزارش ترافیک پیش از دوره شده باشد.",
    fractions: "ضریب‌های ناصحیح خرده‌هایی از بایت به جا می‌گذارند.",
    otherwise: "ضریب گره هنگام محاسبه چیز دیگری بوده، یا چیزی به حساب آمده که نه گره‌ای گزارش کرده و نه برنامه‌ای، مانند مصرفی که \
                وارد شده است.",
};
