//! Whether the kernel can hold speed limits.

use super::Finding::{self, Good, Missing, Note};
use super::agent::running;
use crate::config::Config;
use crate::node::POLICE;
use crate::{cores, policing};

/// The number of the capability that routing marks need.
const CAP_NET_ADMIN: u32 = 12;

/// Whether the kernel can hold speed limits. The relay does while it cannot, so nothing is missing. `None` for a core whose users have
/// no such limits.
pub(super) async fn of_nft(config: &Config) -> Option<Finding> {
    let relay = "Users with a speed limit go through the agent's relay";
    let marking = match cores::for_a_look(config) {
        Ok(core) if core.relay().is_none() => return None,
        Ok(core) => core.marking(),
        Err(why) => Err(why.to_string()),
    };
    if let Err(why) = marking {
        return Some(Note(format!("{relay}, not by nft: {why}.")));
    }
    let troubles = running(config).map(|report| report.troubles);
    let refused = |troubles: &Vec<String>| troubles.iter().any(|told| told.contains(POLICE));
    Some(match (policing::look().await, troubles) {
        (_, Some(troubles)) if refused(&troubles) => {
            Note(format!("{relay}: see what the running agent says of it, below."))
        }
        (Ok(version), _) => Good(format!("Speed limits are held by {version}, and this user may change its rules.")),
        // The service has a right that this shell has not.
        (Err(_), Some(_)) => Good("Speed limits are held by nft: the running agent has no trouble with it.".to_owned()),
        (Err(why), None) => Note(format!(
            "{relay} unless the agent may use nft ({why}): install Debian's package nftables or its like, and give the \
             agent's unit CAP_NET_ADMIN (install.sh with --net-admin). The unit may have the right where this shell has not."
        )),
    })
}

/// Whether the core may mark its packets.
pub(super) fn of_marks(core: u32) -> Option<Finding> {
    let status = std::fs::read_to_string(format!("/proc/{core}/status")).ok()?;
    may_mark(&status).filter(|may| !may).map(|_| {
        Missing(
            "The core has no CAP_NET_ADMIN, without which it sends nothing under a routing mark: users with a speed limit \
             cannot connect. Give it to the core's unit, or set speed.by = \"relay\"."
                .to_owned(),
        )
    })
}

/// Whether a process whose `/proc/PID/status` this is has `CAP_NET_ADMIN`.
fn may_mark(status: &str) -> Option<bool> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let set = u64::from_str_radix(set.trim(), 16).ok()?;
    Some(set & (1 << CAP_NET_ADMIN) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_without_the_capability_is_known_by_its_status() {
        let with = |set: &str| may_mark(&format!("Name:\tsing-box\nCapPrm:\t0\nCapEff:\t{set}\n"));
        assert_eq!(with("0000000000003400"), Some(true));
        assert_eq!(with("0000000000002400"), Some(false));
        assert_eq!(may_mark("Name:\tsing-box\n"), None);
    }
}
