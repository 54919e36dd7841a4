//! Challenges that passkeys answer, and the verification of their signatures, which the platform does.
//!
//! A challenge is sealed instead of stored, so whoever only asks for one costs no row; it is kept once it was answered, until it ends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use weir_wire::Second;
use worker::js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array, global};
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::wasm_bindgen_futures::JsFuture;

use super::call::{Call, sha256_hex};
use super::failure::Failure;
use crate::domain::passkey::{Algorithm, Ceremony, challenge, plain_signature};
use crate::domain::seal::{self, NONCE};
use crate::random;
use crate::store::Statement;
use crate::store::passkeys::{self as store, Answered};

/// Seconds for which a challenge may be answered.
const LASTS: i64 = 300;

/// What a challenge is for: it answers nothing else.
#[derive(Clone, Copy)]
pub(crate) enum For {
    /// Somebody signs in; who he is, is not known yet.
    SignIn,
    /// This operator adds a passkey.
    Operator(i64),
}

impl For {
    fn purpose(self) -> String {
        match self {
            Self::SignIn => "passkey sign-in".to_owned(),
            Self::Operator(id) => format!("passkey of {id}"),
        }
    }

    const fn ceremony(self) -> Ceremony {
        match self {
            Self::SignIn => Ceremony::Get,
            Self::Operator(_) => Ceremony::Create,
        }
    }
}

/// A new challenge: a text, whose bytes are what is signed.
pub(crate) fn ask(call: &Call, why: For) -> Result<String, Failure> {
    let until = call.now.plus(LASTS).get().to_string();
    Ok(seal::seal(&call.secret("AUTH_KEY")?, &why.purpose(), random::bytes::<NONCE>()?, &until))
}

/// A challenge of ours that was answered in time, by one of our own pages.
pub(crate) struct Answer {
    hash: String,
    until: Second,
}

impl Answer {
    /// Reads it from the browser's words; none if it is anything else.
    pub(crate) fn read(call: &Call, client_data: &[u8], origin: &str, why: For) -> Result<Option<Self>, Failure> {
        let Some(text) = challenge(client_data, why.ceremony(), origin) else { return Ok(None) };
        let opened = seal::open(&call.secret("AUTH_KEY")?, &why.purpose(), &text);
        let until = opened.and_then(|until| until.parse().ok()).map(Second::clamped);
        Ok(until.filter(|until| *until > call.now).map(|until| Self { hash: sha256_hex(&text), until }))
    }

    /// What keeps it as answered; none if it was answered before. To be read under the audit head: of two who send the same answer at
    /// once, one fails.
    pub(crate) async fn spend(&self, call: &Call) -> Result<Option<[Statement; 2]>, Failure> {
        let before: Option<Answered> = call.db.first(store::answered(&self.hash)).await?;
        Ok(before.is_none().then(|| store::answer(&self.hash, self.until, call.now)))
    }
}

/// Decodes base64url as browsers' scripts send it.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Whether this is a public key for the algorithm (`SubjectPublicKeyInfo`).
pub(crate) async fn is_key(algorithm: Algorithm, key: &[u8]) -> bool {
    import(algorithm, key).await.is_ok()
}

/// Whether a signature over `message` is of this key.
pub(crate) async fn is_signed(algorithm: Algorithm, key: &[u8], signature: &[u8], message: &[u8]) -> bool {
    let plain = match algorithm {
        Algorithm::Es256 => plain_signature(signature).map(Vec::from),
        Algorithm::Rs256 => Some(signature.to_vec()),
    };
    let Some(signature) = plain else { return false };
    verify(algorithm, key, &signature, message).await.is_ok_and(|verified| verified.is_truthy())
}

async fn verify(algorithm: Algorithm, key: &[u8], signature: &[u8], message: &[u8]) -> Result<JsValue, JsValue> {
    let key = import(algorithm, key).await?;
    let (signature, message) = (Uint8Array::from(signature), Uint8Array::from(message));
    subtle("verify", &[&named(algorithm)?, &key, &signature, &message]).await
}

async fn import(algorithm: Algorithm, key: &[u8]) -> Result<JsValue, JsValue> {
    let uses = Array::of1(&"verify".into());
    let key = Uint8Array::from(key);
    subtle("importKey", &[&"spki".into(), &key, &named(algorithm)?, &JsValue::FALSE, &uses]).await
}

/// The algorithm as Web Crypto names it.
fn named(algorithm: Algorithm) -> Result<JsValue, JsValue> {
    let of = Object::new();
    let set = |name: &str, value: &str| Reflect::set(&of, &name.into(), &value.into());
    set("hash", "SHA-256")?;
    match algorithm {
        Algorithm::Es256 => {
            set("name", "ECDSA")?;
            set("namedCurve", "P-256")?;
        }
        Algorithm::Rs256 => {
            set("name", "RSASSA-PKCS1-v1_5")?;
        }
    }
    Ok(of.into())
}

async fn subtle(method: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let crypto = Reflect::get(&global(), &"crypto".into())?;
    let subtle = Reflect::get(&crypto, &"subtle".into())?;
    let function: Function = Reflect::get(&subtle, &method.into())?.dyn_into()?;
    let arguments: Array = arguments.iter().copied().collect();
    JsFuture::from(Promise::from(function.apply(&subtle, &arguments)?)).await
}
