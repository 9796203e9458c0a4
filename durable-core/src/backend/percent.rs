//! Percent encoding in the URLs of backends.

/// Undoes percent encoding (RFC 3986, section 2.1) in a part of a backend's URL.
///
/// `None` when an escape is not `%` and two hexadecimal digits, or when what comes out is not
/// UTF-8. Says nothing about the text, which may hold a password.
///
/// ```
/// use durable_core::backend::percent_decode;
///
/// assert_eq!(percent_decode("a%2Fb"), Some("a/b".to_owned()));
/// assert_eq!(percent_decode("a%2"), None);
/// ```
pub fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}
