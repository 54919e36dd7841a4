//! Operators and API keys: all of them, one operator, and the forms that add one.

use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::domain::percent;
use crate::domain::role;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::api_keys::{self, ID, Listed};
use crate::store::operators::{self as store, HandedOut, Operator, Owned};
use crate::views::panel::{
    AddKey, AddOperator, KeyFacts, OperatorFacts, OperatorLive, OperatorPage, Operators, Section,
};

/// `GET /settings/operators`, also HEAD
///
/// Queries: 4. Rows read: 2 for the session, 1 per operator with every recovery code for each, 1 per user who has an owner, and the keys.
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("operators:read")?;
    let outcomes = call.db.batch(&[store::all(), store::owned(), api_keys::all()]).await?;
    let [operators, owned, keys] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of three gave other".into()));
    };
    let (operators, owned, keys) = (operators.rows::<Operator>()?, owned.rows::<Owned>()?, keys.rows::<Listed>()?);
    let users = |id| owned.iter().find(|owned| owned.operator == id).map_or(0, |owned| owned.users);
    let operators = operators.iter().map(|operator| facts(operator, &visit).of(users(operator.id)));
    let keys = keys.iter().map(|key| KeyFacts {
        id: key.hash.get(..ID).unwrap_or_default(),
        name: &key.name,
        scopes: &key.scopes,
        last_used_at: key.last_used_at,
        expires_at: key.expires_at,
    });
    let (operators, keys) = (operators.collect::<Vec<_>>(), keys.collect::<Vec<_>>());
    page(&Operators::new(visit.shell(Section::Operators), &operators, &keys, &visit.say), 200)
}

/// `GET /settings/operators/{name}`, also HEAD
///
/// Queries: 3, and 2 for the part that refreshes itself. Rows read: 2 for the session, 1 and every recovery code; for the whole page 2
/// per user of his.
pub(super) async fn show(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("operators:read")?;
    let name = percent::decode(name).ok_or(Failure::NotFound("operator"))?;
    let operator: Operator = call.db.first(store::by_name(&name)).await?.ok_or(Failure::NotFound("operator"))?;
    let live = OperatorLive::new(&facts(&operator, &visit), &visit.say);
    if visit.wants_part {
        return page(&live, 200);
    }
    let handed: Option<HandedOut> = call.db.first(store::handed_out(operator.id, call.now)).await?;
    let facts = facts(&operator, &visit).of(handed.map_or(0, |handed| handed.users));
    let bytes = handed.and_then(|handed| handed.bytes);
    page(&OperatorPage::new(visit.shell(Section::Operators), &facts, bytes, live, &visit.say), 200)
}

fn facts<'a>(operator: &'a Operator, visit: &Visit) -> OperatorFacts<'a> {
    OperatorFacts {
        name: &operator.name,
        role: operator.role,
        created_at: operator.created_at,
        is_disabled: operator.disabled_at.is_some(),
        has_second_factor: operator.totp_since.is_some(),
        signed_in_at: operator.signed_in_at,
        user_allowance: operator.user_allowance,
        byte_allowance: operator.byte_allowance,
        users: 0,
        is_me: operator.id == visit.session.operator,
    }
}

/// `GET /new/operator`, also HEAD
///
/// Rows read: 2 for the session.
pub(super) async fn add(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("operators:write")?;
    page(&AddOperator::new(visit.shell(Section::Operators), &visit.say), 200)
}

/// `GET /new/key`, also HEAD
///
/// Rows read: 2 for the session.
pub(super) async fn add_key(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("keys:write")?;
    page(&AddKey::new(visit.shell(Section::Operators), role::scopes().collect(), &visit.say), 200)
}
