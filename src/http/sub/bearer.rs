//! Who comes with a token: one of this panel's, one that a Marzban made whose secret the operator has imported, or an alias.

use worker::Request;

use crate::domain::alias;
use crate::domain::marzban::token::{self, Claim};
use crate::domain::percent;
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
    /// A text that an operator has given to a user.
    Alias(String),
}

impl Bearer {
    /// Reads a token. One of ours is recognised by its seal, so it costs no row; what looks like a Marzban's costs 1, forged or not. Any other text may be
    /// an alias.
    pub(super) async fn read(call: &Call, token: &str) -> Result<Option<Self>, Failure> {
        if let Some(own) = Subscription::read(token, &call.secret("AUTH_KEY")?) {
            return Ok(Some(Self::Own(own)));
        }
        // With a Marzban's secret whatever has the form of its tokens is one, or forged. Without it a token may have been given to its user as an alias.
        if token::is_token(token)
            && let Some(secret) = secret_key(call).await?
        {
            return Ok(token::read(token, &secret, call.now).map(Self::Marzban));
        }
        // Clients may escape some of the letters that an alias can have.
        Ok(percent::decode(token).filter(|alias| alias::fits(alias)).map(Self::Alias))
    }

    /// The user and what his fetch needs, unless the link was revoked. Rows read: those of [`fetch_log::open`].
    pub(super) async fn open(&self, request: &Request, call: &Call) -> Result<Option<Opened>, Failure> {
        let has_id = devices::has_id(request);
        let read = match self {
            Self::Own(own) => fetch_log::open(i64::from(own.user), has_id, call.now),
            Self::Marzban(claim) => fetch_log::open_by_name(&claim.name, has_id, call.now),
            Self::Alias(alias) => fetch_log::open_by_alias(alias, has_id, call.now),
        };
        let opened: Option<Opened> = call.db.first(read).await?;
        Ok(opened.filter(|opened| match self {
            Self::Own(own) => opened.user.generation == own.generation,
            Self::Marzban(claim) => claim.holds(opened.user.created_at, opened.links_since),
            // It ends with the link, in the database.
            Self::Alias(_) => true,
        }))
    }
}
