//! What a subscription says beside its body: the headers that clients read, and why there is nothing to connect to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use weir_wire::Second;

use super::percent;
use super::user::{Gate, Standing, allowance};
use super::zone::Zone;

/// Longest profile title that every client shows, in characters.
const TITLE: usize = 25;

/// Why the user gets no links, as the name of the one entry that he gets.
#[must_use]
pub fn reason(gate: Gate, period_end: Second, zone: Zone) -> Option<String> {
    Some(match gate {
        Gate::Open => return None,
        Gate::Month if period_end == Second::LAST => "Traffic used up".into(),
        Gate::Month => format!("Traffic used up, new on {}", zone.date(period_end)),
        Gate::Total => "Traffic used up".into(),
        Gate::Expired => "Subscription expired".into(),
        Gate::Disabled => "Account disabled".into(),
        Gate::Sharing => "Account shared with too many devices".into(),
    })
}

/// `Subscription-Userinfo`: all four keys, because some clients ignore a header that lacks one; 0 = unlimited, never.
/// Up and down count alike towards the quota and are not kept apart, so all of it stands under `download`.
#[must_use]
pub fn userinfo(standing: &Standing) -> String {
    let allowance = allowance(standing);
    let expire = standing.expires_at.unwrap_or_default();
    format!("upload=0; download={}; total={}; expire={expire}", allowance.used, allowance.quota)
}

/// A text as a header value that may hold only ASCII, in the form `base64:..` that clients know.
#[must_use]
pub fn header_text(text: &str) -> String {
    format!("base64:{}", STANDARD.encode(text))
}

/// `Profile-Title`, cut to what every client shows.
#[must_use]
pub fn title(text: &str) -> String {
    header_text(&text.chars().take(TITLE).collect::<String>())
}

/// `Content-Disposition` in both forms: of two large clients one reads the quoted form only, one prefers the other.
#[must_use]
pub fn disposition(title: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-') { c } else { '_' };
    let ascii: String = title.chars().map(plain).collect();
    let exact = percent::encode(title).replace(['\'', '(', ')', '*'], "_");
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{exact}")
}

/// A list's `ETag`: 64 bits of its SHA-256.
#[must_use]
pub fn tag(body: &str) -> String {
    format!("\"{}\"", hex::encode(Sha256::digest(body).get(..8).unwrap_or_default()))
}

/// Whether an `If-None-Match` names this tag. What stands between may have compressed the body and weakened the tag.
#[must_use]
pub fn names_tag(header: &str, tag: &str) -> bool {
    header.split(',').map(str::trim).any(|named| named.strip_prefix("W/").unwrap_or(named) == tag)
}

#[cfg(test)]
mod tests {
    use weir_wire::Bytes;

    use super::*;

    #[test]
    fn userinfo_has_all_four_keys_in_order() {
        let bytes = Bytes::saturating;
        assert_eq!(userinfo(&Standing::default()), "upload=0; download=0; total=0; expire=0");
        let standing = Standing {
            month: bytes(5),
            lifetime: bytes(7),
            monthly_quota: bytes(10),
            bonus_left: bytes(2),
            expires_at: Some(Second::clamped(1_900_000_000)),
            ..Standing::default()
        };
        assert_eq!(userinfo(&standing), "upload=0; download=5; total=12; expire=1900000000");
    }

    #[test]
    fn a_tag_is_known_again_also_when_it_was_weakened() {
        let (this, other) = (tag("a"), tag("b"));
        assert_ne!(this, other);
        assert_eq!(this.len(), 18);
        for header in [this.clone(), format!("W/{this}"), format!("{other} , W/{this}")] {
            assert!(names_tag(&header, &this), "{header}");
        }
        for header in ["", "*", this.trim_matches('"'), &other] {
            assert!(!names_tag(header, &this), "{header}");
        }
    }

    #[test]
    fn the_reason_says_when_it_ends() {
        assert_eq!(reason(Gate::Open, Second::EPOCH, Zone::UTC), None);
        let month = reason(Gate::Month, Second::clamped(1_796_083_200), Zone::UTC).unwrap();
        assert_eq!(month, "Traffic used up, new on 2026-12-01");
        for gate in [Gate::Total, Gate::Expired, Gate::Disabled, Gate::Sharing] {
            assert!(reason(gate, Second::EPOCH, Zone::UTC).is_some());
        }
    }

    #[test]
    fn headers_are_ascii_whatever_the_title() {
        let odd = "Zürich \"VPN\" (ein langer Titel)";
        assert_eq!(
            STANDARD.decode(title(odd).strip_prefix("base64:").unwrap()).unwrap(),
            "Zürich \"VPN\" (ein langer ".as_bytes()
        );
        assert_eq!(
            disposition(odd),
            "attachment; filename=\"Z_rich _VPN_ _ein langer Titel_\"; \
             filename*=UTF-8''Z%C3%BCrich%20%22VPN%22%20_ein%20langer%20Titel_"
        );
    }
}
