//! Templates of users. What makes users of them is the client: a template is kept and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use worker::{Request, Response};

use super::offered;
use super::query::{number, page};
use crate::domain::audit::{Entry, Facts};
use crate::domain::endpoint::NodeWays;
use crate::domain::marzban::inbounds::Protocol;
use crate::domain::marzban::offered::of_tags;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::{authorize, authorize_for_users};
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::route::Templates;
use crate::store::d1::Outcome;
use crate::store::user_templates::{self as store, Template};

const NONE: Failure = Failure::NotFound("template");
/// Largest number that every client reads exactly.
const MOST: u64 = (1 << 53) - 1;
/// Characters.
const LONGEST_NAME: usize = 64;
const LONGEST_AFFIX: usize = 20;

/// Answers what is asked of templates.
pub(super) async fn answer(request: Request, call: &Call, route: Templates<'_>) -> Result<Response, Failure> {
    match route {
        Templates::List => list(&request, call).await,
        Templates::Create => create(request, call).await,
        Templates::Get(id) => get(&request, call, id).await,
        Templates::Change(id) => change(request, call, id).await,
        Templates::Delete(id) => delete(&request, call, id).await,
    }
}

/// What is said of a template. A change leaves what it lacks, and what is `null`, as it is.
#[derive(Clone, Deserialize)]
struct Fields {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    data_limit: Option<f64>,
    #[serde(default)]
    expire_duration: Option<f64>,
    #[serde(default)]
    username_prefix: Option<String>,
    #[serde(default)]
    username_suffix: Option<String>,
    #[serde(default)]
    inbounds: Option<Value>,
}

/// The same, checked.
struct Wanted {
    name: Option<String>,
    data_limit: Option<i64>,
    expire_duration: Option<i64>,
    username_prefix: Option<String>,
    username_suffix: Option<String>,
    tags: Vec<String>,
}

/// A number of bytes or seconds; what is behind the point of a float is left out, as Marzban does.
fn count(field: &'static str, number: Option<f64>) -> Result<Option<i64>, Failure> {
    let Some(number) = number else { return Ok(None) };
    // JSON text of a float without its fraction is that of an integer.
    let whole: Option<u64> = format!("{:.0}", number.trunc()).parse().ok();
    let whole = whole.filter(|whole| *whole <= MOST).and_then(|whole| i64::try_from(whole).ok());
    whole.map(Some).ok_or_else(|| Failure::invalid(field, format!("{field} can be 0 or greater, at most {MOST}")))
}

fn text(field: &'static str, most: usize, text: Option<String>) -> Result<Option<String>, Failure> {
    let fits = text.as_ref().is_none_or(|text| (1..=most).contains(&text.chars().count()));
    if fits { Ok(text) } else { Err(Failure::invalid(field, format!("1 to {most} characters"))) }
}

/// The tags of `{"vless": ["TAG"]}`.
fn tags(inbounds: Option<Value>) -> Result<Vec<String>, Failure> {
    let Some(inbounds) = inbounds else { return Ok(Vec::new()) };
    let rule = || {
        Failure::invalid(
            "inbounds",
            format!("lists of tags by protocol: {}", Protocol::ALL.map(Protocol::name).join(", ")),
        )
    };
    let by_protocol: BTreeMap<String, Vec<String>> = serde_json::from_value(inbounds).map_err(|_| rule())?;
    if by_protocol.keys().any(|protocol| Protocol::named(protocol).is_none()) {
        return Err(rule());
    }
    Ok(by_protocol.into_values().flatten().collect())
}

async fn read(request: &mut Request) -> Result<Wanted, Failure> {
    let fields: Fields = body::json(request).await?;
    Ok(Wanted {
        name: text("name", LONGEST_NAME, fields.name)?,
        data_limit: count("data_limit", fields.data_limit)?,
        expire_duration: count("expire_duration", fields.expire_duration)?,
        username_prefix: text("username_prefix", LONGEST_AFFIX, fields.username_prefix)?,
        username_suffix: text("username_suffix", LONGEST_AFFIX, fields.username_suffix)?,
        tags: tags(fields.inbounds)?,
    })
}

/// Tags that a node offers. While no node has told any, all: the nodes may come later.
fn known(nodes: &[NodeWays], mut tags: Vec<String>) -> String {
    if !nodes.is_empty() {
        tags.retain(|tag| nodes.iter().flat_map(|node| &node.inbounds).any(|inbound| inbound.tag == *tag));
    }
    Value::from(tags).to_string()
}

/// A template as it is shown. Every key stands in it.
#[derive(Serialize)]
struct TemplateJson {
    name: String,
    data_limit: Option<i64>,
    expire_duration: Option<i64>,
    username_prefix: Option<String>,
    username_suffix: Option<String>,
    inbounds: BTreeMap<String, Vec<String>>,
    id: i64,
}

