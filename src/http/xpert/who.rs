//! Whose traffic or list a caller means: a subscription token or an alias.

use crate::domain::alias;
use crate::domain::token::Subscription;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::Statement;
use crate::store::xpert_reports::{self, Sender};

/// What a `user_token` names. A forged token is refused before anything is read.
pub(super) enum Who {
    /// The panel's own token.
    Token(Subscription),
    /// Another text.
    Alias(String),
}

/// What every caller of an unknown token is told.
pub(super) const UNKNOWN: Failure = Failure::NotFound("user token");

impl Who {
    /// Reads a `user_token`.
    pub(super) fn read(call: &Call, text: &str) -> Result<Self, Failure> {
        if text.is_empty() {
            return Err(Failure::invalid("user_token", "a subscription token"));
        }
        if let Some(token) = Subscription::read(text, &call.secret("AUTH_KEY")?) {
            return Ok(Self::Token(token));
        }
        if alias::fits(text) { Ok(Self::Alias(text.to_owned())) } else { Err(UNKNOWN) }
    }

    /// Finds the user and the stored settings.
    pub(super) fn find(&self) -> Statement {
        match self {
            Self::Token(token) => xpert_reports::by_token(token.user, token.generation),
            Self::Alias(alias) => xpert_reports::by_alias(alias),
        }
    }

    /// The user.
    pub(super) async fn user(&self, call: &Call) -> Result<i64, Failure> {
        let sender: Option<Sender> = call.db.first(self.find()).await?;
        sender.and_then(|sender| sender.user).ok_or(UNKNOWN)
    }
}
