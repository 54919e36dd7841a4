//! What of a node is not as it should be, in every language: what stands behind or before each number, and one sentence on what it
//! means and what to do. English is what the agent's `status` says too ([`weir_wire::figure`]).

use weir_wire::figure::{BYPASS, CLOCK, Figure, LIMIT};
use weir_wire::status::ReloadReason;

/// See the module's description.
pub(crate) struct Figures {
    /// How so many are called, with `{n}` for the number and its unit.
    pub(crate) name: fn(Figure, u64) -> String,
    /// What a figure means and what to do.
    pub(crate) advice: fn(Figure) -> &'static str,
    pub(crate) two_hosts: &'static str,
    pub(crate) two_hosts_how: &'static str,
    /// Of a host whose clock is off, with `{time}`.
    pub(crate) clock_ahead: &'static str,
    pub(crate) clock_behind: &'static str,
    pub(crate) clock_how: &'static str,
    /// When a core last died, with `{time}`.
    pub(crate) last: &'static str,
    /// Of a rule before the gates, with `{rule}`.
    pub(crate) bypass: &'static str,
    pub(crate) bypass_how: &'static str,
    /// What a sentence about a limit of the core means; the sentence is the agent's.
    pub(crate) limit_how: &'static str,
}

super::in_every_language!(Figures);

const EN: Figures = Figures {
    name: |figure, number| format!("{{n}} {}", figure.name(number)),
    advice: Figure::advice,
    two_hosts: "Two hosts use this key",
    two_hosts_how: "Both are counted, but a user may pass what each of them still holds: stop the agent on one, and \
                    enrol that host as a node of its own.",
    clock_ahead: "Clock {time} ahead",
    clock_behind: "Clock {time} behind",
    clock_how: CLOCK,
    last: "last {time}",
    bypass: "Bypass: {rule}",
    bypass_how: BYPASS,
    limit_how: LIMIT,
};

const ZH: Figures = Figures {
    name: |figure, _| {
        match figure {
            Figure::Unattributed => "{n} 未归属",
            Figure::Foreign => "{n} 不属于名册中的用户",
            Figure::Unknown => "{n} 来自未知凭据",
            Figure::Ambiguous => "{n} 可能已上报",
            Figure::Lost => "估计有 {n} 随被杀死的核心丢失",
            Figure::Overshoot => "断开后又通过了 {n}",
            Figure::Gaps => "缺失的报告：{n}",
            Figure::Forks => "账本分叉：{n}",
            Figure::Rejected => "被拒绝的报告：{n}",
            Figure::PendingReload => "等待重载的用户：{n}",
            Figure::Cut(_) => "被重载断开的连接：{n}",
        }
        .to_owned()
    },
    advice: |figure| match figure {
        Figure::Unattributed => {
            "核心已计数，但没有指明是哪条连接（代理停止时会这样）：不向任何人计费；只要代理运行时不增长，就无需处理。"
        }
        Figure::Foreign => "它们属于模板自己写的用户，或已不存在的槽位：若您不认识这样的用户，请检查模板的入站。",
        Figure::Unknown => {
            "所用凭据面板没有发给任何人，因此不计费：面板恢复到旧副本后属正常，否则请查看谁能读取核心的配置。"
        }
        Figure::Ambiguous => {
            "账本的副本可能已上报过它们，因此永不计费：一份账本只让一台主机使用，也不要从备份恢复账本。"
        }
        Figure::Lost => {
            "核心意外终止时，上次读取之后的流量随之丢失：请用 systemctl stop 停止它；若它自行终止，请查看其日志。"
        }
        Figure::Overshoot => {
            "该核心拒绝被断开用户的新连接，但放行已打开的连接：它们照常计数，由用户结束，或在核心重启时结束。"
        }
        Figure::Gaps => "面板恢复到的副本太旧，节点已没有那些报告，因此缺少这些字节：下次请恢复到最近七天内的副本。",
        Figure::Forks => {
            "面板所知比该节点的账本更多，说明账本被复制或恢复过：一份账本只让一台主机使用，并把它排除在备份之外。"
        }
        Figure::Rejected => "面板不接受其格式，字节仍保存在账本中：请升级面板与代理中较旧的一方，并告知本项目。",
        Figure::PendingReload => {
            "核心须先加载新槽位，下次重载时完成：请等待，或在代理设置中调低 reload_every_seconds。"
        }
        Figure::Cut(reason) => match reason {
            ReloadReason::First => "最近一次是核心首次加载本面板的内容：无需处理。",
            ReloadReason::Users => {
                "最近一次放入了没有已加载槽位的用户：若重载太多，请在代理设置中调高 reload_every_seconds，让更多用户共用一次。"
            }
            ReloadReason::Template => "最近一次加载了已保存的模板：请在连接少时保存模板。",
            ReloadReason::Credentials => "最近一次收回了用户的旧凭据：请在连接少时更换凭据。",
            ReloadReason::Quiet => "最近一次是在无人连接时为以后的用户加载槽位：无需处理。",
            ReloadReason::Other => "最近一次的原因只有更新的版本才知道：请升级面板与代理中较旧的一方。",
        },
    },
    two_hosts: "两台主机使用同一密钥",
    two_hosts_how: "两边都会计数，但用户可能用掉各自仍持有的额度：请停止其中一台的代理，并把该主机注册为单独的节点。",
    clock_ahead: "时钟快 {time}",
    clock_behind: "时钟慢 {time}",
    clock_how: "字节计数不受影响：请校准主机时钟，最好使用 NTP。",
    last: "最近一次 {time}",
    bypass: "绕过：{rule}",
    bypass_how: "关闭的闸门会在最初几个字节之后逐条断开这类连接：若非本意，请修改模板中的 weir 键。",
    limit_how: "该核心就是如此：sing-box 1.14 及更新版本没有这个限制。",
};

