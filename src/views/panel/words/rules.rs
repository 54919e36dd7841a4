//! What the API says to input that is wrong, in the languages of the panel's pages. The API speaks English, which programs may rely on; a page's
//! own calls get the same sentence in the page's language.

use crate::domain::notice::texts::Language;

/// A sentence of the API in English, and in Chinese, Russian and Persian; `{}` stands for what differs, in the same order.
type Rule = (&'static str, [&'static str; 3]);

/// The first that fits counts: the longer ones of the same beginning come before the shorter.
const RULES: [Rule; 94] = [
    // Types, as every field has one.
    ("it is missing", ["缺少此项", "не указано", "نیامده است"]),
    ("a string", ["一段文本", "текст", "یک متن"]),
    ("a boolean", ["true 或 false", "true или false", "true یا false"]),
    ("a sequence", ["一个列表", "список", "یک فهرست"]),
    ("a map", ["一个对象", "объект", "یک شیء"]),
    ("an object", ["一个对象", "объект", "یک شیء"]),
    ("a JSON object", ["一个 JSON 对象", "объект JSON", "یک شیء JSON"]),
    (
        "an integer from {} to {}, or null for what {} says",
        [
            "{} 至 {} 的整数，或 null 表示按 {}",
            "целое от {} до {} или null: как в {}",
            "عددی صحیح از {} تا {}، یا null: بنا بر {}",
        ],
    ),
    (
        "an integer from {} to {}, 0 = no limit",
        ["{} 至 {} 的整数，0 表示不限", "целое от {} до {}, 0 = без предела", "عددی صحیح از {} تا {}، ۰ یعنی بی حد"],
    ),
    (
        "an integer from {} to {}, 0 = any number",
        [
            "{} 至 {} 的整数，0 表示任意数量",
            "целое от {} до {}, 0 = сколько угодно",
            "عددی صحیح از {} تا {}، ۰ یعنی هر چند تا",
        ],
    ),
    (
        "an integer from {} to {}, and more than each of expiring_days",
        [
            "{} 至 {} 的整数，且大于 expiring_days 中的每一个",
            "целое от {} до {} и больше каждого из expiring_days",
            "عددی صحیح از {} تا {} و بیشتر از هر یک از expiring_days",
        ],
    ),
    (
        "an integer of days from {} to {}, not 0",
        [
            "{} 至 {} 的整数天数，不为 0",
            "целое число дней от {} до {}, не 0",
            "شمار روزها، عددی صحیح از {} تا {}، نه ۰",
        ],
    ),
    (
        "an integer of days from {} to {}",
        ["{} 至 {} 的整数天数", "целое число дней от {} до {}", "شمار روزها، عددی صحیح از {} تا {}"],
    ),
    ("an integer from {} to {}", ["{} 至 {} 的整数", "целое число от {} до {}", "عددی صحیح از {} تا {}"]),
    ("an integer from {}", ["不小于 {} 的整数", "целое число от {}", "عددی صحیح از {} به بالا"]),
    ("an integer", ["一个整数", "целое число", "عددی صحیح"]),
    (
        "a byte count is an integer from {} to {}",
        ["字节数是 {} 至 {} 的整数", "число байтов: целое от {} до {}", "شمار بایت‌ها عددی صحیح از {} تا {} است"],
    ),
    (
        "an instant is an integer of unix seconds from {} to {}",
        [
            "时刻是 {} 至 {} 的 Unix 秒整数",
            "момент: целое число секунд unix от {} до {}",
            "زمان، عددی صحیح از ثانیه‌های یونیکس از {} تا {} است",
        ],
    ),
    (
        "an instant to come, in unix seconds",
        ["将来的时刻（Unix 秒）", "момент в будущем, в секундах unix", "زمانی در آینده، به ثانیهٔ یونیکس"],
    ),
    // Names and texts.
    (
        "the alias is another user's",
        ["该别名属于其他用户", "псевдоним у другого пользователя", "این نام از آن کاربر دیگری است"],
    ),
    (
        "the user has {} aliases, which is as many as may be",
        [
            "该用户已有 {} 个别名，不能再多",
            "у пользователя {} псевдонимов, больше нельзя",
            "این کاربر {} نام دیگر دارد و بیش از این نمی‌شود",
        ],
    ),
    (
        "{} to {} of A-Z a-z 0-9 . _ ~ - @ : + =, not . or .., not {} that could be a token, not global, server, database or cleanup",
        [
            "{} 至 {} 个字符：A-Z a-z 0-9 . _ ~ - @ : + =，不能是 . 或 ..，不能是 {} 个可能是令牌的字符，也不能是 global、server、database、cleanup",
            "от {} до {} знаков из A-Z a-z 0-9 . _ ~ - @ : + =; не . и не .., не {} знака, похожих на токен, и не global, server, database, cleanup",
            "{} تا {} نویسه از A-Z a-z 0-9 . _ ~ - @ : + =؛ نه . و نه ..، نه {} نویسه که شبیه توکن باشد، و نه global، server، database یا cleanup",
        ],
    ),
    ("the name is taken", ["该名称已被使用", "имя занято", "این نام گرفته شده است"]),
    (
        "{} to {} of A-Z a-z 0-9 {}, not . or ..",
        [
            "{} 至 {} 个字符：A-Z a-z 0-9 {}，不能是 . 或 ..",
            "от {} до {} знаков из A-Z a-z 0-9 {}, не . и не ..",
            "{} تا {} نویسه از A-Z a-z 0-9 {}، نه . و نه ..",
        ],
    ),
    (
        "{} to {} of A-Z a-z 0-9 {}",
        ["{} 至 {} 个字符：A-Z a-z 0-9 {}", "от {} до {} знаков из A-Z a-z 0-9 {}", "{} تا {} نویسه از A-Z a-z 0-9 {}"],
    ),
    (
        "{} to {} printable characters, no space at either end",
        [
            "{} 至 {} 个可打印字符，首尾无空格",
            "от {} до {} печатных знаков, без пробелов по краям",
            "{} تا {} نویسهٔ چاپی، بی فاصله در دو سر",
        ],
    ),
    (
        "{} to {} printable ASCII characters without {}",
        [
            "{} 至 {} 个可打印 ASCII 字符，不含空格",
            "от {} до {} печатных знаков ASCII без пробелов",
            "{} تا {} نویسهٔ چاپی ASCII، بی فاصله",
        ],
    ),
    (
        "{} to {} printable ASCII characters",
        ["{} 至 {} 个可打印 ASCII 字符", "от {} до {} печатных знаков ASCII", "{} تا {} نویسهٔ چاپی ASCII"],
    ),
    ("{} to {} printable characters", ["{} 至 {} 个可打印字符", "от {} до {} печатных знаков", "{} تا {} نویسهٔ چاپی"]),
    (
        "at most {} printable characters",
        ["最多 {} 个可打印字符", "не больше {} печатных знаков", "حداکثر {} نویسهٔ چاپی"],
    ),
    (
        "{} to {} characters without control characters",
        ["{} 至 {} 个字符，不含控制字符", "от {} до {} знаков без управляющих", "{} تا {} نویسه، بی نویسهٔ کنترلی"],
    ),
    (
        "{} to {} characters, or null for what {} says",
        [
            "{} 至 {} 个字符，或 null 表示按 {}",
            "от {} до {} знаков или null: как в {}",
            "{} تا {} نویسه، یا null: بنا بر {}",
        ],
    ),
    (
        "at most {} characters, no control characters but line breaks",
        [
            "最多 {} 个字符，除换行外不含控制字符",
            "не больше {} знаков, из управляющих только переводы строк",
            "حداکثر {} نویسه، از نویسه‌های کنترلی تنها سطر تازه",
        ],
    ),
    (
        "at most {} characters without line breaks",
        ["最多 {} 个字符，不换行", "не больше {} знаков без переводов строк", "حداکثر {} نویسه در یک سطر"],
    ),
    (
        "{} to {} bytes of printable text, such as {}",
        [
            "{} 至 {} 字节的可打印文本，如 {}",
            "от {} до {} байтов печатного текста, например {}",
            "{} تا {} بایت متن چاپی، مانند {}",
        ],
    ),
    (
        "an e-mail address of at most {} characters, such as {}",
        [
            "最多 {} 个字符的邮箱地址，如 {}",
            "адрес почты не длиннее {} знаков, например {}",
            "نشانی ایمیل با حداکثر {} نویسه، مانند {}",
        ],
    ),
    (
        "a uuid in lower case, like {}",
        ["小写的 UUID，如 {}", "uuid строчными буквами, например {}", "یک uuid با حروف کوچک، مانند {}"],
    ),
    (
        "{} bytes in standard base64",
        ["标准 base64 编码的 {} 字节", "{} байтов в обычном base64", "{} بایت به base64 معمولی"],
    ),
    (
        "a time zone of the IANA database, such as {}",
        [
            "IANA 数据库中的时区，如 {}",
            "часовой пояс из базы IANA, например {}",
            "منطقهٔ زمانی از پایگاه IANA، مانند {}",
        ],
    ),
    (
        "an IANA time zone, such as {}",
        ["IANA 时区，如 {}", "часовой пояс IANA, например {}", "منطقهٔ زمانی IANA، مانند {}"],
    ),
    ("a day of the month from {} to {}", ["每月的第 {} 至 {} 日", "день месяца от {} до {}", "روز ماه از {} تا {}"]),
    ("a time of day such as {}", ["一天中的时间，如 {}", "время суток, например {}", "ساعتی از روز، مانند {}"]),
    (
        "two capital letters, such as {}",
        ["两个大写字母，如 {}", "две заглавные буквы, например {}", "دو حرف بزرگ، مانند {}"],
    ),
    // Addresses.
    (
        "a host name or an IP address, without scheme and port",
        [
            "主机名或 IP 地址，不含协议和端口",
            "имя хоста или IP-адрес, без схемы и порта",
            "نام میزبان یا نشانی IP، بی طرح و درگاه",
        ],
    ),
    (
        "a host name, without scheme and port",
        ["主机名，不含协议和端口", "имя хоста без схемы и порта", "نام میزبان، بی طرح و درگاه"],
    ),
    (
        "a host name, with or without scheme and port",
        ["主机名，可带协议和端口", "имя хоста, со схемой и портом или без", "نام میزبان، با طرح و درگاه یا بی آن"],
    ),
    (
        "an https:// address of at most {} characters with a public host and no user name; {}",
        [
            "最多 {} 个字符的 https:// 地址，主机须为公网主机且不含用户名",
            "адрес https:// не длиннее {} знаков, с публичным хостом и без имени пользователя",
            "نشانی https:// با حداکثر {} نویسه، با میزبان عمومی و بی نام کاربر",
        ],
    ),
    (
        "enter it anew for another host",
        ["换了主机，请重新输入", "для другого хоста введите заново", "برای میزبان دیگر، دوباره وارد کنید"],
    ),
    (
        "enter it anew: this form sends it as it is",
        [
            "请重新输入：此格式会原样发送它",
            "введите заново: в этом виде он отправляется как есть",
            "دوباره وارد کنید: این قالب آن را همان‌گونه که هست می‌فرستد",
        ],
    ),
    (
        "an https:// address without a slash at its end",
        ["末尾无斜杠的 https:// 地址", "адрес https:// без косой черты в конце", "نشانی https:// بی خط مورب در پایان"],
    ),
    (
        "an address that begins with {}, or null for what {} says",
        [
            "以 {} 开头的地址，或 null 表示按 {}",
            "адрес, который начинается с {}, или null: как в {}",
            "نشانی‌ای که با {} آغاز شود، یا null: بنا بر {}",
        ],
    ),
    (
        "an address of at most {} ASCII characters is needed, in its usual form",
        [
            "需要最多 {} 个 ASCII 字符的常规地址",
            "нужен адрес в обычном виде, не длиннее {} знаков ASCII",
            "نشانی‌ای در شکل معمول با حداکثر {} نویسهٔ ASCII لازم است",
        ],
    ),
    (
        "the address must begin with https:// or http://",
        [
            "地址必须以 https:// 或 http:// 开头",
            "адрес должен начинаться с https:// или http://",
            "نشانی باید با https:// یا http:// آغاز شود",
        ],
    ),
    (
        "the address must hold no user name and no @ before its path",
        [
            "地址中不得含用户名，路径前不得有 @",
            "в адресе не должно быть имени пользователя и @ до пути",
            "در نشانی نباید نام کاربر یا @ پیش از مسیر باشد",
        ],
    ),
    ("{} is a name of a private network", ["{} 是内部网络的名称", "{}: имя частной сети", "{} نامی از شبکهٔ خصوصی است"]),
    (
        "not a link: it has no scheme://",
        ["不是链接：没有 协议://", "не ссылка: нет схема://", "پیوند نیست: طرح:// ندارد"],
    ),
    (
        "an empty line or a comment is no link",
        ["空行或注释不是链接", "пустая строка или комментарий не ссылка", "سطر خالی یا توضیح پیوند نیست"],
    ),
    (
        "a web address without a login is no proxy",
        ["没有登录信息的网址不是代理", "веб-адрес без входа не прокси", "نشانی وب بی نام کاربر پروکسی نیست"],
    ),
    ("{} to {} links", ["{} 至 {} 条链接", "от {} до {} ссылок", "{} تا {} پیوند"]),
    ("names of protocols, such as {}", ["协议名，如 {}", "названия протоколов, например {}", "نام پروتکل‌ها، مانند {}"]),
    // Of users, plans and nodes.
    ("the name of a plan that exists", ["已有套餐的名称", "название существующего тарифа", "نام طرحی که هست"]),
    ("the name of an operator, or null", ["管理员的名称，或 null", "имя оператора или null", "نام اپراتور، یا null"]),
    ("the name of an operator", ["管理员的名称", "имя оператора", "نام اپراتور"]),
    ("the name of a user who exists", ["已有用户的名称", "имя существующего пользователя", "نام کاربری که هست"]),
    ("there is no such plan", ["没有这个套餐", "такого тарифа нет", "چنین طرحی نیست"]),
    (
        "not together with hold_seconds, after which the account expires",
        [
            "不能与首次使用后的时长同时设置",
            "не вместе со сроком от первого входа",
            "نه همراه با مدتی که از نخستین استفاده آغاز می‌شود",
        ],
    ),
    (
        "only with hold_seconds from 1",
        [
            "仅在从首次使用开始计时时可设",
            "только со сроком от первого входа",
            "تنها با مدتی که از نخستین استفاده آغاز می‌شود",
        ],
    ),
    ("null, unless the role is reseller", ["仅经销商可设", "только для реселлера", "تنها برای نمایندهٔ فروش"]),
    (
        "per mille, an integer from {} to {}",
        ["千分数，{} 至 {} 的整数", "в тысячных, целое от {} до {}", "به هزارم، عددی صحیح از {} تا {}"],
    ),
    (
        "at most {} integers from {} to {}",
        ["最多 {} 个 {} 至 {} 的整数", "не больше {} целых от {} до {}", "حداکثر {} عدد صحیح از {} تا {}"],
    ),
    ("at least one scope", ["至少一个权限范围", "хотя бы одно право", "دست‌کم یک دسترسی"]),
    ("at least one user", ["至少一个用户", "хотя бы один пользователь", "دست‌کم یک کاربر"]),
    ("at least one field", ["至少一个字段", "хотя бы одно поле", "دست‌کم یک فیلد"]),
    ("a tag of {} to {} characters", ["{} 至 {} 个字符的标签", "тег от {} до {} знаков", "برچسبی با {} تا {} نویسه"]),
    (
        "all addresses of the node, each once",
        ["节点的全部地址，每个一次", "все адреса узла, каждый по разу", "همهٔ نشانی‌های گره، هر یک یک بار"],
    ),
    ("there are {} {} already", ["已有 {} 个", "их уже {}", "هم‌اکنون {} تا هست"]),
    // Signing in.
    ("it is wrong", ["不正确", "неверно", "نادرست است"]),
    (
        "the six digits that the app shows now",
        [
            "应用此刻显示的六位数字",
            "шесть цифр, которые приложение показывает сейчас",
            "شش رقمی که برنامه اکنون نشان می‌دهد",
        ],
    ),
    (
        "the token that BotFather gave, such as {}",
        ["BotFather 给出的令牌，如 {}", "токен от BotFather, например {}", "توکنی که BotFather داده است، مانند {}"],
    ),
    (
        "a chat's number as text, or @channelname",
        ["文本形式的聊天编号，或 @频道名", "номер чата текстом или @имяканала", "شمارهٔ گفت‌وگو به متن، یا ‎@نام کانال"],
    ),
    // Whole answers.
    (
        "the reseller has as many users as his allowance has",
        [
            "该经销商的用户数已达额度",
            "у реселлера уже столько пользователей, сколько ему разрешено",
            "این نماینده به شمار مجاز کاربرانش رسیده است",
        ],
    ),
    (
        "it would let the reseller's users use more bytes than his allowance has",
        [
            "这样经销商的用户可用流量将超过其额度",
            "тогда пользователям реселлера досталось бы больше трафика, чем ему разрешено",
            "در این صورت کاربران نماینده بیش از حجم مجازش مصرف می‌کردند",
        ],
    ),
    (
        "no owner would be left who is not disabled",
        [
            "这样就没有未停用的所有者了",
            "не осталось бы ни одного действующего владельца",
            "در این صورت مالک فعالی نمی‌ماند",
        ],
    ),
    ("the role {} does not reach {}", ["角色 {} 无权执行 {}", "роли {} не разрешено {}", "نقش {} اجازهٔ {} را ندارد"]),
    (
        "plan {} stands at version {}: look at its changes",
        [
            "套餐 {} 现为版本 {}：请再看一遍变更",
            "тариф {} теперь версии {}: посмотрите изменения ещё раз",
            "طرح {} اکنون نسخهٔ {} است: تغییرها را دوباره ببینید",
        ],
    ),
    ("this link is there already", ["该链接已存在", "такая ссылка уже есть", "این پیوند از پیش هست"]),
    (
        "the account began meanwhile",
        ["账号在此期间已开始计时", "срок тем временем начался", "حساب در این میان آغاز شد"],
    ),
    (
        "the database is busy; try again",
        ["数据库繁忙，请重试", "база данных занята, попробуйте ещё раз", "پایگاه داده مشغول است؛ دوباره بکوشید"],
    ),
    (
        "too many requests; try again in {} s",
        [
            "请求过多，请在 {} 秒后重试",
            "слишком много запросов, попробуйте через {} с",
            "درخواست‌ها بسیارند؛ پس از {} ثانیه دوباره بکوشید",
        ],
    ),
    (
        "internal error; the log has it under this request's id",
        [
            "内部错误，日志中以本次请求的编号记录",
            "внутренняя ошибка, в журнале она под номером этого запроса",
            "خطای درونی؛ در گزارش با شمارهٔ همین درخواست آمده است",
        ],
    ),
    ("{} is not configured", ["{} 未配置", "{}: не настроено", "{} تنظیم نشده است"]),
    ("{} not found", ["未找到（{}）", "не найдено ({})", "یافت نشد ({})"]),
    ("one of {}", ["以下之一：{}", "одно из: {}", "یکی از این‌ها: {}"]),
    ("at most {}", ["最多 {}", "не больше {}", "حداکثر {}"]),
];

