//! Encryption, users, databases and prefixes, on real servers.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod engine;
mod server;

use std::sync::Arc;

use backend_redis::{RedisBackend, RedisDurability, RedisSettings, RedisStore};
use conformance_tests::{checks, fixture, run_checks};
use durable_core::backend::BackendErrorKind;
use durable_core::client::Client;
use server::Server;

/// What a user must be allowed to do, as `DESIGN.md` lists it.
const COMMANDS: &str = "evalsha script|load info ping publish subscribe bgrewriteaof time \
    exists expire get hdel hget hgetall hlen hmget hrandfield hscan hset hsetnx incr lindex llen \
    lpop lpush lrange lrem ltrim persist rename rpop rpush set unlink zadd zrange zrem \
    zscore";

async fn works(settings: RedisSettings, id: &str) {
    let backend = engine::connect(settings).await.unwrap();
    let worker = engine::worker(backend.clone()).await;
    let client = Client::new(backend);
    engine::start(&client, id, 3).await;
    assert_eq!(engine::result(&client, id).await, 3);
    worker.shutdown().await;
}

/// A user that may do what is listed, on the keys and channels of the prefix, is enough for all
/// that adapters do; one of a command less is refused with words that help.
#[test]
fn a_user_with_few_rights_is_enough() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let rights: Vec<String> = COMMANDS.split_whitespace().map(|c| format!("+{c}")).collect();
    let mut user = vec!["ACL", "SETUSER", "worker", "on", ">pass word", "~p*", "&p*", "-@all"];
    user.extend(rights.iter().map(String::as_str));
    assert!(server.must(&user).starts_with("+OK"));
    let login = |name: &str| {
        let url = format!("redis://worker:pass%20word@127.0.0.1:{}?prefix={name}", server.port());
        RedisSettings::parse(&url).unwrap()
    };
    let capabilities = RedisBackend::capabilities(RedisDurability::EverySecond, 4);
    let settings = login("p");
    let fixture = fixture(capabilities, move |place, hub, env| {
        let mut settings = settings.clone();
        settings.prefix = format!("p{}:", place.name);
        settings.partitions = Some(4);
        async move { Ok(RedisStore::connect(settings, env).await?.hub(&hub).await? as Arc<_>) }
    });
    let passed = run_checks(checks().iter().step_by(9), &fixture).unwrap();
    assert!(passed > 20, "{passed} checks");
    let log = server.must(&["ACL", "LOG"]);
    let lines: Vec<&str> = log.lines().collect();
    let refused = lines.windows(3).filter(|w| w[0] == "object").map(|w| w[2]);
    // Without this one the settings are believed.
    let too_few: Vec<&str> = refused.filter(|command| *command != "config|get").collect();
    assert!(too_few.is_empty(), "the list is too short: {too_few:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_may_not_do_is_said_with_what_to_grant() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let grant = |rights: &[&str]| {
        server.must(&[&["ACL", "SETUSER", "worker", "on", ">secret"], rights].concat())
    };
    let connect = |prefix: &str| {
        let url = format!("redis://worker:secret@127.0.0.1:{}?prefix={prefix}", server.port());
        engine::connect(RedisSettings::parse(&url).unwrap())
    };
    grant(&["~p*", "&p*", "+@all"]);
    let error = connect("other").await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("ACL"), "{error}");
    for (right, said) in [("-evalsha", "evalsha"), ("-zadd", "+zadd"), ("-publish", "+publish")] {
        grant(&["+@all", right]);
        let error = connect("p").await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Denied, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    for login in ["worker:wrong", "nobody:secret"] {
        let url = format!("redis://{login}@127.0.0.1:{}", server.port());
        let error = engine::connect(RedisSettings::parse(&url).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("user name or password"), "{error}");
    }
    // What is taken away later is missed later, and nothing is done by halves.
    grant(&["+@all"]);
    let backend = connect("p").await.unwrap();
    let client = Client::new(backend);
    grant(&["-evalsha"]);
    let start = client.start(engine::steps(), 1).id("i").send().await;
    assert!(start.unwrap_err().to_string().contains("NOPERM"));
    grant(&["+evalsha"]);
    client.start(engine::steps(), 1).id("i").send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_and_prefixes_keep_hubs_apart() {
    if !server::available() {
        return;
    }
    let server = Server::start(&[]);
    let url = |place: &str| {
        RedisSettings::parse(&format!("redis://127.0.0.1:{}/{place}", server.port())).unwrap()
    };
    for place in ["?prefix=a:", "?prefix=b:", "3?prefix=a:"] {
        // The same id is free in each.
        works(url(place), "same").await;
    }
    let keyspace = server.must(&["INFO", "keyspace"]);
    assert!(keyspace.contains("db0:") && keyspace.contains("db3:"), "{keyspace}");
    let others = "return #redis.call('KEYS', '*') - #redis.call('KEYS', '[ab]:{hub-0}:*')";
    assert_eq!(server.must(&["EVAL", others, "0"]).trim(), ":0", "keys without the prefix");
}

#[cfg(feature = "tls")]
mod tls {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Makes an authority and a certificate of it for this machine; false without `openssl`.
    fn certificates(dir: &Path) -> bool {
        let made = |arguments: &str| {
            let words = arguments.split_whitespace();
            let done = Command::new("openssl").args(words).current_dir(dir).output();
            done.is_ok_and(|output| output.status.success())
        };
        std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        made(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        ) && made("req -newkey rsa:2048 -nodes -subj /CN=redis -keyout redis.key -out redis.csr")
            && made(
                "x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                 -extfile names -out redis.pem",
            )
    }

    fn encrypted(dir: &Path) -> (Server, u16) {
        let port = server::free_port();
        let file = |name: &str| dir.join(name).display().to_string();
        let (ca, certificate, key) = (file("ca.pem"), file("redis.pem"), file("redis.key"));
        let port_text = port.to_string();
        let server = Server::start(&[
            "--tls-port",
            &port_text,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "no",
        ]);
        (server, port)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn encrypted_connections_trust_the_authority_that_they_are_told() {
        if !server::available() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        if !certificates(dir.path()) {
            let required = std::env::var_os("CONFORMANCE_REQUIRE").is_some_and(|v| v == "1");
            assert!(!required, "`openssl` is not installed (Debian: apt-get install openssl)");
            return;
        }
        let (_server, port) = encrypted(dir.path());
        let ca = dir.path().join("ca.pem");
        let url = format!("rediss://127.0.0.1:{port}?ca_file={}", ca.display());
        works(RedisSettings::parse(&url).unwrap(), "i").await;
        // Nobody else vouches for this server: none that browsers trust, and no other authority.
        let other = tempfile::tempdir().unwrap();
        assert!(certificates(other.path()));
        let other = format!("?ca_file={}", other.path().join("ca.pem").display());
        for ca in ["", &other] {
            let unknown = RedisSettings::parse(&format!("rediss://127.0.0.1:{port}{ca}")).unwrap();
            let error = engine::connect(unknown).await.unwrap_err();
            assert_eq!(error.kind(), BackendErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains("ca_file"), "{error}");
        }
        // Its certificate is for another name.
        let elsewhere = format!("rediss://localhost:{port}?ca_file={}", ca.display());
        let error = engine::connect(RedisSettings::parse(&elsewhere).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
        let plain = RedisSettings::parse(&format!("redis://127.0.0.1:{port}")).unwrap();
        let error = engine::connect(plain).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
        let nowhere =
            format!("rediss://127.0.0.1:{port}?ca_file={}", dir.path().join("x").display());
        let error = engine::connect(RedisSettings::parse(&nowhere).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Invalid, "{error}");
    }
}
