//! An operator's own sign-in.

use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::domain::passkey;
use crate::http::address;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::operators::{self, Operator};
use crate::store::passkeys::{self, Listed};
use crate::store::sessions::{self, ID, Open};
use crate::views::panel::{Account, AccountLive, PasskeyFacts, SecondFactor, Section, SessionFacts};

/// `GET /account`, also HEAD
///
/// For every role: it is about himself. Queries: 4. Rows read: 2 for the session, 1 and every recovery code there is, and the sessions
/// and passkeys of all operators.
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    let session = &visit.session;
    let id = session.operator;
    let batch = [operators::by_id(id), sessions::of_operator(id, call.now), passkeys::of_operator(id)];
    let outcomes = call.db.batch(&batch).await?;
    let [operator, open, keys] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of three gave other".into()));
    };
    let operator = operator.rows::<Operator>()?.pop().ok_or(Failure::Unauthorized)?;
    let open: Vec<Open> = open.rows()?;
    let facts = open.iter().map(|open| SessionFacts {
        id: open.hash.get(..ID).unwrap_or_default(),
        begun: open.created_at,
        address: open.address.as_deref(),
        agent: &open.user_agent,
        is_this: open.hash == session.hash,
    });
    let live = AccountLive::new(facts.collect(), &visit.say);
    if visit.wants_part {
        return page(&live, 200);
    }
    let factor = SecondFactor { since: operator.totp_since, codes: operator.recovery_codes };
    let keys: Vec<Listed> = keys.rows()?;
    let keys: Vec<_> = keys
        .iter()
        .map(|key| PasskeyFacts { id: &key.id, name: &key.name, made: key.created_at, used: key.last_used_at })
        .collect();
    let keys = passkey::site(&address::origin(request)).map(|_| keys.as_slice());
    page(&Account::new(visit.shell(Section::Account), session.role, factor, keys, live, &visit.say), 200)
}
