//! `/api/v1/users`, `/api/v1/plans` and `/api/v1/bulk`.

use super::NoRoute::{self, Method, Path};
use super::{Route, UserAction, aliases};

/// `/api/v1/users...`
pub(super) fn users<'a>(method: &str, rest: &[&'a str]) -> Result<Route<'a>, NoRoute> {
    match (rest, method) {
        ([], "GET") => Ok(Route::Users),
        ([], "POST") => Ok(Route::CreateUser),
        ([name], "GET") => Ok(Route::User(name)),
        ([name], "PATCH") => Ok(Route::ChangeUser(name)),
        ([name], "DELETE") => Ok(Route::DeleteUser(name)),
        ([_], _) => Err(Method("GET, PATCH, DELETE")),
        ([name, "packages"], "GET") => Ok(Route::Packages(name)),
        ([name, "packages"], "POST") => Ok(Route::BuyPackage(name)),
        ([] | [_, "packages"], _) => Err(Method("GET, POST")),
        ([name, "packages", order, "refund"], "POST") => Ok(Route::RefundPackage(name, order)),
        ([_, "packages", _, "refund"], _) => Err(Method("POST")),
        ([name, "credentials"], "GET") => Ok(Route::Credentials(name)),
        ([name, "credentials"], "PUT") => Ok(Route::SetCredentials(name)),
        ([name, "credentials"], "DELETE") => Ok(Route::ForgetCredentials(name)),
        ([_, "credentials"], _) => Err(Method("GET, PUT, DELETE")),
        ([name, "owner"], "PUT") => Ok(Route::OwnUser(name)),
        ([_, "owner"], _) => Err(Method("PUT")),
        ([name, "aliases", rest @ ..], method) => aliases::route(method, name, rest).map(Route::Aliases),
        ([name, "devices", rest @ ..], method) => devices(method, name, rest),
        ([name, verb], method) => of_user(method, name, verb),
        _ => Err(Path),
    }
}

/// `/api/v1/bulk...`
pub(super) fn bulk<'a>(method: &str, rest: &[&'a str]) -> Result<Route<'a>, NoRoute> {
    match (rest, method) {
        ([], "GET") => Ok(Route::BulkActions),
        ([], "POST") => Ok(Route::StartBulk),
        ([], _) => Err(Method("GET, POST")),
        (["preview"], "POST") => Ok(Route::PreviewBulk),
        (["preview"], _) => Err(Method("POST")),
        ([id], "GET") => Ok(Route::BulkAction(id)),
        ([_], _) => Err(Method("GET")),
        ([id, "undo"], "POST") => Ok(Route::UndoBulk(id)),
        ([id, "stop"], "POST") => Ok(Route::StopBulk(id)),
        ([_, "undo" | "stop"], _) => Err(Method("POST")),
        _ => Err(Path),
    }
}

/// `/api/v1/users/{name}/{what}`: what is to be seen of him, or what is done to him.
fn of_user<'a>(method: &str, name: &'a str, what: &str) -> Result<Route<'a>, NoRoute> {
    let seen = match what {
        "usage" => Route::UserUsage(name),
        "periods" => Route::Periods(name),
        "explain" => Route::Explain(name),
        "resets" => Route::Resets(name),
        "subscription" => Route::UserSubscription(name),
        "addresses" => Route::UserAddresses(name),
        verb => {
            let action = user_action(verb).ok_or(Path)?;
            return if method == "POST" { Ok(Route::ActOnUser(name, action)) } else { Err(Method("POST")) };
        }
    };
    if method == "GET" { Ok(seen) } else { Err(Method("GET")) }
}

/// `/api/v1/plans...`
pub(super) fn plans<'a>(method: &str, rest: &[&'a str]) -> Result<Route<'a>, NoRoute> {
    match (rest, method) {
        ([], "GET") => Ok(Route::Plans),
        ([], "POST") => Ok(Route::CreatePlan),
        ([], _) => Err(Method("GET, POST")),
        ([name], "GET") => Ok(Route::Plan(name)),
        ([name], "PATCH") => Ok(Route::ChangePlan(name)),
        ([name], "DELETE") => Ok(Route::DeletePlan(name)),
        ([_], _) => Err(Method("GET, PATCH, DELETE")),
        ([name, "changes"], "GET") => Ok(Route::PlanChanges(name)),
        ([_, "changes"], _) => Err(Method("GET")),
        ([name, "apply"], "POST") => Ok(Route::ApplyPlan(name)),
        ([_, "apply"], _) => Err(Method("POST")),
        _ => Err(Path),
    }
}

fn user_action(verb: &str) -> Option<UserAction> {
    match verb {
        "reset" => Some(UserAction::Reset),
        "enable" => Some(UserAction::Enable),
        "disable" => Some(UserAction::Disable),
        "revoke" => Some(UserAction::Revoke),
        _ => None,
    }
}

/// `/api/v1/users/{name}/devices...`
fn devices<'a>(method: &str, name: &'a str, rest: &[&'a str]) -> Result<Route<'a>, NoRoute> {
    match (rest, method) {
        ([], "GET") => Ok(Route::Devices(name)),
        ([], "DELETE") => Ok(Route::ForgetDevices(name)),
        ([], _) => Err(Method("GET, DELETE")),
        ([id], "PATCH") => Ok(Route::RenameDevice(name, id)),
        ([id], "DELETE") => Ok(Route::ForgetDevice(name, id)),
        ([_], _) => Err(Method("PATCH, DELETE")),
        _ => Err(Path),
    }
}
