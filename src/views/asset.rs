//! Static files as pages name them: with a mark that changes with their contents, so that browsers may keep them for good.

/// Path of a file in `public/` with its mark.
#[derive(Clone, Copy)]
pub(crate) struct Asset {
    path: &'static str,
    mark: u64,
}

impl core::fmt::Display for Asset {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}?v={:016x}", self.path, self.mark)
    }
}

macro_rules! asset {
    ($path:literal) => {
        Asset { path: $path, mark: fnv(include_bytes!(concat!("../../public", $path))) }
    };
}

/// The style sheet of every page.
pub(crate) const STYLE: Asset = asset!("/weir.css");
/// Does what forms and buttons of the panel say, where scripts are allowed.
pub(crate) const PANEL_SCRIPT: Asset = asset!("/panel.js");
/// Does something to many users at once.
pub(crate) const BULK_SCRIPT: Asset = asset!("/bulk.js");
/// Makes passkeys and signs in with them.
pub(crate) const PASSKEY_SCRIPT: Asset = asset!("/passkey.js");
/// Asks whether the audit log is as it was written.
pub(crate) const AUDIT_SCRIPT: Asset = asset!("/audit.js");
/// Changes the rules of which client gets which format.
pub(crate) const CLIENTS_SCRIPT: Asset = asset!("/clients.js");
/// Keeps lists of users that were filtered.
pub(crate) const LISTS_SCRIPT: Asset = asset!("/lists.js");
/// Refreshes numbers where scripts are allowed.
pub(crate) const LIVE_SCRIPT: Asset = asset!("/weir.js");
/// The style sheet of subscriptions' pages, on top of the one of every page.
pub(crate) const SUBSCRIPTION_STYLE: Asset = asset!("/subscription.css");
/// Copies links where scripts are allowed.
pub(crate) const SUBSCRIPTION_SCRIPT: Asset = asset!("/subscription.js");
/// The icon.
pub(crate) const ICON: Asset = asset!("/weir.svg");

/// FNV-1a: it tells two versions of one file apart and guards nothing.
const fn fnv(mut rest: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    while let [byte, tail @ ..] = rest {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}
