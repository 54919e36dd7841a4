//! The script that installs the agent: what an operator pipes into a shell on a host.

use worker::{Request, Response};

use super::address::origin;
use super::call::Call;
use super::failure::Failure;
use crate::views::{Programs, digest, script};

/// `GET /install.sh`
///
/// Without a credential: it holds this panel's address and the digests of its programs, and nothing that is secret. Rows read: 0.
pub(crate) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let programs = Programs { x86_64: program(call, "x86_64").await?, aarch64: program(call, "aarch64").await? };
    let script = script(&origin(request), &programs).ok_or(Failure::NotFound("a panel of this address"))?;
    let mut response = Response::ok(script)?;
    // A browser shows it, so that it can be read before it is run.
    response.headers_mut().set("content-type", "text/plain; charset=utf-8")?;
    Ok(response)
}

/// The digest of the agent for a machine, which `dev/agent-files` has put beside it.
async fn program(call: &Call, machine: &str) -> Result<Option<String>, Failure> {
    let file = format!("https://assets/agent/weir-agent-{machine}-linux.sha256");
    let mut answer =
        call.env.assets("ASSETS").map_err(|_| Failure::Unconfigured("the binding ASSETS"))?.fetch(file, None).await?;
    if answer.status_code() != 200 {
        return Ok(None);
    }
    Ok(digest(&answer.text().await?))
}