impl TemplateJson {
    fn new(template: Template, nodes: &[NodeWays]) -> Result<Self, Failure> {
        let tags: Vec<String> = serde_json::from_str(&template.inbounds)
            .map_err(|error| Failure::Broken(format!("template {}: {error}", template.id)))?;
        Ok(Self {
            name: template.name,
            data_limit: template.data_limit,
            expire_duration: template.expire_duration,
            username_prefix: template.username_prefix,
            username_suffix: template.username_suffix,
            inbounds: of_tags(nodes, &tags),
            id: template.id,
        })
    }
}

fn facts(template: &Template) -> Facts {
    Facts::new()
        .plain("name", template.name.as_str())
        .plain("data_limit", template.data_limit)
        .plain("expire_duration", template.expire_duration)
        .plain("username_prefix", template.username_prefix.as_deref())
        .plain("username_suffix", template.username_suffix.as_deref())
        .plain("inbounds", serde_json::from_str::<Value>(&template.inbounds).unwrap_or_default())
}

fn subject(id: i64) -> String {
    format!("user_templates/{id}")
}

fn written(outcomes: &[Outcome]) -> Result<Template, Failure> {
    let rows: Option<Vec<Template>> = outcomes.first().map(Outcome::rows).transpose()?;
    rows.and_then(|mut rows| rows.pop()).ok_or(NONE)
}

async fn find(call: &Call, id: &str) -> Result<Template, Failure> {
    call.db.first(store::by_id(number("template_id", id)?)).await?.ok_or(NONE)
}

/// A name is one template's.
async fn check(call: &Call, template: &Template) -> Result<(), Failure> {
    let there: Option<Template> = call.db.first(store::by_name(&template.name)).await?;
    if there.is_some_and(|there| there.id != template.id) { Err(taken()) } else { Ok(()) }
}

fn taken() -> Failure {
    Failure::Conflict { code: "taken", message: "Template by this name already exists".into() }
}

/// `GET /api/user_template`
///
/// Query: `offset`, `limit`. Rows read: 1, and 1 per template.
async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize_for_users(request, call, "users:read").await?;
    let (offset, limit) = page(request)?;
    let nodes = offered::nodes(call).await?;
    let found: Vec<Template> = call.db.all(store::list(limit, offset)).await?;
    let shown = found.into_iter().map(|template| TemplateJson::new(template, &nodes)).collect::<Result<Vec<_>, _>>()?;
    Ok(Response::from_json(&shown)?)
}

/// `GET /api/user_template/{id}`
async fn get(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize_for_users(request, call, "users:read").await?;
    let template = find(call, id).await?;
    Ok(Response::from_json(&TemplateJson::new(template, &offered::nodes(call).await?)?)?)
}

/// `POST /api/user_template`
///
/// Tags that no node offers are left out. Without a name it is refused as Marzban refuses it: as one that is taken.
async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "settings:write").await?;
    let wanted = read(&mut request).await?;
    let nodes = offered::nodes(call).await?;
    let template = Template {
        id: 0,
        name: wanted.name.ok_or_else(taken)?,
        data_limit: wanted.data_limit,
        expire_duration: wanted.expire_duration,
        username_prefix: wanted.username_prefix,
        username_suffix: wanted.username_suffix,
        inbounds: known(&nodes, wanted.tags),
    };
    let prepare = async || {
        check(call, &template).await?;
        // Its number is not known before it is there.
        let entry = Entry::new("template.create", "user_templates").after(facts(&template));
        Ok(Deed::new(entry, [store::create(&template)], ()))
    };
    let (outcomes, ()) = recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&TemplateJson::new(written(&outcomes)?, &nodes)?)?)
}

/// `PUT /api/user_template/{id}`
///
/// `inbounds`, when it names any, takes the place of those that stood there.
async fn change(mut request: Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "settings:write").await?;
    number("template_id", id)?;
    let wanted = read(&mut request).await?;
    let nodes = offered::nodes(call).await?;
    let inbounds = (!wanted.tags.is_empty()).then(|| known(&nodes, wanted.tags.clone()));
    let prepare = async || {
        let was = find(call, id).await?;
        let template = Template {
            id: was.id,
            name: wanted.name.clone().unwrap_or_else(|| was.name.clone()),
            data_limit: wanted.data_limit.or(was.data_limit),
            expire_duration: wanted.expire_duration.or(was.expire_duration),
            username_prefix: wanted.username_prefix.clone().or_else(|| was.username_prefix.clone()),
            username_suffix: wanted.username_suffix.clone().or_else(|| was.username_suffix.clone()),
            inbounds: inbounds.clone().unwrap_or_else(|| was.inbounds.clone()),
        };
        check(call, &template).await?;
        let entry = Entry::new("template.change", subject(was.id)).before(facts(&was)).after(facts(&template));
        Ok(Deed::new(entry, [store::change(&template)], ()))
    };
    let (outcomes, ()) = recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&TemplateJson::new(written(&outcomes)?, &nodes)?)?)
}

/// `DELETE /api/user_template/{id}`
///
/// `null`.
async fn delete(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "settings:write").await?;
    let prepare = async || {
        let was = find(call, id).await?;
        let entry = Entry::new("template.delete", subject(was.id)).before(facts(&was));
        Ok(Deed::new(entry, [store::delete(was.id)], ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&Value::Null)?)
}
