//! What a server must be like before a hub is entrusted to it.

use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult, Retry};
use redis::{Cmd, Value};

use crate::config::RedisDurability;
use crate::error::{Effect, from_redis, from_server};
use crate::link::unexpected;
use crate::node::Node;

fn refuse(kind: BackendErrorKind, text: impl Into<String>) -> BackendError {
    BackendError::new(kind, "connect", text)
}

/// What a server says about itself, as `INFO` writes it.
struct Info(String);

impl Info {
    fn get(&self, field: &str) -> Option<&str> {
        let line = |line: &'_ str| line.split_once(':').is_some_and(|(name, _)| name == field);
        self.0.lines().find(|l| line(l)).and_then(|l| l.split_once(':')).map(|(_, v)| v.trim())
    }

    fn check_version(&self) -> BackendResult<()> {
        let version = self.get("redis_version").unwrap_or("unknown");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if self.get("valkey_version").is_some() || major.is_some_and(|major| major >= 7) {
            return Ok(());
        }
        let text = format!(
            "the server is of version {version}: Redis 7.0 or newer or Valkey is needed, upgrade it"
        );
        Err(refuse(BackendErrorKind::Incompatible, text))
    }

    fn check_kind(&self, is_cluster: bool) -> BackendResult<()> {
        if self.get("cluster_enabled") == Some("1") && !is_cluster {
            let text = "the server is part of a cluster: connect by `redis+cluster://…`";
            return Err(refuse(BackendErrorKind::Invalid, text));
        }
        Ok(())
    }

    /// A server that loads its data seems to have no append-only file.
    fn check_loaded(&self) -> BackendResult<()> {
        if self.get("loading") == Some("1") {
            let text = "the server is starting and still loads its data (LOADING): try again";
            let error = refuse(BackendErrorKind::Unavailable, text);
            return Err(error.retry(Retry::After(Duration::from_millis(250))));
        }
        Ok(())
    }

    fn check_role(&self) -> BackendResult<()> {
        match self.get("role") {
            Some("master") | None => Ok(()),
            Some(role) => {
                let primary = self.get("master_host").unwrap_or("another host");
                let text = format!(
                    "the server is a {role} of {primary}: connect to the primary, replicas cannot write"
                );
                Err(refuse(BackendErrorKind::Unavailable, text))
            }
        }
    }

    fn check_replicas(&self, wanted: u32) -> BackendResult<()> {
        let found = self.get("connected_slaves").and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
        if found >= wanted {
            return Ok(());
        }
        let text = format!(
            "the server has {found} replicas, and `replicas` wants {wanted}: add some by \
             `REPLICAOF`, or ask for fewer"
        );
        Err(refuse(BackendErrorKind::Unavailable, text))
    }

    fn check_eviction(&self) -> BackendResult<()> {
        match self.get("maxmemory_policy") {
            Some("noeviction") | None => Ok(()),
            Some(policy) => Err(refuse(
                BackendErrorKind::Invalid,
                format!(
                    "the server may throw away keys (maxmemory-policy is {policy}), which loses \
                     orchestrations: set `maxmemory-policy noeviction`, or use a server of its own"
                ),
            )),
        }
    }
}

/// Checks the server and tells what an acknowledgement survives there.
pub(crate) async fn check(
    node: &Node,
    is_cluster: bool,
    wanted: Option<RedisDurability>,
    replicas: u32,
) -> BackendResult<RedisDurability> {
    let mut info = Cmd::new();
    info.arg("INFO").arg("everything");
    let mut config = Cmd::new();
    config.arg("CONFIG").arg("GET").arg("appendfsync").arg("aof-load-truncated");
    let answers =
        node.send(&[info, config]).await.map_err(|e| from_redis("connect", Effect::Reads, e))?;
    let mut answers = answers.into_iter();
    let info = match answers.next() {
        Some(Value::BulkString(text)) => Info(String::from_utf8_lossy(&text).into_owned()),
        Some(Value::VerbatimString { text, .. }) => Info(text),
        Some(Value::ServerError(error)) => return Err(from_server("connect", &error)),
        _ => return Err(unexpected("connect")),
    };
    info.check_version()?;
    info.check_loaded()?;
    info.check_kind(is_cluster)?;
    info.check_role()?;
    info.check_eviction()?;
    info.check_replicas(replicas)?;
    let appends = info.get("aof_enabled") == Some("1");
    let config = answers.next();
    let said = |name| config.as_ref().and_then(|answer| setting(answer, name));
    if appends && let Some(advice) = advice(said("aof-load-truncated").as_deref()) {
        tracing::warn!(server = ?node, "{advice}");
    }
    check_durability(appends, said("appendfsync"), wanted)
}

