//! The rules, as text for `nft -f -`. Pure.
//!
//! What leaves is held where it leaves the host (the hook `egress` of each device) and not where it is sent: a packet that is dropped
//! there was sent as far as its sender can tell, while a datagram that the hook `output` drops comes back to the core as an error,
//! which ends the association. What comes back is held where it arrives, by the mark that its connection remembers.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};

use crate::cores::singbox::marks::{MARKS, MASK};

/// The tables' name, in the families `inet` and `netdev`.
pub(super) const TABLE: &str = "weir";
/// Bytes that pass for each byte of a limit, in thousandths: headers of IP and TCP are 3.5 % of a full packet, and hardly anything of
/// many packets that the kernel handles as one. In the middle of both.
const HEADERS: u64 = 1_020;
/// Bytes that may pass at once beside a second's worth, which nftables always adds: what the kernel handles as one packet must fit
/// under a slow limit too.
const BURST: u64 = 64 << 10;

/// Bytes a second in each direction, by mark.
pub(super) type Limits = BTreeMap<u32, u64>;

/// All that the rules depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// Names of the devices that packets leave by.
    pub(super) devices: BTreeSet<String>,
    pub(super) limits: Limits,
}

impl Table {
    /// Makes both tables, in place of those that are there.
    pub(super) fn whole(&self) -> String {
        let mut script = removal();
        let (users, chains) = (self.users(), |rest: &str| self.chains(rest));
        let devices = quoted(&self.devices);
        // Writing to a String cannot fail.
        let _ = write!(
            script,
            "table inet {TABLE} {{
{users}{}	chain out {{
		type filter hook output priority filter; policy accept;
		meta mark & {MASK:#x} != {MARKS:#x} accept
		oifname != {{ {devices} }} drop
		ct state untracked drop
		ct mark set meta mark
	}}
	chain in {{
		type filter hook input priority filter; policy accept;
		ct mark & {MASK:#x} != {MARKS:#x} accept
		ct direction original accept
		ct mark vmap @users
		drop
	}}
}}
table netdev {TABLE} {{
{users}{}	chain out {{
		type filter hook egress devices = {{ {devices} }} priority filter; policy accept;
		meta mark & {MASK:#x} != {MARKS:#x} accept
		meta mark vmap @users
		drop
	}}
}}
",
            chains(""),
            chains(COUNTED)
        );
        script
    }

    fn users(&self) -> String {
        let elements: Vec<String> = self.limits.keys().map(|mark| element(*mark)).collect();
        let elements =
            if elements.is_empty() { String::new() } else { format!("\t\telements = {{ {} }}\n", elements.join(", ")) };
        format!("\tmap users {{\n\t\ttype mark : verdict\n{elements}\t}}\n")
    }

    fn chains(&self, rest: &str) -> String {
        let of =
            |(mark, speed): (&u32, &u64)| format!("\tchain {} {{\n\t\t{}\n{rest}\t}}\n", chain(*mark), hold(*speed));
        self.limits.iter().map(of).collect()
    }

    /// Makes this table of one that is there, without touching anybody whose limit stays: what he has left of his burst stays too.
    /// `None` when only making it anew would.
    pub(super) fn change(&self, there: &Self) -> Option<String> {
        if self.devices != there.devices {
            return None;
        }
        let mut script = String::new();
        for (family, rest) in [("inet", ""), ("netdev", COUNTED)] {
            let table = format!("{family} {TABLE}");
            for (mark, speed) in self.limits.iter().filter(|(mark, speed)| there.limits.get(mark) != Some(speed)) {
                let name = chain(*mark);
                let _ = writeln!(script, "add chain {table} {name}\nflush chain {table} {name}");
                let _ = writeln!(script, "add rule {table} {name} {}", hold(*speed));
                if !rest.is_empty() {
                    let _ = writeln!(script, "add rule {table} {name} {}", rest.trim());
                }
                let _ = writeln!(script, "add element {table} users {{ {} }}", element(*mark));
            }
            for mark in there.limits.keys().filter(|mark| !self.limits.contains_key(mark)) {
                let _ = writeln!(script, "delete element {table} users {{ {} }}", element(*mark));
                let _ = writeln!(script, "delete chain {table} {}", chain(*mark));
            }
        }
        Some(script)
    }
}

/// Takes both tables away, whether they are there or not.
pub(super) fn removal() -> String {
    let each = ["inet", "netdev"].map(|family| format!("table {family} {TABLE}\ndelete table {family} {TABLE}\n"));
    each.concat()
}

/// A packet that passed is held once, by the first of several devices on its way (a bridge, a tunnel and the card below).
const COUNTED: &str = "\t\tmeta mark set 0\n";

fn chain(mark: u32) -> String {
    format!("u{mark:08x}")
}

fn element(mark: u32) -> String {
    format!("{mark:#010x} : goto {}", chain(mark))
}

fn hold(speed: u64) -> String {
    let rate = (u128::from(speed) * u128::from(HEADERS)).div_ceil(1_000);
    let rate = u64::try_from(rate).unwrap_or(u64::MAX).clamp(1, MOST);
    format!("limit rate over {rate} bytes/second burst {BURST} bytes drop")
}

/// No line is faster, and the kernel computes in billionths of seconds of it.
const MOST: u64 = 1 << 40;

fn quoted(devices: &BTreeSet<String>) -> String {
    devices.iter().map(|device| format!("{device:?}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(devices: &[&str], limits: &[(u32, u64)]) -> Table {
        Table {
            devices: devices.iter().map(|device| (*device).to_owned()).collect(),
            limits: limits.iter().copied().collect(),
        }
    }

    #[test]
    fn a_user_is_held_both_ways_and_a_mark_of_nobody_passes_neither() {
        let script = table(&["lo", "eth0"], &[(0x5700_0a01, 1_000_000)]).whole();
        let expected = r#"table inet weir
delete table inet weir
table netdev weir
delete table netdev weir
table inet weir {
	map users {
		type mark : verdict
		elements = { 0x57000a01 : goto u57000a01 }
	}
	chain u57000a01 {
		limit rate over 1020000 bytes/second burst 65536 bytes drop
	}
	chain out {
		type filter hook output priority filter; policy accept;
		meta mark & 0xff000000 != 0x57000000 accept
		oifname != { "eth0", "lo" } drop
		ct state untracked drop
		ct mark set meta mark
	}
	chain in {
		type filter hook input priority filter; policy accept;
		ct mark & 0xff000000 != 0x57000000 accept
		ct direction original accept
		ct mark vmap @users
		drop
	}
}
table netdev weir {
	map users {
		type mark : verdict
		elements = { 0x57000a01 : goto u57000a01 }
	}
	chain u57000a01 {
		limit rate over 1020000 bytes/second burst 65536 bytes drop
		meta mark set 0
	}
	chain out {
		type filter hook egress devices = { "eth0", "lo" } priority filter; policy accept;
		meta mark & 0xff000000 != 0x57000000 accept
		meta mark vmap @users
		drop
	}
}
"#;
        assert_eq!(script, expected);
    }

    #[test]
    fn without_users_the_map_is_empty_and_the_table_is_there() {
        let script = table(&["lo"], &[]).whole();
        assert!(!script.contains("elements") && script.contains("type mark : verdict"), "{script}");
    }

    #[test]
    fn a_change_touches_those_whose_limit_changed_alone() {
        let there = table(&["lo"], &[(0x5700_0001, 1_000), (0x5700_0002, 2_000), (0x5700_0003, 3_000)]);
        let wanted = table(&["lo"], &[(0x5700_0001, 1_000), (0x5700_0002, 20_000_000), (0x5700_0004, 4_000)]);
        let script = wanted.change(&there).unwrap();
        assert!(!script.contains("u57000001"), "{script}");
        let expected = "add chain inet weir u57000002
flush chain inet weir u57000002
add rule inet weir u57000002 limit rate over 20400000 bytes/second burst 65536 bytes drop
add element inet weir users { 0x57000002 : goto u57000002 }
add chain inet weir u57000004
flush chain inet weir u57000004
add rule inet weir u57000004 limit rate over 4080 bytes/second burst 65536 bytes drop
add element inet weir users { 0x57000004 : goto u57000004 }
delete element inet weir users { 0x57000003 : goto u57000003 }
delete chain inet weir u57000003
add chain netdev weir u57000002";
        assert!(script.starts_with(expected), "{script}");
        assert_eq!(script.matches("add rule netdev weir u57000004 meta mark set 0\n").count(), 1);
        assert_eq!(there.change(&there).as_deref(), Some(""));
    }

    #[test]
    fn other_devices_make_the_table_anew() {
        assert_eq!(table(&["lo", "eth0"], &[]).change(&table(&["lo"], &[])), None);
    }

    #[test]
    fn no_speed_makes_a_rule_that_the_kernel_refuses_or_that_lets_nothing_pass() {
        assert_eq!(hold(1), "limit rate over 2 bytes/second burst 65536 bytes drop");
        assert_eq!(hold(0), "limit rate over 1 bytes/second burst 65536 bytes drop");
        assert_eq!(hold(u64::MAX), "limit rate over 1099511627776 bytes/second burst 65536 bytes drop");
    }
}
