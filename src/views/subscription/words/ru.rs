//! Russian.

use super::{Next, Unit, Words};
use crate::domain::user::{Gate, Status};

pub(super) const WORDS: Words = Words {
    status,
    paused: "Приостановлена",
    reason,
    next: Next {
        month: "Новый трафик появится {date}. Приложения подключатся сами.",
        total: "Попросите у провайдера ещё трафика. Ссылку и приложения менять не нужно.",
        expired: "Она закончилась {date}. Попросите провайдера продлить её. Ссылку и приложения менять не нужно.",
        disabled: "Провайдер отключил эту учётную запись, и включить её может только он.",
        sharing: "Слишком много устройств подключались одновременно. Доступ откроется сам: {time}.",
        waits: "Срок начнётся с первого подключения и продлится {span}.",
    },
    of: "из {quota}",
    unlimited: "без ограничений",
    left: "осталось {left}",
    usage: "Трафик",
    plan: "Тариф",
    next_reset: "Новый трафик",
    valid_until: "Действует до",
    no_end: "бессрочно",
    bonus: "Остаток доп. трафика",
    span,
    after: "через {span}",
    last_days: "Последние 30 дней",
    no_traffic: "Трафика пока нет",
    per_day: "По дням",
    day: "День",
    traffic: "Трафик",
    connect: "Подключение",
    connect_how: "Установите одно из приложений и нажмите на его название: подписка добавится сама.",
    link: "Ссылка на подписку",
    link_how: "Для других приложений скопируйте ссылку или отсканируйте код. Не передавайте её: по ней расходуется ваш трафик.",
    copy: "Копировать",
    copied: "Скопировано",
    qr: "QR-код ссылки на подписку",
    servers: "Отдельные серверы",
    servers_how: "Только для приложений без поддержки подписок. Сами не обновляются.",
    help: "Помощь",
    language: "Язык",
    gone: "Эта ссылка не работает",
    gone_next: "Её заменили, или учётная запись удалена. Попросите у провайдера новую ссылку.",
};

fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "Активна",
        Status::OnHold => "Не начата",
        Status::Limited => "Трафик исчерпан",
        Status::Expired => "Закончилась",
        Status::Disabled => "Отключена",
    }
}

fn reason(gate: Gate) -> &'static str {
    match gate {
        Gate::Open => "Срок ещё не начался",
        Gate::Month | Gate::Total => "Трафик исчерпан",
        Gate::Expired => "Подписка закончилась",
        Gate::Disabled => "Учётная запись отключена",
        Gate::Sharing => "Учётная запись приостановлена",
    }
}

fn span(count: i64, unit: Unit) -> String {
    let unit = match unit {
        Unit::Day => "дн.",
        Unit::Hour => "ч",
        Unit::Minute => "мин",
    };
    format!("{count} {unit}")
}
