//! Settings from a URL.

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult, percent_decode};
use durable_core::ids::HubName;

use crate::config::{RedisAddress, RedisDurability, RedisServers, RedisSettings};

const FORM: &str = "the form is redis://[user:password@]host[:port][/database][?hub=…&prefix=…\
     &durability=…&partitions=…], redis+cluster://host:port,host:port,… for a Cluster, and \
     redis+sentinel://host:port,host:port,…?master=… for Sentinels";

/// Where Sentinels listen unless told otherwise.
const SENTINEL_PORT: u16 = 26_379;

fn invalid(text: impl Into<String>) -> BackendError {
    BackendError::new(BackendErrorKind::Invalid, "connect", text)
}

/// Undoes percent encoding.
fn decode(text: &str) -> BackendResult<String> {
    let bad = || invalid(format!("a part of the URL is not properly percent-encoded; {FORM}"));
    percent_decode(text).ok_or_else(bad)
}

/// What kind of servers a scheme names, and whether connections are encrypted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Cluster,
    Sentinel,
}

fn kind(scheme: &str) -> BackendResult<(Kind, bool)> {
    let (base, kind) = match scheme.split_once('+') {
        None => (scheme, Kind::Single),
        Some((base, "cluster")) => (base, Kind::Cluster),
        Some((base, "sentinel")) => (base, Kind::Sentinel),
        Some(_) => return Err(invalid(format!("`{scheme}:` is not for Redis; {FORM}"))),
    };
    match base {
        "redis" => Ok((kind, false)),
        "rediss" => Ok((kind, true)),
        _ => Err(invalid(format!("`{scheme}:` is not for Redis; {FORM}"))),
    }
}

impl RedisSettings {
    /// Settings from `redis://[user:password@]host[:port][/database]`, from
    /// `redis+cluster://[user:password@]host:port,host:port,…` for a Cluster, or from
    /// `redis+sentinel://[user:password@]host:port,host:port,…[/database]?master=NAME`; with
    /// `rediss` instead of `redis` for encrypted connections. Parameters: `hub`, `prefix`,
    /// `partitions`, `durability` (`none`, `everysec`, `always`), `replicas` (a number), with `rediss` `ca_file`, and for
    /// Sentinels `master`, `sentinel_user` and `sentinel_password`. Special characters are percent-encoded.
    ///
    /// # Errors
    /// [`Invalid`](BackendErrorKind::Invalid) when the URL is not understood; the text says what.
    /// It never holds the password.
    pub fn parse(url: &str) -> BackendResult<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid(FORM))?;
        let (kind, tls) = kind(scheme)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if query.contains('@') {
            // It may be the end of a password: nothing of it is shown.
            let text = "an `@` after the `?` must be percent-encoded, as must a `?` in a password";
            return Err(invalid(format!("{text}; {FORM}")));
        }
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (login, addresses) = match authority.rsplit_once('@') {
            Some((login, addresses)) => (Some(login), addresses),
            None => (None, authority),
        };
        let port = if kind == Kind::Sentinel { SENTINEL_PORT } else { 6379 };
        let mut settings = match kind {
            Kind::Single => {
                let address = parse_address(addresses, port)?;
                Self::new(address.host, address.port)
            }
            Kind::Cluster => Self::cluster(parse_addresses(addresses, port)?),
            Kind::Sentinel => Self::sentinel("", parse_addresses(addresses, port)?),
        };
        settings.tls = tls;
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            settings.login.user = Some(decode(user)?).filter(|u| !u.is_empty());
            settings.login.password = Some(decode(password)?).filter(|p| !p.is_empty());
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
        if matches!(&settings.servers, RedisServers::Sentinel { master, .. } if master.is_empty()) {
            return Err(invalid(
                "say which primary the Sentinels are to be asked for: `?master=…`",
            ));
        }
        Ok(settings)
    }

    fn parameter(&mut self, key: &str, value: String) -> BackendResult<()> {
        match (key, &mut self.servers) {
            ("hub", _) => self.hub = HubName::new(value).map_err(|e| invalid(e.to_string()))?,
            ("prefix", _) => self.prefix = value,
            ("durability", _) => {
                self.durability = Some(match value.as_str() {
                    "none" => RedisDurability::None,
                    "everysec" => RedisDurability::EverySecond,
                    "always" => RedisDurability::Always,
                    _ => return Err(invalid("durability is one of none, everysec and always")),
                });
            }
            ("partitions", _) => {
                let number = value.parse().map_err(|_| invalid("partitions must be a number"))?;
                self.partitions = Some(number);
            }
            ("replicas", _) => {
                self.replicas = value.parse().map_err(|_| invalid("replicas must be a number"))?;
            }
            ("ca_file", _) if self.tls => self.ca_file = Some(value.into()),
            ("master", RedisServers::Sentinel { master, .. }) => *master = value,
            ("sentinel_user", RedisServers::Sentinel { .. }) => {
                self.sentinel_login.user = Some(value);
            }
            ("sentinel_password", RedisServers::Sentinel { .. }) => {
                self.sentinel_login.password = Some(value);
            }
            (other, _) => {
                return Err(invalid(format!(
                    "unknown parameter `{other}`; known are `hub`, `prefix`, `durability`, `replicas` and \
                     `partitions`, with `rediss` `ca_file`, and for Sentinels `master`, `sentinel_user` and \
                     `sentinel_password`"
                )));
            }
        }
        Ok(())
    }
}

