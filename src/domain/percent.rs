//! Percent-encoding: path segments and forms as they come in, share links as they go out.

/// Encodes as JavaScript's `encodeURIComponent` does, the form in which clients decode every part of a share link.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')');
        if plain {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

/// Decodes `%XX`. None when a `%` begins no such pair or the bytes are not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (pair, rest) = part.split_at_checked(2)?;
        bytes.extend(hex::decode(pair).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// A field of an `application/x-www-form-urlencoded` body; the first when it comes twice.
#[must_use]
pub fn form_field(body: &str, name: &str) -> Option<String> {
    form_fields(body, name).next()
}

/// Every field of this name, in their order.
pub fn form_fields<'a>(body: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let decode_form = |text: &str| decode(&text.replace('+', " "));
    body.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_form(key)? == name).then(|| decode_form(value))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let text = "Zürich vless/1 +100 % #1 \u{1f680}";
        let encoded = encode(text);
        assert!(encoded.bytes().all(|b| b.is_ascii_graphic()));
        assert_eq!(decode(&encoded).as_deref(), Some(text));
        assert_eq!(encode("a+b/c=="), "a%2Bb%2Fc%3D%3D");
    }

    #[test]
    fn broken_escapes_decode_to_nothing() {
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn form_fields_decode_plus_as_space() {
        assert_eq!(form_field("name=ann+b&password=a%2Bb", "password").as_deref(), Some("a+b"));
        assert_eq!(form_field("name=ann+b&password=a%2Bb", "name").as_deref(), Some("ann b"));
        assert_eq!(form_field("name", "name").as_deref(), Some(""));
        assert_eq!(form_field("names=x", "name"), None);
        assert_eq!(form_fields("name=a&x=b&name=c", "name").collect::<Vec<_>>(), ["a", "c"]);
    }
}
