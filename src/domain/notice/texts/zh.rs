//! Chinese, simplified.

use super::{Labels, Words};
use crate::domain::notice::Kind;

pub(super) const WORDS: Words = Words {
    title,
    operator,
    user,
    limited_total: (
        "用户 {user} 的总流量 {total_quota} 已用完,无法继续连接。",
        "您的总流量 {total_quota} 已用完。在提高额度之前无法连接。",
    ),
    reason,
    report: Labels {
        day: "日期",
        users: "可用用户 / 全部用户",
        active: "活跃用户",
        traffic: "流量",
        nodes: "节点",
        top: "流量最多的用户",
        silent: "失联节点",
        limits: "流量已用完的用户",
        jobs: "失败的任务",
        cost: "数据库写入行数 / 读取行数",
        audit: "审计日志",
        more: "另有 {count} 个",
    },
    left_out: "…… 省略 {count} 行,更多请见面板。",
};

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::QuotaWarning => "{user}:本月流量已用 {percent}%",
        Kind::Limited => "{user}:流量已用完",
        Kind::Expiring => "{user}:账户即将到期",
        Kind::Expired => "{user}:账户已到期",
        Kind::Enabled => "{user}:已恢复连接",
        Kind::Disabled => "{user}:已停用",
        Kind::Created => "{user}:用户已创建",
        Kind::Updated => "{user}:用户已修改",
        Kind::Deleted => "{user}:用户已删除",
        Kind::Reset => "{user}:新的计费周期",
        Kind::Revoked => "{user}:订阅链接已更换",
        Kind::Silent => "节点 {node} 失联",
        Kind::Back => "节点 {node} 已恢复",
        Kind::Fork => "节点 {node}:上报数据需要检查",
        Kind::Sharing => "{user}:账户可能被共用",
        Kind::JobFailed => "任务 {job} 执行失败",
        Kind::DailyReport => "每日报告",
        Kind::Test => "通知渠道 {channel} 测试",
    }
}

fn operator(kind: Kind) -> &'static str {
    match kind {
        Kind::QuotaWarning => "用户 {user} 已使用本月流量的 {percent}%:{used} / {quota}。流量将于 {resets_at} 重置。",
        Kind::Limited => "用户 {user} 的本月流量 {quota} 已用完,将于 {resets_at} 恢复连接。",
        Kind::Expiring => "用户 {user} 的账户将于 {expires_at} 到期。",
        Kind::Expired => "用户 {user} 的账户已于 {expires_at} 到期。",
        Kind::Enabled => "用户 {user} 可以重新连接。此前停用原因:{reason}。",
        Kind::Disabled => "用户 {user} 已无法连接。原因:{reason}。",
        Kind::Created => "用户 {user} 已创建。",
        Kind::Updated => "用户 {user} 的资料已修改。",
        Kind::Deleted => "用户 {user} 已删除。",
        Kind::Reset => "用户 {user} 进入新的计费周期。上一周期使用了 {used}。",
        Kind::Revoked => "用户 {user} 的订阅链接和凭据已更换。",
        Kind::Silent => "节点 {node} 自 {since} 起没有消息。该节点上的用户仍可使用到其额度为止。",
        Kind::Back => "节点 {node} 已恢复。失联时间:{since} 至 {until}。",
        Kind::Fork => "节点 {node}:{detail}。",
        Kind::Sharing => "用户 {user} 同时从 {sources} 个地址连接,允许 {limit} 个。",
        Kind::JobFailed => "任务 {job} 已连续失败 {failures} 次:{error}",
        Kind::DailyReport => "无法读取报告。",
        Kind::Test => "这是一条测试消息。通知渠道 {channel} 工作正常。",
    }
}

fn user(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::QuotaWarning => "您已使用本月流量的 {percent}%:{used} / {quota}。流量将于 {resets_at} 重置。",
        Kind::Limited => "您的本月流量 {quota} 已用完,将于 {resets_at} 恢复连接。",
        Kind::Expiring => "您的账户将于 {expires_at} 到期。",
        Kind::Expired => "您的账户已于 {expires_at} 到期。",
        Kind::Enabled => "您可以重新连接了。",
        Kind::Disabled => "您的账户已停用。原因:{reason}。",
        Kind::Reset => "新的计费周期已开始。在 {resets_at} 之前您可以使用 {quota}。",
        _ => return None,
    })
}

fn reason(name: &str) -> &'static str {
    match name {
        "month" => "本月流量已用完",
        "total" => "总流量已用完",
        "expired" => "账户已到期",
        "person" => "由管理员停用",
        "sharing" => "账户疑似被共用",
        _ => "其他原因",
    }
}
