//! Russian.

use super::{Labels, Words};
use crate::domain::notice::Kind;

pub(super) const WORDS: Words = Words {
    title,
    operator,
    user,
    limited_total: (
        "Пользователь {user} израсходовал общий лимит {total_quota} и больше не может подключаться.",
        "Вы израсходовали общий лимит {total_quota}. Подключение закрыто, пока лимит не увеличат.",
    ),
    reason,
    report: Labels {
        day: "День",
        users: "Пользователи с доступом / всего",
        active: "Активные пользователи",
        traffic: "Трафик",
        nodes: "Узлы",
        top: "Больше всего трафика",
        silent: "Узлы без связи",
        limits: "Исчерпали лимит",
        jobs: "Задания с ошибкой",
        cost: "Записано / прочитано строк базы данных",
        audit: "Журнал аудита",
        more: "и ещё {count}",
    },
    left_out: "… пропущено строк: {count}. Остальное в панели.",
};

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::QuotaWarning => "{user}: израсходовано {percent} % месячного лимита",
        Kind::Limited => "{user}: лимит исчерпан",
        Kind::Expiring => "{user}: срок действия скоро истечёт",
        Kind::Expired => "{user}: срок действия истёк",
        Kind::Enabled => "{user}: доступ открыт",
        Kind::Disabled => "{user}: доступ закрыт",
        Kind::Created => "{user}: пользователь создан",
        Kind::Updated => "{user}: пользователь изменён",
        Kind::Deleted => "{user}: пользователь удалён",
        Kind::Reset => "{user}: новый период",
        Kind::Revoked => "{user}: ссылка заменена",
        Kind::Silent => "Нет связи с узлом {node}",
        Kind::Back => "Узел {node} снова на связи",
        Kind::Fork => "Узел {node}: проверьте отчёты",
        Kind::Sharing => "{user}: возможно, учётной записью пользуются несколько человек",
        Kind::JobFailed => "Ошибка задания {job}",
        Kind::DailyReport => "Ежедневный отчёт",
        Kind::Test => "Проверка канала {channel}",
    }
}

fn operator(kind: Kind) -> &'static str {
    match kind {
        Kind::QuotaWarning => {
            "Пользователь {user} израсходовал {percent} % месячного лимита: {used} из {quota}. Лимит обновится {resets_at}."
        }
        Kind::Limited => "Пользователь {user} израсходовал месячный лимит {quota}. Доступ откроется {resets_at}.",
        Kind::Expiring => "Срок действия учётной записи {user} истекает {expires_at}.",
        Kind::Expired => "Срок действия учётной записи {user} истёк {expires_at}.",
        Kind::Enabled => "Пользователь {user} снова может подключаться. Доступ был закрыт: {reason}.",
        Kind::Disabled => "Пользователь {user} больше не может подключаться: {reason}.",
        Kind::Created => "Пользователь {user} создан.",
        Kind::Updated => "Данные пользователя {user} изменены.",
        Kind::Deleted => "Пользователь {user} удалён.",
        Kind::Reset => "Для пользователя {user} начался новый период. За прошлый период израсходовано {used}.",
        Kind::Revoked => "Ссылка и учётные данные пользователя {user} заменены.",
        Kind::Silent => "Узел {node} последний раз был на связи {since}. Его пользователи работают до своих лимитов.",
        Kind::Back => "Узел {node} снова на связи. Связи не было с {since} до {until}.",
        Kind::Fork => "Узел {node}: {detail}.",
        Kind::Sharing => "Пользователь {user} подключён одновременно с {sources} адресов, разрешено {limit}.",
        Kind::JobFailed => "Задание {job} не выполнено {failures} раз подряд: {error}",
        Kind::DailyReport => "Отчёт не удалось прочитать.",
        Kind::Test => "Это проверка. Канал {channel} работает.",
    }
}

fn user(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::QuotaWarning => {
            "Вы израсходовали {percent} % месячного лимита: {used} из {quota}. Лимит обновится {resets_at}."
        }
        Kind::Limited => "Вы израсходовали месячный лимит {quota}. Подключиться снова можно будет {resets_at}.",
        Kind::Expiring => "Срок действия вашей учётной записи истекает {expires_at}.",
        Kind::Expired => "Срок действия вашей учётной записи истёк {expires_at}.",
        Kind::Enabled => "Вы снова можете подключаться.",
        Kind::Disabled => "Ваш доступ закрыт: {reason}.",
        Kind::Reset => "Начался новый период. До {resets_at} вам доступно {quota}.",
        _ => return None,
    })
}

fn reason(name: &str) -> &'static str {
    match name {
        "month" => "исчерпан месячный лимит",
        "total" => "исчерпан общий лимит",
        "expired" => "истёк срок действия",
        "person" => "доступ закрыл администратор",
        "sharing" => "похоже, учётной записью пользовались несколько человек",
        _ => "другая причина",
    }
}
