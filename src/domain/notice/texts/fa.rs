//! Persian.

use super::{Labels, Words};
use crate::domain::notice::Kind;

pub(super) const WORDS: Words = Words {
    title,
    operator,
    user,
    limited_total: (
        "کاربر {user} تمام حجم کل {total_quota} را مصرف کرده است و دیگر نمی‌تواند متصل شود.",
        "شما تمام حجم کل خود ({total_quota}) را مصرف کرده‌اید. تا افزایش حجم، اتصال بسته است.",
    ),
    reason,
    report: Labels {
        day: "روز",
        users: "کاربران مجاز / همه",
        active: "کاربران فعال",
        traffic: "ترافیک",
        nodes: "گره‌ها",
        top: "پرمصرف‌ترین کاربران",
        silent: "گره‌های بی‌پاسخ",
        limits: "کاربرانی که حجمشان تمام شده",
        jobs: "کارهای ناموفق",
        cost: "سطرهای نوشته‌شده / خوانده‌شدهٔ پایگاه داده",
        audit: "گزارش ممیزی",
        more: "و {count} مورد دیگر",
    },
    left_out: "… {count} سطر نیامده است. بقیه در پنل است.",
};

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::QuotaWarning => "{user}: {percent}٪ از حجم ماهانه",
        Kind::Limited => "{user}: حجم تمام شد",
        Kind::Expiring => "{user}: اعتبار حساب رو به پایان است",
        Kind::Expired => "{user}: اعتبار حساب به پایان رسید",
        Kind::Enabled => "{user}: دسترسی باز شد",
        Kind::Disabled => "{user}: دسترسی بسته شد",
        Kind::Created => "{user}: کاربر ساخته شد",
        Kind::Updated => "{user}: کاربر تغییر کرد",
        Kind::Deleted => "{user}: کاربر حذف شد",
        Kind::Reset => "{user}: دورهٔ تازه",
        Kind::Revoked => "{user}: پیوند عوض شد",
        Kind::Silent => "گره {node} پاسخ نمی‌دهد",
        Kind::Back => "گره {node} دوباره در دسترس است",
        Kind::Fork => "گره {node}: گزارش‌ها را بررسی کنید",
        Kind::Sharing => "{user}: حساب شاید مشترک استفاده می‌شود",
        Kind::JobFailed => "کار {job} ناموفق بود",
        Kind::DailyReport => "گزارش روزانه",
        Kind::Test => "آزمایش کانال {channel}",
    }
}

fn operator(kind: Kind) -> &'static str {
    match kind {
        Kind::QuotaWarning => {
            "کاربر {user} {percent}٪ از حجم ماهانه را مصرف کرده است: {used} از {quota}. زمان تمدید حجم: {resets_at}."
        }
        Kind::Limited => "کاربر {user} تمام حجم ماهانهٔ {quota} را مصرف کرده است. زمان باز شدن دسترسی: {resets_at}.",
        Kind::Expiring => "اعتبار حساب {user} در {expires_at} به پایان می‌رسد.",
        Kind::Expired => "اعتبار حساب {user} در {expires_at} به پایان رسید.",
        Kind::Enabled => "کاربر {user} دوباره می‌تواند متصل شود. دلیل بسته بودن: {reason}.",
        Kind::Disabled => "کاربر {user} دیگر نمی‌تواند متصل شود. دلیل: {reason}.",
        Kind::Created => "کاربر {user} ساخته شد.",
        Kind::Updated => "مشخصات کاربر {user} تغییر کرد.",
        Kind::Deleted => "کاربر {user} حذف شد.",
        Kind::Reset => "دورهٔ تازه‌ای برای کاربر {user} آغاز شد. مصرف دورهٔ پیش: {used}.",
        Kind::Revoked => "پیوند و اطلاعات ورود کاربر {user} عوض شد.",
        Kind::Silent => "آخرین پیام گره {node} در {since} رسیده است. کاربران آن تا پایان سهمیهٔ خود متصل می‌مانند.",
        Kind::Back => "گره {node} دوباره در دسترس است. زمان قطع بودن: از {since} تا {until}.",
        Kind::Fork => "گره {node}: {detail}.",
        Kind::Sharing => "کاربر {user} هم‌زمان از {sources} نشانی متصل است؛ {limit} نشانی مجاز است.",
        Kind::JobFailed => "کار {job} {failures} بار پیاپی ناموفق بوده است: {error}",
        Kind::DailyReport => "گزارش خوانده نشد.",
        Kind::Test => "این یک پیام آزمایشی است. کانال {channel} کار می‌کند.",
    }
}

fn user(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::QuotaWarning => {
            "شما {percent}٪ از حجم ماهانهٔ خود را مصرف کرده‌اید: {used} از {quota}. زمان تمدید حجم: {resets_at}."
        }
        Kind::Limited => "شما تمام حجم ماهانهٔ خود ({quota}) را مصرف کرده‌اید. زمان باز شدن دسترسی: {resets_at}.",
        Kind::Expiring => "اعتبار حساب شما در {expires_at} به پایان می‌رسد.",
        Kind::Expired => "اعتبار حساب شما در {expires_at} به پایان رسید.",
        Kind::Enabled => "شما دوباره می‌توانید متصل شوید.",
        Kind::Disabled => "دسترسی شما بسته شد. دلیل: {reason}.",
        Kind::Reset => "دورهٔ تازه آغاز شد. تا {resets_at} می‌توانید {quota} مصرف کنید.",
        _ => return None,
    })
}

fn reason(name: &str) -> &'static str {
    match name {
        "month" => "پایان حجم ماهانه",
        "total" => "پایان حجم کل",
        "expired" => "پایان اعتبار حساب",
        "person" => "تصمیم مدیر",
        "sharing" => "گمان استفادهٔ مشترک از حساب",
        _ => "دلیل دیگر",
    }
}
