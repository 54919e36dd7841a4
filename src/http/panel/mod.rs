//! The panel's face: pages for an operator's browser, signed in by a session cookie.

mod account;
mod alerts;
mod audit;
mod backups;
mod bulk;
mod clients;
mod figures;
mod home;
mod jobs;
mod node_form;
mod nodes;
mod operators;
mod plans;
mod settings;
pub(crate) mod sign_in;
mod sources;
mod user;
mod user_details;
mod users;
pub(crate) mod visit;

use askama::Template;
use worker::{Request, Response};

use super::call::Call;
use super::failure::Failure;
use crate::route::Page;
use crate::views::Refusal;

/// Shows a page to whoever is signed in.
pub(super) async fn answer(request: &Request, call: &Call, of: Page<'_>) -> Result<Response, Failure> {
    match of {
        Page::Home => home::show(request, call).await,
        Page::Users => users::show(request, call).await,
        Page::User(name) => user::show(request, call, name).await,
        Page::UserDetails(name) => user_details::show(request, call, name).await,
        Page::EditUser(name) => user::edit(request, call, name).await,
        Page::Bulk => bulk::show(request, call).await,
        Page::AddUser => user::add(request, call).await,
        Page::Nodes => nodes::list(request, call).await,
        Page::Node(id) => nodes::show(request, call, id).await,
        Page::EditNode(id) => node_form::edit(request, call, id).await,
        Page::NodeAddress(id, address) => node_form::address(request, call, id, address).await,
        Page::AddNode => nodes::add(request, call).await,
        Page::Plans => plans::list(request, call).await,
        Page::Plan(name) => plans::show(request, call, name).await,
        Page::AddPlan => plans::add(request, call).await,
        Page::Settings => settings::show(request, call).await,
        Page::Jobs => jobs::show(request, call).await,
        Page::Backups => backups::list(request, call).await,
        Page::Backup(instant) => backups::show(request, call, instant).await,
        Page::Account => account::show(request, call).await,
        Page::Operators => operators::list(request, call).await,
        Page::Operator(name) => operators::show(request, call, name).await,
        Page::AddOperator => operators::add(request, call).await,
        Page::AddKey => operators::add_key(request, call).await,
        Page::Audit => audit::show(request, call).await,
        Page::Alerts => alerts::list(request, call).await,
        Page::Channel(id) => alerts::show(request, call, id).await,
        Page::AddChannel => alerts::add(request, call).await,
        Page::Sources => sources::list(request, call).await,
        Page::Source(id) => sources::show(request, call, id).await,
        Page::AddSource => sources::add(request, call).await,
        Page::Clients => clients::list(request, call).await,
        Page::ClientRule(place) => clients::show(request, call, place).await,
        Page::AddClientRule => clients::add(request, call).await,
    }
}

/// A page. Forms on it carry their `Origin`, which the rule for all other answers (no referrer) would make `null`.
fn page(template: &impl Template, status: u16) -> Result<Response, Failure> {
    let html = template.render().map_err(|error| Failure::Broken(format!("template: {error}")))?;
    let response = Response::from_html(html)?.with_status(status);
    response.headers().set("referrer-policy", "same-origin")?;
    Ok(response)
}

/// Sends the browser to another page, with GET.
fn go_to(path: &str) -> Result<Response, Failure> {
    let response = Response::empty()?.with_status(303);
    response.headers().set("location", path)?;
    Ok(response)
}

/// A failure as a page.
pub(crate) fn refusal(failure: &Failure) -> Result<Response, Failure> {
    let (status, _, message) = failure.describe();
    let title = match status {
        404 => "Not found",
        405 => "Not that way",
        429 => "Too many requests",
        500.. => "Something is wrong",
        _ => "Not done",
    };
    page(&Refusal { title, message: sentence(&message) }, status)
}

/// Messages are written to follow a colon in a log or in JSON; on a page they stand alone.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("this path knows GET, HEAD"), "This path knows GET, HEAD.");
    }
}
