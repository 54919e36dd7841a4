//! The secret of a second factor, sealed as it is stored.

use super::call::Call;
use super::failure::Failure;
use crate::domain::seal::{self, NONCE};
use crate::domain::totp::Secret;
use crate::random;

const KEY: &str = "CREDENTIAL_KEY";
const PURPOSE: &str = "operator totp";

/// Seals a secret.
pub(crate) fn seal(call: &Call, secret: &Secret) -> Result<String, Failure> {
    Ok(seal::seal(&call.secret(KEY)?, PURPOSE, random::bytes::<NONCE>()?, &secret.text()))
}

/// Opens a sealed secret. Under another key it fails closed: nobody passes without his second factor.
pub(crate) fn open(call: &Call, sealed: &str) -> Result<Secret, Failure> {
    let text = seal::open(&call.secret(KEY)?, PURPOSE, sealed);
    text.as_deref()
        .and_then(Secret::read)
        .ok_or(Failure::Unconfigured("the CREDENTIAL_KEY that sealed the second factor"))
}
