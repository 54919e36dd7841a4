//! The `StatsService` of V2Ray, which Xray and sing-box's `v2ray_api` speak as well.
//!
//! Counters are read and never reset: a reset that the reply of is lost would lose the bytes. One [`Connection`] ends at one
//! process and is never made anew by itself, so that all that was read over it belongs to one incarnation.

mod link;
mod messages;
#[cfg(test)]
pub(crate) mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;

pub(crate) use link::Link;
pub(crate) use messages::{AddUser, AlterInbound, Altered, RemoveUser, TypedMessage, User};
use messages::{GetStatsRequest, IpList, Nothing, QueryStatsRequest, QueryStatsResponse, SysStats};

use super::{CoreError, Counter};

/// What every name of a user's counter begins with.
const OF_USERS: &str = "user>>>";

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
    /// Whole seconds for which the core had run when it answered.
    pub(crate) uptime: u32,
}

/// Connects, finds out whose dialect it is, and for how long the core has run.
///
/// # Errors
/// [`CoreError::Unreachable`] when nothing answers there, [`CoreError::Config`] when what answers has no `StatsService`.
pub(crate) async fn connect(address: SocketAddr) -> Result<Connection, CoreError> {
    let link = Link::open(address).await?;
    for dialect in [Dialect::V2Ray, Dialect::Xray] {
        let answer: Result<SysStats, _> = link.call(dialect.stats("GetSysStats"), Nothing {}).await;
        match answer {
            Ok(stats) => return Ok(Connection { link, dialect, uptime: stats.uptime }),
            Err(error) if error.is_unknown_method() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CoreError::Config(format!("{address} has no StatsService: it must be among the services of the core's api")))
}

impl Connection {
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
