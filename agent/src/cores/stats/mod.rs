//! The `StatsService` of V2Ray, which Xray and sing-box's `v2ray_api` speak as well.
//!
//! Counters are read and never reset: a reset that the reply of is lost would lose the bytes. One [`Connection`] ends at one
//! process and is never made anew by itself, so that all that was read over it belongs to one incarnation.

mod link;
mod messages;
#[cfg(test)]
pub(crate) mod server;

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use link::CallFailed;
pub(crate) use link::Link;
pub(crate) use messages::{AddUser, AlterInbound, Altered, RemoveUser, TypedMessage, User};
use messages::{GetStatsRequest, IpList, Nothing, QueryStatsRequest, QueryStatsResponse, SysStats};

use super::{CoreError, Counter};
use crate::clock;

/// What every name of a user's counter begins with.
const OF_USERS: &str = "user>>>";
/// The core cuts how long it has run to the second, so an answer that takes longer says too little of when it began.
const PROMPT: Duration = Duration::from_secs(1);
/// How often a core is asked that does not answer promptly.
const ASKED: usize = 3;

/// Whose names the services have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// V2Ray, and sing-box.
    V2Ray,
    /// Xray.
    Xray,
}

impl Dialect {
    /// The first part of every name of the core's protocol buffers.
    #[must_use]
    pub(crate) const fn root(self) -> &'static str {
        match self {
            Self::V2Ray => "v2ray.core",
            Self::Xray => "xray",
        }
    }

    fn stats(self, method: &str) -> String {
        format!("/{}.app.stats.command.StatsService/{method}", self.root())
    }
}

/// A core that was asked for the first time.
pub(crate) struct Connection {
    pub(crate) link: Link,
    pub(crate) dialect: Dialect,
    /// As the core told it at once, if it did.
    start: Option<Start>,
}

/// When a core began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Milliseconds after the boot by the clock that stands while the host is suspended: up to two seconds later than it was,
    /// never sooner.
    pub(crate) millis: u64,
    /// Whole seconds for which the core had run when it answered.
    pub(crate) uptime: u32,
}

/// Asks for how long the core has run. No start when the answer was late: whatever stood still between the core's clock and
/// ours would make a running core look new, which would credit everything that it has counted a second time.
async fn ask_start(link: &Link, dialect: Dialect) -> Result<Option<Start>, CallFailed> {
    let asked = clock::read().awake();
    let SysStats { uptime } = link.call(dialect.stats("GetSysStats"), Nothing {}).await?;
    let answered = clock::read().awake();
    let prompt = u128::from(answered.saturating_sub(asked)) <= PROMPT.as_millis();
    Ok(prompt.then(|| Start { millis: answered.saturating_sub(u64::from(uptime) * 1_000), uptime }))
}

/// Connects, and finds out whose dialect it is.
///
/// # Errors
/// [`CoreError::Unreachable`] when nothing answers there, [`CoreError::Config`] when what answers has no `StatsService`.
pub(crate) async fn connect(address: SocketAddr) -> Result<Connection, CoreError> {
    let link = Link::open(address).await?;
    for dialect in [Dialect::V2Ray, Dialect::Xray] {
        match ask_start(&link, dialect).await {
            Ok(start) => return Ok(Connection { link, dialect, start }),
            Err(error) if error.is_unknown_method() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CoreError::Config(format!("{address} has no StatsService: it must be among the services of the core's api")))
}

impl Connection {
    /// When the core began. It is asked again when it did not answer promptly.
    ///
    /// # Errors
    /// [`CoreError::Unreachable`] when it never does; and see [`connect`].
    pub(crate) async fn start(&self) -> Result<Start, CoreError> {
        if let Some(start) = self.start {
            return Ok(start);
        }
        for _ in 1..ASKED {
            if let Some(start) = ask_start(&self.link, self.dialect).await? {
                return Ok(start);
            }
        }
        Err(CoreError::Unreachable("it takes more than a second to say for how long it has run".to_owned()))
    }

    /// What every user has moved, by name.
    ///
    /// # Errors
    /// See [`connect`].
    pub(crate) async fn users(&self) -> Result<Vec<Counter>, CoreError> {
        // V2Ray and Xray read the pattern, sing-box the patterns; nobody may be asked to reset.
        let request = QueryStatsRequest {
            pattern: OF_USERS.to_owned(),
            reset: false,
            patterns: vec![OF_USERS.to_owned()],
            regexp: false,
        };
        let answer: QueryStatsResponse = self.link.call(self.dialect.stats("QueryStats"), request).await?;
        Ok(by_user(answer))
    }

    /// The addresses that a user's connections come from now, and when each was seen last, in unix seconds of the host's clock.
    /// `None` when this version cannot tell.
    ///
    /// # Errors
    /// See [`connect`].
    pub(crate) async fn online(&self, user: &str) -> Result<Option<BTreeMap<String, i64>>, CoreError> {
        let request = GetStatsRequest { name: format!("{OF_USERS}{user}>>>online"), reset: false };
        match self.link.call::<_, IpList>(self.dialect.stats("GetStatsOnlineIpList"), request).await {
            Ok(list) => Ok(Some(list.ips)),
            Err(error) if error.is_unknown_method() => Ok(None),
            // It knows none of this user.
            Err(error) if error.is_answer() => Ok(Some(BTreeMap::new())),
            Err(error) => Err(error.into()),
        }
    }
}

/// Puts the two counters of each user together. A name of another form is not of a user, and a counter below zero is none.
fn by_user(answer: QueryStatsResponse) -> Vec<Counter> {
    let mut users: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for stat in answer.stat {
        let Some((user, direction)) =
            stat.name.strip_prefix(OF_USERS).and_then(|rest| rest.rsplit_once(">>>traffic>>>"))
        else {
            continue;
        };
        let Ok(bytes) = u64::try_from(stat.value) else { continue };
        let known = matches!(direction, "uplink" | "downlink");
        if known && !users.contains_key(user) {
            users.insert(user.to_owned(), (0, 0));
        }
        match (users.get_mut(user), direction) {
            (Some(counter), "uplink") => counter.0 = bytes,
            (Some(counter), "downlink") => counter.1 = bytes,
            _ => {}
        }
    }
    users.into_iter().map(|(user, (up, down))| Counter { user, up, down }).collect()
}

#[cfg(test)]
mod tests;
