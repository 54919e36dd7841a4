//! What is simulated.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};
use weir_wire::Bytes;
use weir_wire::grant::Rules;
use weir_wire::sync::Policy;

pub(crate) const HELP: &str = "\
weir-simulate: what a Weir costs, how fresh its totals are and how exact its cuts

  --users N            accounts (2000)
  --nodes N            hosts (one for each 400 users)
  --days N             simulated days (1)
  --seed N             another draw of the same shape (1)
  --active SHARE       users who are connected on a day at all (0.5)
  --always-on SHARE    users who never disconnect (0.05)
  --webhooks N         reports about other servers for each active user and day (0)
  --month-end          everybody's period ends in the first minute, instead of a thirtieth's
  --interval SECONDS   SYNC_SECONDS of the panel (30)
  --report-seconds N   REPORT_SECONDS (900)
  --report-mib N       REPORT_BYTES, in MiB (256)
  --floor-kib N        GRANT_FLOOR_BYTES, in KiB (1024)
  --prices             what each operation costs, and where that is asserted; nothing is simulated
  --json FILE          all figures as JSON
  --quiet              no progress
";

/// Everything that a run depends on.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) users: u32,
    pub(crate) nodes: u32,
    pub(crate) days: u32,
    pub(crate) seed: u64,
    pub(crate) active: f64,
    pub(crate) always_on: f64,
    pub(crate) webhooks: u32,
    pub(crate) month_end: bool,
    pub(crate) policy: Policy,
    pub(crate) rules: Rules,
    /// Only the price list is wanted.
    pub(crate) prices: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) quiet: bool,
}

impl Args {
    /// The defaults of panel and agent.
    pub(crate) fn new(users: u32, nodes: u32, days: u32) -> Self {
        Self {
            users,
            nodes,
            days,
            seed: 1,
            active: 0.5,
            always_on: 0.05,
            webhooks: 0,
            month_end: false,
            policy: Policy::default(),
            rules: Rules::default(),
            prices: false,
            json: None,
            quiet: false,
        }
    }

    /// Reads the command line; `None` when help is wanted.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, lexopt::Error> {
        let mut args = Self::new(2_000, 0, 1);
        let mut parser = Parser::from_args(words);
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Long("users") => args.users = within(&mut parser, "users", 1, 5_000_000)?,
                Arg::Long("nodes") => args.nodes = within(&mut parser, "nodes", 1, 20_000)?,
                Arg::Long("days") => args.days = within(&mut parser, "days", 1, 400)?,
                Arg::Long("seed") => args.seed = parser.value()?.parse()?,
                Arg::Long("active") => args.active = share(&mut parser, "active")?,
                Arg::Long("always-on") => args.always_on = share(&mut parser, "always-on")?,
                Arg::Long("webhooks") => args.webhooks = within(&mut parser, "webhooks", 0, 100_000)?,
                Arg::Long("month-end") => args.month_end = true,
                Arg::Long("interval") => args.policy.interval = within(&mut parser, "interval", 1, 86_400)?,
                Arg::Long("report-seconds") => {
                    args.policy.report_seconds = within(&mut parser, "report-seconds", 1, 86_400)?;
                }
                Arg::Long("report-mib") => {
                    args.policy.report_bytes = Bytes::mib(u64::from(within(&mut parser, "report-mib", 1, 1 << 30)?));
                }
                Arg::Long("floor-kib") => {
                    let kib = within(&mut parser, "floor-kib", 1, 1 << 30)?;
                    args.policy.floor = Bytes::saturating(u64::from(kib) << 10);
                    args.rules.floor = args.policy.floor;
                }
                Arg::Long("json") => args.json = Some(parser.value()?.into()),
                Arg::Long("prices") => args.prices = true,
                Arg::Long("quiet") => args.quiet = true,
                other => return Err(other.unexpected()),
            }
        }
        if args.nodes == 0 {
            args.nodes = args.users.div_ceil(400);
        }
        Ok(Some(args))
    }
}

fn within(parser: &mut Parser, name: &str, least: u32, most: u32) -> Result<u32, lexopt::Error> {
    let number: u32 = parser.value()?.parse()?;
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(format!("--{name} is an integer from {least} to {most}").into())
}

fn share(parser: &mut Parser, name: &str) -> Result<f64, lexopt::Error> {
    let share: f64 = parser.value()?.parse()?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(format!("--{name} is a number from 0 to 1").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Option<Args>, lexopt::Error> {
        Args::read(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_node_carries_four_hundred_users_unless_it_is_said() {
        let args = read("--users 2000").unwrap().unwrap();
        assert_eq!((args.users, args.nodes, args.days), (2_000, 5, 1));
        assert_eq!(read("--users 2000 --nodes 7").unwrap().unwrap().nodes, 7);
        assert_eq!(args.policy, Policy::default());
    }

    #[test]
    fn a_bad_argument_is_named_with_its_rule() {
        for (words, rule) in [
            ("--users 0", "--users is an integer from 1 to 5000000"),
            ("--active 1.5", "--active is a number from 0 to 1"),
        ] {
            assert_eq!(read(words).unwrap_err().to_string(), rule);
        }
        assert!(read("--hosts 3").is_err());
        assert!(read("--help").unwrap().is_none());
    }
}
