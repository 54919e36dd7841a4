//! What a user proves himself with, and setting it by hand.

use serde_json::{Map, Value, json};
use worker::{Request, Response};

use super::segment;
use super::users::find;
use crate::domain::credentials::by_hand;
use crate::http::auth::authorize_for_users;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::{accounts, body, by_hand as hands, ways};
use crate::store::users::User;

/// `GET /api/v1/users/{name}/credentials`
///
/// Rows read: 2, and 1 for the key.
pub(crate) async fn show(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:links").await?;
    answer(call, &find(call, &actor, name).await?)
}

/// `PUT /api/v1/users/{name}/credentials`
///
/// Replaces what was set: a field that the body lacks is derived again. The credentials that he had end at once on every node, the
/// new ones begin with the core's next reload; his links stay.
pub(crate) async fn set(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(&request, call, "users:write").await?;
    let said: Map<String, Value> = body::json(&mut request).await?;
    let choose = async |user: &User| hands::slot(call, "", &said, Some(&user.slot)).await;
    let user = accounts::renew(call, &actor, &segment(name)?, choose).await?;
    answer(call, &user)
}

/// `DELETE /api/v1/users/{name}/credentials`
///
/// They are derived again, from a slot that the nodes have loaded: no reload.
pub(crate) async fn forget(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:write").await?;
    let user = accounts::renew(call, &actor, &segment(name)?, async |_| Ok(None)).await?;
    answer(call, &user)
}

/// All of them, and the names of those that were set.
fn answer(call: &Call, user: &User) -> Result<Response, Failure> {
    let all = ways::credentials(call, user)?;
    let key = user.credentials.as_ref().map(|_| call.secret("CREDENTIAL_KEY")).transpose()?;
    let set = by_hand(key.as_deref(), &user.slot, user.credentials.as_deref()).unwrap_or_default();
    let names: Vec<&str> = set.fields().into_iter().map(|(name, _)| name).collect();
    Ok(Response::from_json(&json!({
        "name": user.slot,
        "by_hand": names,
        "vless_uuid": all.vless_uuid(),
        "vmess_uuid": all.vmess_uuid(),
        "tuic_uuid": all.tuic_uuid(),
        "tuic_password": all.tuic_password(),
        "trojan_password": all.trojan_password(),
        "shadowsocks_password": all.shadowsocks_password(),
        "shadowsocks_key_16": all.shadowsocks_key_16(),
        "shadowsocks_key_32": all.shadowsocks_key_32(),
        "hysteria_password": all.hysteria_password(),
        "anytls_password": all.anytls_password(),
        "proxy_password": all.proxy_password(),
    }))?)
}
