//! A Rust Worker that does nothing, or reads one row of D1: what the platform itself costs.

use worker::{Context, Env, Request, Response, event};

/// `/row` answers with the row of the table `floor`, everything else with `ok`.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    if request.path() != "/row" {
        return Response::ok("ok");
    }
    let row = env.d1("DB")?.prepare("SELECT name FROM floor WHERE id = ?1").bind(&[1.into()])?;
    let name: Option<String> = row.first(Some("name")).await?;
    Response::ok(name.unwrap_or_default())
}