const RU: Figures = Figures {
    name: |figure, _| {
        match figure {
            Figure::Unattributed => "Не отнесено: {n}",
            Figure::Foreign => "Вне списка пользователей: {n}",
            Figure::Unknown => "С неизвестными учётными данными: {n}",
            Figure::Ambiguous => "Возможно, уже сообщено: {n}",
            Figure::Lost => "Потеряно с убитыми ядрами, по оценке: {n}",
            Figure::Overshoot => "Прошло после отключения: {n}",
            Figure::Gaps => "Недостающих отчётов: {n}",
            Figure::Forks => "Расхождений журнала: {n}",
            Figure::Rejected => "Отклонённых отчётов: {n}",
            Figure::PendingReload => "Пользователей ждёт перезагрузки: {n}",
            Figure::Cut(_) => "Соединений оборвано перезагрузками: {n}",
        }
        .to_owned()
    },
    advice: |figure| match figure {
        Figure::Unattributed => {
            "Ядро их посчитало, но не назвало соединения, как бывает, пока агент не работает: они никому не начислены, и делать \
             ничего не нужно, если они не растут при работающем агенте."
        }
        Figure::Foreign => {
            "Они принадлежат пользователям из самого шаблона или слотам, которых больше нет: если таких пользователей вы не \
             знаете, проверьте входы шаблона."
        }
        Figure::Unknown => {
            "Они пришли с учётными данными, которых панель никому не выдавала, и никому не начислены: так бывает после \
             восстановления панели из копии, иначе выясните, кто может читать конфигурацию ядра."
        }
        Figure::Ambiguous => {
            "Возможно, о них уже сообщила копия журнала, поэтому они никогда не начисляются: пусть с журналом работает только один \
             хост, и не восстанавливайте журнал из резервной копии."
        }
        Figure::Lost => {
            "Ядро, которое умирает, уносит с собой всё с последнего опроса: останавливайте его через systemctl stop, а если оно \
             падает само, посмотрите его журнал."
        }
        Figure::Overshoot => {
            "Это ядро отказывает отключённому в новых соединениях, а открытые не трогает: они считаются как все, а завершит их \
             сам пользователь или перезапуск ядра."
        }
        Figure::Gaps => {
            "Панель восстановили из копии старше, чем отчёты, которые узел ещё хранил, поэтому этих байтов в ней нет: в следующий \
             раз берите копию за последние семь дней."
        }
        Figure::Forks => {
            "Панель знала о журнале этого узла больше, чем он сам, значит, его копировали или восстанавливали: пусть с журналом \
             работает только один хост, и исключите его из резервных копий."
        }
        Figure::Rejected => {
            "Панель не приняла их форму, байты остались в журнале узла: обновите то, что старше, панель или агента, и сообщите \
             разработчикам."
        }
        Figure::PendingReload => {
            "Ядро сначала должно загрузить новые слоты, это сделает следующая перезагрузка: подождите или уменьшите \
             reload_every_seconds в настройках агента."
        }
        Figure::Cut(reason) => match reason {
            ReloadReason::First => "Последняя была первой загрузкой этой панели в ядро: делать ничего не нужно.",
            ReloadReason::Users => {
                "Последняя впустила пользователей, для которых не было загруженного слота: если перезагрузок много, увеличьте \
                 reload_every_seconds в настройках агента, чтобы одна обслуживала больше пользователей."
            }
            ReloadReason::Template => {
                "Последняя загрузила сохранённый шаблон: сохраняйте его, когда подключено мало людей."
            }
            ReloadReason::Credentials => {
                "Последняя отозвала прежние учётные данные пользователя: выдавайте новые, когда подключено мало людей."
            }
            ReloadReason::Quiet => {
                "Последняя загрузила слоты для будущих пользователей, пока никто не был подключён: делать ничего не нужно."
            }
            ReloadReason::Other => {
                "Причину последней знает только более новая версия: обновите то, что старше, панель или агента."
            }
        },
    },
    two_hosts: "Один ключ на двух хостах",
    two_hosts_how: "Оба посчитаны, но пользователь может израсходовать то, что осталось у каждого: остановите агента на одном из них и \
                    зарегистрируйте этот хост как отдельный узел.",
    clock_ahead: "Часы спешат на {time}",
    clock_behind: "Часы отстают на {time}",
    clock_how: "Байты всё равно считаются верно: настройте часы хоста, лучше всего по NTP.",
    last: "последний раз {time}",
    bypass: "В обход: {rule}",
    bypass_how: "Закрытые ворота обрывают такие соединения по одному, после первых байтов: если это не нарочно, исправьте ключ weir в \
                 шаблоне.",
    limit_how: "Таково это ядро: у sing-box 1.14 и новее этого ограничения нет.",
};

