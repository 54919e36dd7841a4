//! Who comes with a token: one of this panel's, or one that a Marzban made whose secret the operator has imported.

use worker::Request;

use crate::domain::marzban::token::{self, Claim};
use crate::domain::token::Subscription;
use crate::http::call::Call;
use crate::http::devices;
use crate::http::failure::Failure;
use crate::http::marzban::secret_key;
use crate::store::fetch_log::{self, Opened};

/// Whom a token names that nobody has forged.
pub(super) enum Bearer {
    Own(Subscription),
    Marzban(Claim),
}

impl Bearer {
    /// Reads a token. One of ours is recognised by its seal, so it costs no row; what looks like a Marzban's costs 1, forged or not.
    pub(super) async fn read(call: &Call, token: &str) -> Result<Option<Self>, Failure> {
        if let Some(own) = Subscription::read(token, &call.secret("AUTH_KEY")?) {
            return Ok(Some(Self::Own(own)));
        }
        if !token::is_token(token) {
            return Ok(None);
        }
        let secret = secret_key(call).await?;
        Ok(secret.and_then(|secret| token::read(token, &secret, call.now)).map(Self::Marzban))
    }

    /// The user and what his fetch needs, unless the link was revoked. Rows read: those of [`fetch_log::open`].
    pub(super) async fn open(&self, request: &Request, call: &Call) -> Result<Option<Opened>, Failure> {
        let has_id = devices::has_id(request);
        let read = match self {
            Self::Own(own) => fetch_log::open(i64::from(own.user), has_id, call.now),
            Self::Marzban(claim) => fetch_log::open_by_name(&claim.name, has_id, call.now),
        };
        let opened: Option<Opened> = call.db.first(read).await?;
        Ok(opened.filter(|opened| match self {
            Self::Own(own) => opened.user.generation == own.generation,
            Self::Marzban(claim) => claim.holds(opened.user.created_at, opened.links_since),
        }))
    }
}
