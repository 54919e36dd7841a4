//! Persian.

use super::{Next, Unit, Words};
use crate::domain::user::{Gate, Status};

pub(super) const WORDS: Words = Words {
    status,
    paused: "موقتاً بسته",
    reason,
    next: Next {
        month: "حجم شما در {date} تمدید می‌شود و برنامه‌ها خودشان دوباره وصل می‌شوند.",
        total: "برای حجم بیشتر با ارائه‌دهنده تماس بگیرید. لینک و برنامه‌ها را تغییر ندهید.",
        expired: "اعتبار آن در {date} به پایان رسید. برای تمدید با ارائه‌دهنده تماس بگیرید. لینک و برنامه‌ها را تغییر ندهید.",
        disabled: "ارائه‌دهنده این حساب را غیرفعال کرده است و فقط خود او می‌تواند آن را فعال کند.",
        sharing: "تعداد دستگاه‌های هم‌زمان بیش از حد بود. دسترسی خودکار باز می‌شود: {time}.",
        waits: "با نخستین اتصال آغاز می‌شود و مدت آن {span} است.",
    },
    of: "از {quota}",
    unlimited: "نامحدود",
    left: "{left} باقی مانده",
    usage: "حجم",
    plan: "طرح",
    next_reset: "تمدید حجم",
    valid_until: "اعتبار تا",
    no_end: "بدون پایان",
    bonus: "حجم اضافهٔ باقی‌مانده",
    span,
    after: "{span} دیگر",
    last_days: "۳۰ روز گذشته",
    no_traffic: "هنوز ترافیکی نیست",
    per_day: "جزئیات روزانه",
    day: "روز",
    traffic: "ترافیک",
    connect: "اتصال",
    connect_how: "یکی از این برنامه‌ها را نصب کنید و سپس روی نام آن بزنید تا اشتراک اضافه شود.",
    link: "لینک اشتراک",
    link_how: "برای برنامه‌های دیگر لینک را کپی یا کد را اسکن کنید. هر کس لینک را داشته باشد از حجم شما استفاده می‌کند؛ آن را به کسی ندهید.",
    copy: "کپی",
    copied: "کپی شد",
    qr: "کد QR لینک اشتراک",
    servers: "سرورهای تکی",
    servers_how: "فقط برای برنامه‌هایی که اشتراک نمی‌پذیرند. این‌ها خودکار به‌روز نمی‌شوند.",
    help: "راهنمایی",
    language: "زبان",
    gone: "این لینک کار نمی‌کند",
    gone_next: "لینک عوض شده یا حساب حذف شده است. از ارائه‌دهنده لینک تازه بگیرید.",
};

fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "فعال",
        Status::OnHold => "آغاز نشده",
        Status::Limited => "حجم تمام شد",
        Status::Expired => "منقضی",
        Status::Disabled => "غیرفعال",
    }
}

fn reason(gate: Gate) -> &'static str {
    match gate {
        Gate::Open => "زمان شما هنوز آغاز نشده است",
        Gate::Month | Gate::Total => "حجم شما تمام شده است",
        Gate::Expired => "اشتراک شما به پایان رسیده است",
        Gate::Disabled => "حساب شما غیرفعال است",
        Gate::Sharing => "حساب شما موقتاً بسته است",
    }
}

fn span(count: i64, unit: Unit) -> String {
    let unit = match unit {
        Unit::Day => "روز",
        Unit::Hour => "ساعت",
        Unit::Minute => "دقیقه",
    };
    format!("{count} {unit}")
}
