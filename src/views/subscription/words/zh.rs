//! Chinese, simplified.

use super::{Next, Unit, Words};
use crate::domain::user::{Gate, Status};

pub(super) const WORDS: Words = Words {
    status,
    paused: "已暂停",
    reason,
    next: Next {
        month: "流量将于 {date} 重置，届时客户端会自动恢复连接。",
        total: "请联系服务商增加流量。订阅链接和客户端无需更改。",
        expired: "订阅已于 {date} 到期。请联系服务商续费，订阅链接和客户端无需更改。",
        disabled: "服务商已停用此账户，只有服务商可以重新启用。",
        sharing: "同时使用的设备过多。账户将自动恢复：{time}。",
        waits: "首次连接后开始计时，有效期 {span}。",
    },
    of: "共 {quota}",
    unlimited: "不限量",
    left: "剩余 {left}",
    usage: "流量",
    plan: "套餐",
    next_reset: "流量重置",
    valid_until: "有效期至",
    no_end: "长期有效",
    bonus: "剩余附加流量",
    span,
    after: "{span}后",
    last_days: "最近 30 天",
    no_traffic: "暂无流量",
    per_day: "每日明细",
    day: "日期",
    traffic: "流量",
    connect: "连接",
    connect_how: "先安装以下任一客户端，再点击其名称即可导入订阅。",
    link: "订阅链接",
    link_how: "其他客户端请复制链接或扫描二维码。持有链接的人都能使用您的流量，请勿外传。",
    copy: "复制",
    copied: "已复制",
    qr: "订阅链接二维码",
    servers: "单个节点",
    servers_how: "仅用于不支持订阅的客户端，不会自动更新。",
    help: "获取帮助",
    language: "语言",
    gone: "此链接无效",
    gone_next: "链接已更换，或账户已删除。请联系服务商获取新链接。",
};

fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "正常",
        Status::OnHold => "未开始",
        Status::Limited => "流量用尽",
        Status::Expired => "已到期",
        Status::Disabled => "已停用",
    }
}

fn reason(gate: Gate) -> &'static str {
    match gate {
        Gate::Open => "尚未开始计时",
        Gate::Month | Gate::Total => "流量已用尽",
        Gate::Expired => "订阅已到期",
        Gate::Disabled => "账户已停用",
        Gate::Sharing => "账户已暂停",
    }
}

fn span(count: i64, unit: Unit) -> String {
    let unit = match unit {
        Unit::Day => "天",
        Unit::Hour => "小时",
        Unit::Minute => "分钟",
    };
    format!("{count} {unit}")
}
