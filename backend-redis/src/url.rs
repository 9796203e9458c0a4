//! Settings from a URL.

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::ids::HubName;

use crate::config::{RedisDurability, RedisSettings};

const FORM: &str =
    "the form is redis://[user:password@]host[:port][/database][?hub=…&prefix=…&durability=…]";

fn invalid(text: impl Into<String>) -> BackendError {
    BackendError::new(BackendErrorKind::Invalid, "connect", text)
}

/// Undoes percent encoding.
fn decode(text: &str) -> BackendResult<String> {
    let bad = || invalid(format!("a part of the URL is not properly percent-encoded; {FORM}"));
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or_else(bad);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).map_err(|_| bad())?);
    }
    String::from_utf8(out).map_err(|_| bad())
}

impl RedisSettings {
    /// Settings from `redis://[user:password@]host[:port][/database]`, or `rediss:` for an
    /// encrypted connection. Parameters: `hub`, `prefix`, and `durability` (`none`, `everysec`,
    /// `always`). Special characters are percent-encoded.
    ///
    /// # Errors
    /// [`Invalid`](BackendErrorKind::Invalid) when the URL is not understood; the text says what.
    /// It never holds the password.
    pub fn parse(url: &str) -> BackendResult<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid(FORM))?;
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            other => return Err(invalid(format!("`{other}:` is not for Redis; {FORM}"))),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (login, address) = match authority.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, authority),
        };
        let (host, port) = parse_address(address)?;
        let mut settings = Self { tls, ..Self::new(host, port) };
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            settings.user = Some(decode(user)?).filter(|u| !u.is_empty());
            settings.password = Some(decode(password)?).filter(|p| !p.is_empty());
        }
        if !database.is_empty() {
            settings.database = database
                .parse()
                .map_err(|_| invalid(format!("the database must be a number; {FORM}")))?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            settings.parameter(key, decode(value)?)?;
        }
        Ok(settings)
    }

    fn parameter(&mut self, key: &str, value: String) -> BackendResult<()> {
        match key {
            "hub" => self.hub = HubName::new(value).map_err(|e| invalid(e.to_string()))?,
            "prefix" => self.prefix = value,
            "durability" => {
                self.durability = Some(match value.as_str() {
                    "none" => RedisDurability::None,
                    "everysec" => RedisDurability::EverySecond,
                    "always" => RedisDurability::Always,
                    _ => return Err(invalid("durability is one of none, everysec and always")),
                });
            }
            other => {
                return Err(invalid(format!(
                    "unknown parameter `{other}`; known are `hub`, `prefix` and `durability`"
                )));
            }
        }
        Ok(())
    }
}

/// Host and port; an IPv6 address is in brackets.
fn parse_address(address: &str) -> BackendResult<(String, u16)> {
    let (host, port) = match address.strip_prefix('[').and_then(|a| a.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => address.rsplit_once(':').unwrap_or((address, "")),
    };
    let port = match port {
        "" => 6379,
        text => text.parse().map_err(|_| invalid(format!("the port must be a number; {FORM}")))?,
    };
    let host = decode(host)?;
    Ok((if host.is_empty() { "127.0.0.1".to_owned() } else { host }, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_url_is_taken_apart() {
        let url = "rediss://me:p%40ss@db.example:7000/3?hub=a%2Fb&prefix=x:&durability=always";
        let settings = RedisSettings::parse(url).unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("db.example", 7000));
        assert_eq!(settings.password.as_deref(), Some("p@ss"));
        assert_eq!(settings.hub.as_str(), "a/b");
        assert_eq!((settings.database, settings.prefix.as_str()), (3, "x:"));
        assert!(settings.tls && settings.durability == Some(RedisDurability::Always));
        assert!(!format!("{settings:?}").contains("p@ss"));
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let settings = RedisSettings::parse("redis://").unwrap();
        assert_eq!(settings, RedisSettings::new("127.0.0.1", 6379));
        let settings = RedisSettings::parse("redis://[::1]:5").unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("::1", 5));
    }

    #[test]
    fn what_is_not_understood_is_said_without_secrets() {
        for (url, said) in [
            ("redis:x", "the form is"),
            ("http://x", "not for Redis"),
            ("redis://u:secret@h:port", "port must be a number"),
            ("redis://h/x", "database must be a number"),
            ("redis://h?hubb=x", "unknown parameter `hubb`"),
            ("redis://h?durability=maybe", "one of none"),
            ("redis://u:secret%zz@h", "percent-encoded"),
        ] {
            let error = RedisSettings::parse(url).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
