//! From Redis' errors to the contract's.

use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, Retry};
use redis::{ErrorKind, RedisError, ServerError};

use crate::codec::Damaged;

/// Whether a request changes something. What became of a lost one that only reads does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Writes,
}

/// The contract's error for one that the server answered.
pub(crate) fn from_server(operation: &'static str, error: &ServerError) -> BackendError {
    from_code(operation, error.code(), error.details().unwrap_or_default())
}

fn from_code(operation: &'static str, code: &str, details: &str) -> BackendError {
    use BackendErrorKind as Kind;
    let (kind, text) = match code {
        "OOM" => (
            Kind::StorageFull,
            "the server has reached maxmemory: raise it, or purge instances; nothing was written",
        ),
        "MISCONF" => (
            Kind::StorageFull,
            "the server cannot write to its disk: free space there; nothing was written",
        ),
        "READONLY" => (
            Kind::Unavailable,
            "the server has become a replica: wait for the failover, or connect to the primary",
        ),
        "LOADING" => (Kind::Unavailable, "the server is starting and still loads its data"),
        "BUSY" => (Kind::Throttled, "a slow script blocks the server: look at SLOWLOG GET"),
        "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "NOREPLICAS" => {
            (Kind::Unavailable, "the server cannot serve this just now")
        }
        "NOAUTH" | "WRONGPASS" => {
            (Kind::Denied, "the server wants another user name or password: check the URL")
        }
        "NOPERM" => (
            Kind::Denied,
            "the user lacks rights: it needs +@all on the keys and channels of the prefix",
        ),
        "WRONGTYPE" => (
            Kind::Incompatible,
            "keys under this prefix belong to another application: choose another prefix",
        ),
        "MOVED" | "ASK" | "CROSSSLOT" => {
            (Kind::Invalid, "the server is part of a cluster, which is not supported")
        }
        "ERR" if details.contains("max number of clients") => {
            (Kind::Throttled, "the server has too many connections: raise maxclients")
        }
        _ => (Kind::Internal, "the server refused a command"),
    };
    let error = BackendError::new(kind, operation, format!("{text} ({code} {details})"));
    match kind {
        Kind::Unavailable => error.retry(Retry::After(Duration::from_millis(250))),
        // A script that failed half-way is a bug; nobody knows then.
        Kind::Internal => error.unknown(),
        _ => error,
    }
}

/// The contract's error for one of the connection.
pub(crate) fn from_redis(
    operation: &'static str,
    effect: Effect,
    error: RedisError,
) -> BackendError {
    use BackendErrorKind as Kind;
    if let Some(code) = error.code() {
        return from_code(operation, code, error.detail().unwrap_or_default()).source(error);
    }
    let (kind, text) = match error.kind() {
        ErrorKind::AuthenticationFailed => {
            (Kind::Denied, "the server wants another user name or password: check the URL")
        }
        ErrorKind::InvalidClientConfig => (Kind::Invalid, "the settings are not usable"),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            (Kind::Incompatible, "what answers there is no Redis server")
        }
        _ if error.is_timeout() => (Kind::Unavailable, "the server did not answer in time"),
        _ => (Kind::Unavailable, "the connection to the server failed"),
    };
    let never_sent = error.is_connection_refusal();
    let result = BackendError::new(kind, operation, format!("{text}: {error}")).source(error);
    if effect == Effect::Writes && !never_sent { result.unknown() } else { result }
}

/// The contract's error for an answer or a value that cannot be read.
pub(crate) fn damaged(operation: &'static str, what: &str, why: &Damaged) -> BackendError {
    let text = format!("{what} is damaged (DT0008): {}; restore it from a backup", why.0);
    BackendError::new(BackendErrorKind::Corrupt, operation, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_core::backend::Applied;

    #[test]
    fn every_refusal_says_what_to_do() {
        use BackendErrorKind as Kind;
        for (code, kind, word) in [
            ("OOM", Kind::StorageFull, "maxmemory"),
            ("MISCONF", Kind::StorageFull, "disk"),
            ("READONLY", Kind::Unavailable, "primary"),
            ("LOADING", Kind::Unavailable, "loads"),
            ("BUSY", Kind::Throttled, "SLOWLOG"),
            ("NOAUTH", Kind::Denied, "password"),
            ("NOPERM", Kind::Denied, "rights"),
            ("WRONGTYPE", Kind::Incompatible, "prefix"),
            ("MOVED", Kind::Invalid, "cluster"),
        ] {
            let error = from_code("x", code, "details");
            assert_eq!((error.kind(), error.applied()), (kind, Applied::NotApplied), "{code}");
            assert!(error.context().contains(word), "{error}");
        }
        assert_eq!(from_code("x", "ERR", "user_script:1").applied(), Applied::Unknown);
    }
}
