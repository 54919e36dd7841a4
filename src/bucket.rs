//! The R2 bucket that backups go to: `backup/{instant}/{part}`, and `backup/{instant}/manifest.json`, which is written last.
//!
//! A part is text that SQL made. It goes from D1 to R2 as the runtime's own string: taking a megabyte of it into the Worker's
//! memory and back would cost more CPU than everything else.

use std::collections::HashMap;

use worker::js_sys::{self, Array, Function, JsString, Object, Promise, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Bucket, Env, Response};

use crate::http::failure::Failure;

/// What the operator reads when there is none.
pub(crate) const UNBOUND: &str = "no R2 bucket is bound as BACKUP: nothing is backed up (docs/backup.md says how)";
const MANIFEST: &str = "manifest.json";
/// Objects that R2 lists and deletes at once.
const PAGE: usize = 1_000;

/// The bucket.
pub(crate) struct Backups(Bucket);

/// A part as it was stored.
pub(crate) struct Stored {
    /// Its first line.
    pub(crate) header: String,
    /// Size.
    pub(crate) bytes: u64,
    /// SHA-256, in hex.
    pub(crate) sha256: String,
}

/// A backup in the bucket.
pub(crate) struct Found {
    /// The second in which it began, as its folder is named.
    pub(crate) instant: String,
    /// What its manifest says in short; `None` while it has none, because it is under way or was cut off.
    pub(crate) summary: Option<HashMap<String, String>>,
}

impl Backups {
    /// The bucket, if the operator has bound one.
    pub(crate) fn bound(env: &Env) -> Option<Self> {
        env.bucket("BACKUP").ok().map(Self)
    }

    /// Stores the text of a part. R2 compares what it gets with the digest.
    pub(crate) async fn put(&self, instant: i64, part: &str, text: &JsValue) -> Result<Stored, Failure> {
        let text: &JsString = text.dyn_ref().ok_or_else(|| Failure::Broken(format!("part {part} is no text")))?;
        let end = u32::try_from(text.index_of("\n", 0)).unwrap_or_else(|_| text.length());
        let header = String::from(text.slice(0, end));
        let bytes: Uint8Array = utf8(text).map_err(|error| broken(part, &error))?;
        let digest = digest(&bytes).await.map_err(|error| broken(part, &error))?;
        self.put_bytes(&key(&instant.to_string(), part), &bytes, &digest)
            .await
            .map_err(|error| broken(part, &error))?;
        let sha256 = hex::encode(Uint8Array::new(&digest).to_vec());
        Ok(Stored { header, bytes: u64::from(bytes.length()), sha256 })
    }

    async fn put_bytes(&self, key: &str, bytes: &Uint8Array, digest: &JsValue) -> Result<(), JsValue> {
        let options = Object::new();
        Reflect::set(&options, &"sha256".into(), digest)?;
        let stored = call(self.0.as_ref(), "put", &[&key.into(), bytes, &options])?;
        JsFuture::from(Promise::from(stored)).await.map(drop)
    }

    /// Stores the manifest, which makes the backup complete. `summary` is what a list shows of it.
    pub(crate) async fn complete(
        &self,
        instant: i64,
        manifest: String,
        summary: HashMap<String, String>,
    ) -> Result<(), Failure> {
        let key = key(&instant.to_string(), MANIFEST);
        self.0.put(key, manifest).custom_metadata(summary).execute().await?;
        Ok(())
    }

    /// All backups, the newest first.
    pub(crate) async fn list(&self) -> Result<Vec<Found>, Failure> {
        let mut instants = self.instants().await?;
        instants.reverse();
        let mut found = Vec::with_capacity(instants.len());
        for instant in instants {
            let manifest = self.0.head(key(&instant, MANIFEST)).await?;
            let summary = manifest.map(|manifest| manifest.custom_metadata()).transpose()?;
            found.push(Found { instant, summary });
        }
        Ok(found)
    }

    /// Folders by age, the oldest first: R2 lists in the order of the keys, and an instant has ten digits until the year 2286.
    async fn instants(&self) -> Result<Vec<String>, Failure> {
        let listed = self.0.list().prefix("backup/").delimiter("/").execute().await?;
        let folders = listed.delimited_prefixes().into_iter();
        Ok(folders
            .filter_map(|folder| Some(folder.strip_prefix("backup/")?.trim_end_matches('/').to_owned()))
            .collect())
    }

    /// Keeps the newest `keep` that are complete, and `current`; deletes the others and what was cut off.
    pub(crate) async fn prune(&self, keep: usize, current: i64) -> Result<(), Failure> {
        let mut complete = 0;
        for Found { instant, summary } in self.list().await? {
            let is_current = instant == current.to_string();
            complete += usize::from(summary.is_some());
            if !is_current && (summary.is_none() || complete > keep) {
                self.delete(&instant).await?;
            }
        }
        Ok(())
    }

    /// Deletes a backup: its manifest first, so that what is left when this is cut off is not taken for a backup.
    pub(crate) async fn delete(&self, instant: &str) -> Result<(), Failure> {
        self.0.delete(key(instant, MANIFEST)).await?;
        loop {
            let listed = self.0.list().prefix(key(instant, "")).execute().await?;
            let keys: Vec<String> = listed.objects().iter().map(worker::Object::key).take(PAGE).collect();
            if keys.is_empty() {
                return Ok(());
            }
            self.0.delete_multiple(keys).await?;
        }
    }

    /// A part, or the manifest, as it stands; the runtime passes it on without the Worker.
    pub(crate) async fn open(&self, instant: &str, part: &str) -> Result<Response, Failure> {
        let object = self.0.get(key(instant, part)).execute().await?.ok_or(Failure::NotFound("backup"))?;
        let body = object.body().ok_or(Failure::NotFound("backup"))?.response_body()?;
        Ok(Response::from_body(body)?)
    }

    /// The manifest.
    pub(crate) async fn manifest(&self, instant: &str) -> Result<Response, Failure> {
        let mut response = self.open(instant, MANIFEST).await?;
        response.headers_mut().set("content-type", "application/json")?;
        Ok(response)
    }
}

fn key(instant: &str, part: &str) -> String {
    format!("backup/{instant}/{part}")
}

fn broken(part: &str, error: &JsValue) -> Failure {
    Failure::Broken(format!("storing {part}: {error:?}"))
}

fn call(object: &JsValue, method: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let function: Function = Reflect::get(object, &method.into())?.dyn_into()?;
    function.apply(object, &arguments.iter().copied().collect::<Array>())
}

fn utf8(text: &JsString) -> Result<Uint8Array, JsValue> {
    let encoder: Function = Reflect::get(&js_sys::global(), &"TextEncoder".into())?.dyn_into()?;
    call(&Reflect::construct(&encoder, &Array::new())?, "encode", &[text])?.dyn_into()
}

async fn digest(bytes: &Uint8Array) -> Result<JsValue, JsValue> {
    let crypto = Reflect::get(&js_sys::global(), &"crypto".into())?;
    let subtle = Reflect::get(&crypto, &"subtle".into())?;
    JsFuture::from(Promise::from(call(&subtle, "digest", &[&"SHA-256".into(), bytes])?)).await
}
