//! Users for messages in Marzban's form, which leave without anybody asking.

use serde::Deserialize;
use serde_json::Value;

use super::admin_json::AdminJson;
use super::user_json::{Scene, UserResponse};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::marzban_users::{self as store, Endpoints, Seen};

/// What messages about users need of them.
pub(crate) struct Told {
    users: Vec<(i64, Value, Value)>,
    first: Value,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

impl Told {
    /// Reads the users of these numbers. `origin` is where links begin. Rows read: 5 per user, 1, and the operators up to the first owner.
    pub(crate) async fn read(call: &Call, ids: &[i64], origin: &str) -> Result<Self, Failure> {
        let outcomes =
            call.db.batch(&[store::by_numbers(ids, call.now), store::endpoints(), store::first_owner()]).await?;
        let [users, endpoints, owner] = outcomes.as_slice() else {
            return Err(Failure::Broken("a batch of three gave other".into()));
        };
        let endpoints = endpoints.rows::<Endpoints>()?.pop().map_or_else(|| "[]".to_owned(), |found| found.endpoints);
        let scene = Scene::new(origin.to_owned(), &endpoints)?;
        let first = owner.rows::<Name>()?.pop().map(|owner| AdminJson {
            username: owner.name,
            is_sudo: true,
            telegram_id: None,
            discord_webhook: None,
            users_usage: None,
        });
        let first = value(&first)?;
        let mut read = Vec::new();
        for seen in users.rows::<Seen>()? {
            let id = seen.user.id;
            let user = value(&UserResponse::new(seen, &scene, call)?)?;
            let owner = user.get("admin").filter(|admin| !admin.is_null()).cloned();
            read.push((id, user, owner.unwrap_or_else(|| first.clone())));
        }
        Ok(Self { users: read, first })
    }

    /// The user of a number, none once he is deleted; and the admin whose user he is, of nobody's user the panel's first owner.
    pub(crate) fn user(&self, id: Option<i64>) -> (Option<&Value>, &Value) {
        let found = self.users.iter().find(|(of, _, _)| Some(*of) == id);
        found.map_or((None, &self.first), |(_, user, owner)| (Some(user), owner))
    }
}

fn value<T: serde::Serialize>(of: &T) -> Result<Value, Failure> {
    serde_json::to_value(of).map_err(|error| Failure::Broken(format!("a user for a message: {error}")))
}
