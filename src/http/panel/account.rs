//! An operator's own sign-in.

use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::operators::{self, Operator};
use crate::store::sessions::{self, ID, Open};
use crate::views::panel::{Account, AccountLive, SecondFactor, Section, SessionFacts};

/// `GET /account`, also HEAD
///
/// For every role: it is about himself. Queries: 3. Rows read: 2 for the session, 1 and every recovery code there is, and the sessions
/// of all operators.
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    let session = &visit.session;
    let batch = [operators::by_id(session.operator), sessions::of_operator(session.operator, call.now)];
    let outcomes = call.db.batch(&batch).await?;
    let [operator, open] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
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
    page(&Account::new(visit.shell(Section::Account), session.role, factor, live, &visit.say), 200)
}