/// A sentence of the API in a language; none in English, and for what nobody has put into words.
pub(crate) fn translated(sentence: &str, language: Language) -> Option<String> {
    let place = match language {
        Language::En => return None,
        Language::Zh => 0,
        Language::Ru => 1,
        Language::Fa => 2,
    };
    // What a field should have been is what its reader can use; what it was he sees.
    let rule = sentence.rsplit_once(", expected ").map_or(sentence, |(_, expected)| expected);
    RULES.iter().find_map(|(english, others)| {
        let held = holes(english, rule)?;
        let mut parts = others.get(place)?.split("{}");
        let first = parts.next()?.to_owned();
        Some(parts.zip(held).fold(first, |told, (part, held)| [&told, held, part].concat()))
    })
}

/// What stands in the holes of a template, if a text is made from it.
fn holes<'a>(template: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = template.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut held = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() { rest.len().checked_sub(part.len())? } else { rest.find(part)? };
        held.push(rest.get(..at)?);
        rest = rest.get(at..)?.strip_prefix(part)?;
    }
    rest.is_empty().then_some(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_keeps_what_differs() {
        let russian = |sentence| translated(sentence, Language::Ru);
        assert_eq!(russian("an integer from 1 to 31").as_deref(), Some("целое число от 1 до 31"));
        assert_eq!(
            russian("3 to 32 of A-Z a-z 0-9 _ . @ -").as_deref(),
            Some("от 3 до 32 знаков из A-Z a-z 0-9 _ . @ -")
        );
        assert_eq!(
            russian("invalid type: string \"x, expected y\", expected an integer from 0").as_deref(),
            Some("целое число от 0")
        );
        assert_eq!(russian("user not found").as_deref(), Some("не найдено (user)"));
        assert_eq!(russian("something that nobody has translated"), None);
        assert_eq!(translated("it is missing", Language::En), None);
    }

    #[test]
    fn every_rule_is_reached_and_keeps_its_holes_in_every_language() {
        for (english, others) in RULES {
            let sample = english.replace("{}", "7");
            let holes = english.matches("{}").count();
            for (place, language) in [Language::Zh, Language::Ru, Language::Fa].into_iter().enumerate() {
                let told = translated(&sample, language).unwrap();
                let expected = others[place].replace("{}", "7");
                assert_eq!(told, expected, "an earlier rule takes {english:?}");
                assert!(others[place].matches("{}").count() <= holes, "{english}");
            }
        }
    }
}