const FA: Figures = Figures {
    name: |figure, _| {
        match figure {
            Figure::Unattributed => "نسبت‌نداده: {n}",
            Figure::Foreign => "بیرون از فهرست کاربران: {n}",
            Figure::Unknown => "با مشخصات ناشناخته: {n}",
            Figure::Ambiguous => "شاید پیش‌تر گزارش شده: {n}",
            Figure::Lost => "از‌دست‌رفته با هسته‌های کشته‌شده، به تخمین: {n}",
            Figure::Overshoot => "گذشته پس از قطع: {n}",
            Figure::Gaps => "گزارش‌های گم‌شده: {n}",
            Figure::Forks => "دوگانگی دفتر: {n}",
            Figure::Rejected => "گزارش‌های ردشده: {n}",
            Figure::PendingReload => "کاربران منتظر بارگذاری: {n}",
            Figure::Cut(_) => "اتصال‌های قطع‌شده با بارگذاری: {n}",
        }
        .to_owned()
    },
    advice: |figure| match figure {
        Figure::Unattributed => {
            "هسته آن‌ها را شمرده و اتصالشان را نگفته است، چنان‌که هنگام کار نکردن عامل پیش می‌آید: به حساب کسی نمی‌آیند و کاری \
             لازم نیست، مگر هنگام کار عامل بیشتر شوند."
        }
        Figure::Foreign => {
            "از آنِ کاربرانی هستند که خود الگو نام برده، یا جایگاه‌هایی که دیگر نیستند: اگر چنین کاربرانی نمی‌شناسید، \
             ورودی‌های الگو را ببینید."
        }
        Figure::Unknown => {
            "با مشخصاتی آمده‌اند که پنل به کسی نداده، پس به حساب کسی نمی‌آیند: پس از بازگرداندن پنل از نسخه‌ای قدیمی طبیعی است، \
             وگرنه ببینید چه کسی می‌تواند پیکربندی هسته را بخواند."
        }
        Figure::Ambiguous => {
            "شاید رونوشتی از این دفتر پیش‌تر گزارششان کرده، پس هرگز به حساب نمی‌آیند: بگذارید تنها یک میزبان با هر دفتر کار کند، \
             و آن را از پشتیبان بازنگردانید."
        }
        Figure::Lost => {
            "هسته‌ای که می‌میرد آنچه را از آخرین نگاه جابه‌جا کرده با خود می‌برد: آن را با systemctl stop بازایستانید، و اگر خودش \
             می‌میرد گزارش آن را ببینید."
        }
        Figure::Overshoot => {
            "این هسته اتصال‌های تازهٔ کاربر قطع‌شده را نمی‌پذیرد و بازها را رها می‌کند: مانند بقیه شمرده می‌شوند، و خود کاربر یا \
             راه‌اندازی دوبارهٔ هسته آن‌ها را پایان می‌دهد."
        }
        Figure::Gaps => {
            "پنل به نسخه‌ای بازگردانده شد که گره دیگر گزارش‌های پس از آن را نداشت، پس آن بایت‌ها در آن نیست: بار دیگر نسخه‌ای از \
             هفت روز گذشته را بازگردانید."
        }
        Figure::Forks => {
            "پنل از دفتر این گره بیش از خود آن می‌دانست، پس دفتر رونویسی یا بازگردانده شده است: بگذارید تنها یک میزبان با هر دفتر \
             کار کند، و آن را از پشتیبان‌ها کنار بگذارید."
        }
        Figure::Rejected => {
            "پنل شکل آن‌ها را نپذیرفت و بایت‌ها در دفتر می‌مانند: هر کدام از پنل و عامل را که قدیمی‌تر است به‌روز کنید و به پروژه \
             خبر دهید."
        }
        Figure::PendingReload => {
            "هسته باید نخست جایگاه‌های تازه را بارگذاری کند، که بارگذاری بعدی می‌کند: منتظر بمانید، یا reload_every_seconds را در \
             تنظیمات عامل کمتر کنید."
        }
        Figure::Cut(reason) => match reason {
            ReloadReason::First => "آخرین آن‌ها نخستین بارگذاری این پنل در هسته بود: کاری لازم نیست.",
            ReloadReason::Users => {
                "آخرین آن‌ها کاربرانی را راه داد که جایگاه بارگذاری‌شده نداشتند: اگر بارگذاری‌ها زیادند، reload_every_seconds را در \
                 تنظیمات عامل بیشتر کنید تا کاربران بیشتری در یک بارگذاری باشند."
            }
            ReloadReason::Template => {
                "آخرین آن‌ها الگوی ذخیره‌شده را بارگذاری کرد: آن را هنگامی ذخیره کنید که کمتر کسی وصل است."
            }
            ReloadReason::Credentials => {
                "آخرین آن‌ها مشخصات پیشین کاربری را پس گرفت: مشخصات تازه را هنگامی بدهید که کمتر کسی وصل است."
            }
            ReloadReason::Quiet => {
                "آخرین آن‌ها هنگامی که کسی وصل نبود جایگاه کاربران آینده را بارگذاری کرد: کاری لازم نیست."
            }
            ReloadReason::Other => {
                "دلیل آخرین آن‌ها را تنها نسخه‌ای تازه‌تر می‌داند: هر کدام از پنل و عامل را که قدیمی‌تر است به‌روز کنید."
            }
        },
    },
    two_hosts: "دو میزبان این کلید را به کار می‌برند",
    two_hosts_how: "هر دو شمرده می‌شوند، ولی کاربر می‌تواند آنچه را هر کدام هنوز دارد مصرف کند: عامل را روی یکی بازایستانید و آن میزبان \
                    را گره‌ای جداگانه ثبت کنید.",
    clock_ahead: "ساعت {time} جلوست",
    clock_behind: "ساعت {time} عقب است",
    clock_how: "بایت‌ها به‌هرحال درست شمرده می‌شوند: ساعت میزبان را تنظیم کنید، بهتر از همه با NTP.",
    last: "آخرین بار {time}",
    bypass: "دور زدن: {rule}",
    bypass_how: "دروازهٔ بسته چنین اتصال‌هایی را یک‌به‌یک پس از نخستین بایت‌ها قطع می‌کند: اگر منظورتان این نبود، کلید weir را در الگو \
                 درست کنید.",
    limit_how: "این هسته چنین است: sing-box نسخهٔ ۱٫۱۴ یا تازه‌تر این محدودیت را ندارد.",
};