fn parse_addresses(text: &str, port: u16) -> BackendResult<Vec<RedisAddress>> {
    text.split(',').map(|address| parse_address(address, port)).collect()
}

/// Host and port; an IPv6 address is in brackets.
fn parse_address(address: &str, port_default: u16) -> BackendResult<RedisAddress> {
    let (host, port) = match address.strip_prefix('[').and_then(|a| a.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => address.rsplit_once(':').unwrap_or((address, "")),
    };
    let port = match port {
        "" => port_default,
        text => text.parse().map_err(|_| invalid(format!("the port must be a number; {FORM}")))?,
    };
    let host = decode(host)?;
    Ok(RedisAddress::new(if host.is_empty() { "127.0.0.1".to_owned() } else { host }, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_url_is_taken_apart() {
        let url = "rediss://me:p%40ss@db.example:7000/3?hub=a%2Fb&prefix=x:&durability=always";
        let settings = RedisSettings::parse(url).unwrap();
        assert_eq!(settings.servers, RedisServers::Single(RedisAddress::new("db.example", 7000)));
        assert_eq!(settings.login.password.as_deref(), Some("p@ss"));
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
        assert_eq!(settings.servers, RedisServers::Single(RedisAddress::new("::1", 5)));
    }

    #[test]
    fn clusters_and_sentinels_have_several_addresses() {
        let (a, b) = (RedisAddress::new("a", 1), RedisAddress::new("::1", 6379));
        let settings = RedisSettings::parse("rediss+cluster://u:p@a:1,[::1]?partitions=8").unwrap();
        assert_eq!(settings.servers, RedisServers::Cluster(vec![a.clone(), b]));
        assert!(settings.tls && settings.partitions == Some(8));
        let url = "redis+sentinel://a:1,b/2?master=main&sentinel_password=s%40";
        let settings = RedisSettings::parse(url).unwrap();
        let sentinels = vec![a, RedisAddress::new("b", 26_379)];
        assert_eq!(settings.servers, RedisServers::Sentinel { master: "main".into(), sentinels });
        assert_eq!(settings.sentinel_login.password.as_deref(), Some("s@"));
        assert_eq!(settings.database, 2);
    }

    #[test]
    fn what_is_not_understood_is_said_without_secrets() {
        for (url, said) in [
            ("redis:x", "the form is"),
            ("http://x", "not for Redis"),
            ("redis://u:secret@h:port", "port must be a number"),
            ("redis://u:1?secret@h", "must be percent-encoded"),
            ("redis://u:1?x=secret@h", "must be percent-encoded"),
            ("redis://h/x", "database must be a number"),
            ("redis://h?hubb=x", "unknown parameter `hubb`"),
            ("redis://h?durability=maybe", "one of none"),
            ("redis://u:secret%zz@h", "percent-encoded"),
            ("redis+sentinel://h", "?master="),
            ("redis://h?replicas=all", "replicas must be a number"),
            ("redis://h?ca_file=x", "unknown parameter `ca_file`"),
            ("redis://h?master=x", "unknown parameter `master`"),
            ("redis+ring://h", "not for Redis"),
            ("redis+cluster://h?partitions=many", "partitions must be a number"),
        ] {
            let error = RedisSettings::parse(url).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