/// What `CONFIG GET` says of a setting, where that is allowed.
fn setting(answer: &Value, name: &str) -> Option<String> {
    let (Value::Array(parts) | Value::Set(parts)) = answer else { return None };
    let text = |part: &Value| match part {
        Value::BulkString(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    let (pairs, _) = parts.as_chunks::<2>();
    pairs.iter().find(|[known, _]| text(known).as_deref() == Some(name)).and_then(|[_, v]| text(v))
}

/// What had better be set, although nothing is lost without it unless somebody else writes to a
/// server that has just lost its power.
fn advice(load_truncated: Option<&str>) -> Option<&'static str> {
    (load_truncated == Some("yes")).then_some(
        "the server would load a file that ends in the midst of a transaction and leave half of \
         that in it: set `aof-load-truncated no`, and mend such a file by `redis-check-aof --fix`",
    )
}

fn check_durability(
    appends: bool,
    fsync: Option<String>,
    wanted: Option<RedisDurability>,
) -> BackendResult<RedisDurability> {
    use RedisDurability::{Always, EverySecond, None as Nothing};
    if !appends {
        return match wanted {
            Some(Nothing) => Ok(Nothing),
            _ => Err(refuse(
                BackendErrorKind::Invalid,
                "the server keeps no append-only file, so a restart would lose acknowledged work: \
                 set `appendonly yes`, or say `?durability=none` when that is meant",
            )),
        };
    }
    let found = match fsync.as_deref() {
        Some("always") => Always,
        Some("everysec") => EverySecond,
        // The operating system writes when it likes.
        Some(_) => Nothing,
        None => wanted.unwrap_or(EverySecond),
    };
    let enough = match wanted {
        Some(Always) => found == Always,
        Some(Nothing) => true,
        _ => found != Nothing,
    };
    if enough {
        return Ok(found);
    }
    let needed = if wanted == Some(Always) { "always" } else { "everysec" };
    let text = format!(
        "the server writes its file too seldom (appendfsync is {}): set `appendfsync {needed}`, or \
         ask for less by `?durability=…`",
        fsync.as_deref().unwrap_or("unknown"),
    );
    Err(refuse(BackendErrorKind::Invalid, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(result: BackendResult<()>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn servers_that_would_lose_work_are_refused_with_what_to_set() {
        let info = |text: &str| Info(text.to_owned());
        assert!(refusal(info("redis_version:6.2.14\r\n").check_version()).contains("7.0"));
        assert!(info("redis_version:7.0.15\r\n").check_version().is_ok());
        assert!(info("redis_version:7.2.4\r\nvalkey_version:8.0.1").check_version().is_ok());
        assert!(refusal(info("loading:1\r\naof_enabled:0").check_loaded()).contains("LOADING"));
        assert!(info("loading:0").check_loaded().is_ok());
        let replica = "role:slave\r\nmaster_host:db1\r\n";
        assert!(refusal(info(replica).check_role()).contains("db1"));
        let member = info("cluster_enabled:1\r\n");
        assert!(refusal(member.check_kind(false)).contains("redis+cluster"));
        assert!(member.check_kind(true).is_ok());
        assert!(refusal(info("connected_slaves:1").check_replicas(2)).contains("wants 2"));
        assert!(info("connected_slaves:1").check_replicas(1).is_ok());
        let policy = "maxmemory_policy:allkeys-lru\r\n";
        assert!(refusal(info(policy).check_eviction()).contains("noeviction"));
        assert!(info("maxmemory_policy:noeviction\r\n").check_eviction().is_ok());
    }

    #[test]
    fn settings_are_found_in_any_order_and_a_torn_file_is_advised_about() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = ["aof-load-truncated", "yes", "appendfsync", "always"].map(bulk).to_vec();
        let answer = Value::Array(answer);
        assert_eq!(setting(&answer, "appendfsync").as_deref(), Some("always"));
        let found = setting(&answer, "aof-load-truncated");
        assert!(advice(found.as_deref()).unwrap().contains("redis-check-aof"));
        assert_eq!(setting(&answer, "save"), None);
        assert_eq!((advice(Some("no")), advice(None)), (None, None));
    }

    #[test]
    fn durability_is_what_the_server_says() {
        use RedisDurability::{Always, EverySecond, None as Nothing};
        let check = |appends, fsync: &str, wanted| {
            check_durability(appends, Some(fsync.to_owned()), wanted)
        };
        assert_eq!(check(true, "always", None).ok(), Some(Always));
        assert_eq!(check(true, "everysec", None).ok(), Some(EverySecond));
        assert_eq!(check(false, "everysec", Some(Nothing)).ok(), Some(Nothing));
        assert_eq!(check_durability(true, None, Some(Always)).ok(), Some(Always));
        for (appends, fsync, wanted, said) in [
            (false, "everysec", None, "appendonly yes"),
            (true, "no", None, "appendfsync everysec"),
            (true, "everysec", Some(Always), "appendfsync always"),
        ] {
            let error = check(appends, fsync, wanted).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
