//! From Redis' errors to the contract's.

use std::time::Duration;

use durable_core::backend::sealed::Damaged;
use durable_core::backend::{BackendError, BackendErrorKind, Retry};
use redis::{ErrorKind, RedisError, ServerError};

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

/// What servers answer, what kind of trouble that is, and what to do. Each of these was refused
/// as a whole: nothing was written. Those of the last column may succeed after so many
/// milliseconds; for the others the kind says when.
const ANSWERS: [(&str, BackendErrorKind, &str, Option<u64>); 18] = {
    use BackendErrorKind::{Denied, Incompatible, Invalid, StorageFull, Throttled, Unavailable};
    const CLUSTER: &str = "the server is part of a cluster: connect by `redis+cluster://…`";
    const LATER: &str = "the servers cannot serve this just now";
    const LOGIN: &str = "the server wants another user name or password: check the URL";
    [
        (
            "OOM",
            StorageFull,
            "the server has reached maxmemory: raise it, or purge instances; nothing was written",
            None,
        ),
        (
            "MISCONF",
            StorageFull,
            "the server cannot write to its disk: free space there; nothing was written",
            None,
        ),
        (
            "READONLY",
            Unavailable,
            "the server has become a replica: wait for the failover, or connect to the primary",
            Some(250),
        ),
        ("LOADING", Unavailable, "the server is starting and still loads its data", Some(250)),
        ("BUSY", Throttled, "a slow script blocks the server: look at SLOWLOG GET", None),
        (
            "NOSCRIPT",
            Unavailable,
            "the server forgets scripts as fast as they are loaded",
            Some(250),
        ),
        ("MASTERDOWN", Unavailable, LATER, Some(250)),
        ("CLUSTERDOWN", Unavailable, LATER, Some(250)),
        ("TRYAGAIN", Unavailable, LATER, Some(250)),
        ("NOREPLICAS", Unavailable, LATER, Some(250)),
        ("NOAUTH", Denied, LOGIN, None),
        ("WRONGPASS", Denied, LOGIN, None),
        (
            "NOPERM",
            Denied,
            "the user lacks rights: grant it by `ACL SETUSER` what DESIGN.md of this adapter lists, on the \
             keys and channels of the prefix",
            None,
        ),
        (
            "WRONGTYPE",
            Incompatible,
            "keys under this prefix belong to another application: choose another prefix",
            None,
        ),
        // Where slots are followed, these mean something else; see `routed.rs`.
        ("MOVED", Invalid, CLUSTER, None),
        ("ASK", Invalid, CLUSTER, None),
        ("CROSSSLOT", Invalid, CLUSTER, None),
        ("UNKILLABLE", Throttled, "a slow script blocks the server: look at SLOWLOG GET", None),
    ]
};

fn from_code(operation: &'static str, code: &str, details: &str) -> BackendError {
    use BackendErrorKind as Kind;
    let known = ANSWERS.iter().find(|(answer, ..)| *answer == code);
    let (kind, text, retry) = match known {
        Some((_, kind, text, retry)) => (*kind, *text, *retry),
        None if code == "ERR" && details.contains("max number of clients") => {
            (Kind::Throttled, "the server has too many connections: raise maxclients", None)
        }
        None => (Kind::Internal, "the server refused a command", None),
    };
    let error = BackendError::new(kind, operation, format!("{text} ({code} {details})"));
    match (kind, retry) {
        // A script that failed half-way is a bug; nobody knows then.
        (Kind::Internal, _) => error.unknown(),
        (_, Some(millis)) => error.retry(Retry::After(Duration::from_millis(millis))),
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
        ErrorKind::Client => (
            Kind::Unavailable,
            "the server did it, but fewer replicas than `replicas` have received it: look at \
             `INFO replication` and mend them, or ask for fewer",
        ),
        ErrorKind::InvalidClientConfig => (Kind::Invalid, "the settings are not usable"),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            (Kind::Incompatible, "what answers there is no Redis server")
        }
        _ if error.to_string().contains("certificate") => (
            Kind::Invalid,
            "the server's certificate is not trusted: name its authority by `?ca_file=…`",
        ),
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
        for (code, kind, word, again) in [
            ("OOM", Kind::StorageFull, "maxmemory", true),
            ("MISCONF", Kind::StorageFull, "disk", true),
            ("READONLY", Kind::Unavailable, "primary", true),
            ("LOADING", Kind::Unavailable, "loads", true),
            ("BUSY", Kind::Throttled, "SLOWLOG", true),
            ("NOSCRIPT", Kind::Unavailable, "scripts", true),
            ("TRYAGAIN", Kind::Unavailable, "just now", true),
            ("CLUSTERDOWN", Kind::Unavailable, "just now", true),
            ("MASTERDOWN", Kind::Unavailable, "just now", true),
            ("NOREPLICAS", Kind::Unavailable, "just now", true),
            ("NOAUTH", Kind::Denied, "password", false),
            ("WRONGPASS", Kind::Denied, "password", false),
            ("NOPERM", Kind::Denied, "rights", false),
            ("WRONGTYPE", Kind::Incompatible, "prefix", false),
            ("MOVED", Kind::Invalid, "redis+cluster", false),
            ("ASK", Kind::Invalid, "redis+cluster", false),
            ("CROSSSLOT", Kind::Invalid, "redis+cluster", false),
        ] {
            let error = from_code("x", code, "details");
            assert_eq!((error.kind(), error.applied()), (kind, Applied::NotApplied), "{code}");
            assert!(error.context().contains(word), "{error}");
            assert_eq!(matches!(error.advice(), Retry::After(_)), again, "{code}");
        }
        assert_eq!(from_code("x", "ERR", "user_script:1").applied(), Applied::Unknown);
    }
}
