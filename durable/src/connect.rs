//! From a URL to a backend.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use durable_core::backend::{Backend, percent_decode};
use durable_core::env::{SharedEnv, TokioEnv};
use durable_core::error::{Error, ErrorKind};
use durable_core::ids::HubName;
use durable_core::memory::MemoryStore;

/// What is not part of the URL.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Clock, randomness, spawn and sleep.
    pub env: SharedEnv,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { env: TokioEnv::shared() }
    }
}

const KNOWN: &str =
    "known are `memory:`, `memory:NAME`, `sled:PATH`, `redis://…` and `aws://…`, with `?hub=NAME`";

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

/// A URL taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    scheme: String,
    path: String,
    hub: HubName,
}

impl Target {
    fn parse(url: &str) -> Result<Self, Error> {
        let (scheme, rest) = url
            .split_once(':')
            .ok_or_else(|| invalid(format!("{url:?} is no backend URL; {KNOWN}")))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut hub = HubName::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "hub" => hub = HubName::new(decode(value)?)?,
                other => {
                    return Err(invalid(format!(
                        "unknown parameter `{other}` for `{scheme}:`; known is `hub`"
                    )));
                }
            }
        }
        Ok(Self { scheme: scheme.to_owned(), path: decode(path)?, hub })
    }
}

/// Undoes percent encoding.
fn decode(text: &str) -> Result<String, Error> {
    let bad = || invalid(format!("{text:?} is not properly percent-encoded"));
    percent_decode(text).ok_or_else(bad)
}

/// Opens a backend by URL.
///
/// | URL | store | survives |
/// |---|---|---|
/// | `memory:` | a new one in this process | nothing |
/// | `memory:NAME` | one of that name, shared within the process | nothing |
/// | `sled:PATH` | a folder, for one process | loss of power |
/// | `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` | a server, for any number of processes | as the server is set |
/// | `redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT,…` | a Cluster | as its servers are set |
/// | `redis+sentinel://[USER:PASSWORD@]HOST:PORT,…[/DATABASE]?master=NAME` | the primary that Sentinels name | as it is set |
/// | `aws://HUB[?region=REGION]` | a DynamoDB table and three SQS queues, for any number of processes | loss of a data centre |
///
/// `redis:` also takes `prefix` (what its keys begin with) and `durability` (`none`, `everysec`,
/// `always`: what the server must guarantee), `replicas` (how many must have a change before it is
/// acknowledged) and `partitions` (into how many parts a new hub is
/// divided), Sentinels also `sentinel_user` and `sentinel_password`. `rediss:` is the same over an
/// encrypted connection, with the feature `redis-tls`; `ca_file` names a file with the
/// authorities (PEM) that the servers' certificates may come from.
///
/// `aws:` needs a hub that was created before, and the feature `aws-credentials`, which takes
/// credentials and region from the standard chain. Its parameters are `region`, `endpoint` (an
/// emulator of both services), `dynamodb` and `sqs` (of one of them) and `prefix`.
///
/// For the others `?hub=NAME` chooses the task hub; hubs on one store never see each other.
/// Special characters of a path are percent-encoded.
///
/// # Errors
/// [`InvalidArgument`](ErrorKind::InvalidArgument) when the URL is not understood or its feature is not
/// enabled, [`Backend`](ErrorKind::Backend) when the store cannot be opened; the text says what to do.
pub async fn connect(url: &str) -> Result<Arc<dyn Backend>, Error> {
    connect_with(url, ConnectOptions::default()).await
}

/// As [`connect`], with options.
///
/// # Errors
/// As there.
pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Arc<dyn Backend>, Error> {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        "memory" => Ok(memory(&Target::parse(url)?, options)),
        "sled" => sled(&Target::parse(url)?, options),
        "redis" | "rediss" | "redis+cluster" | "rediss+cluster" | "redis+sentinel"
        | "rediss+sentinel" => redis(url, options).await,
        "aws" => aws(url, options).await,
        other => Err(invalid(format!("unknown backend `{other}:`; {KNOWN}"))),
    }
}

/// Stores that were given a name, for as long as the process lives.
fn named() -> &'static Mutex<HashMap<String, Arc<MemoryStore>>> {
    static NAMED: OnceLock<Mutex<HashMap<String, Arc<MemoryStore>>>> = OnceLock::new();
    NAMED.get_or_init(Mutex::default)
}

fn memory(target: &Target, options: ConnectOptions) -> Arc<dyn Backend> {
    if target.path.is_empty() {
        return MemoryStore::new(options.env).hub(&target.hub);
    }
    let mut stores = named().lock().unwrap_or_else(PoisonError::into_inner);
    let store = stores
        .entry(target.path.clone())
        .or_insert_with(|| Arc::new(MemoryStore::new(options.env)));
    store.hub(&target.hub)
}

#[cfg(feature = "sled")]
fn sled(target: &Target, options: ConnectOptions) -> Result<Arc<dyn Backend>, Error> {
    if target.path.is_empty() {
        return Err(invalid("`sled:` needs a folder, e.g. `sled:./data`"));
    }
    if target.path.starts_with("//") && !target.path.starts_with("///") {
        // Written as other URLs are; taken as a path it is a folder at the root of the disk.
        let text = "`sled:` takes a path and no host: write `sled:./data` or `sled:/var/data`";
        return Err(invalid(text));
    }
    let settings = backend_sled::SledSettings::new(&target.path);
    let store = backend_sled::SledStore::open_with(settings, options.env)?;
    Ok(store.hub(&target.hub)?)
}

#[cfg(not(feature = "sled"))]
fn sled(_target: &Target, _options: ConnectOptions) -> Result<Arc<dyn Backend>, Error> {
    Err(missing("sled", "sled"))
}

#[cfg(feature = "redis")]
async fn redis(url: &str, options: ConnectOptions) -> Result<Arc<dyn Backend>, Error> {
    let settings = backend_redis::RedisSettings::parse(url)?;
    let hub = settings.hub.clone();
    let store = backend_redis::RedisStore::connect(settings, options.env).await?;
    Ok(store.hub(&hub).await?)
}

#[cfg(not(feature = "redis"))]
async fn redis(url: &str, _options: ConnectOptions) -> Result<Arc<dyn Backend>, Error> {
    let scheme = if url.starts_with("rediss") { "rediss" } else { "redis" };
    Err(missing(scheme, "redis"))
}

#[cfg(feature = "aws")]
async fn aws(url: &str, options: ConnectOptions) -> Result<Arc<dyn Backend>, Error> {
    let settings = backend_aws::AwsSettings::parse(url)?;
    let hub = settings.hub.clone();
    let store = backend_aws::AwsStore::connect(settings, options.env).await?;
    Ok(store.hub(&hub))
}

#[cfg(not(feature = "aws"))]
#[allow(clippy::unused_async, reason = "with the feature it waits")]
async fn aws(_url: &str, _options: ConnectOptions) -> Result<Arc<dyn Backend>, Error> {
    Err(missing("aws", "aws"))
}

#[cfg(not(all(feature = "sled", feature = "redis", feature = "aws")))]
fn missing(scheme: &str, feature: &str) -> Error {
    invalid(format!(
        "`{scheme}:` needs the feature `{feature}` of the crate `durable`; enable it in Cargo.toml"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::parse("sled:./my%20data%3F?hub=orders").unwrap();
        assert_eq!((target.path.as_str(), target.hub.as_str()), ("./my data?", "orders"));
        assert_eq!(Target::parse("memory:").unwrap().hub.as_str(), "default");
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (url, said) in [
            ("nonsense", "no backend URL"),
            ("memory:?hubb=x", "unknown parameter `hubb`"),
            ("memory:?hub=", "must not be empty"),
            ("sled:%zz", "percent-encoded"),
        ] {
            let error = Target::parse(url).unwrap_err();
            assert!(error.to_string().contains(said), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn a_named_memory_store_is_shared_and_an_unnamed_one_is_not() {
        let one = connect("memory:shared?hub=h").await.unwrap();
        let two = connect("memory:shared?hub=h").await.unwrap();
        assert!(Arc::ptr_eq(&one, &two));
        assert!(!Arc::ptr_eq(
            &connect("memory:").await.unwrap(),
            &connect("memory:").await.unwrap()
        ));
    }

    #[tokio::test]
    async fn unknown_schemes_name_the_known_ones() {
        let error = connect("postgres://x").await.unwrap_err();
        assert!(error.to_string().contains("sled:PATH"), "{error}");
    }

    #[tokio::test]
    async fn an_aws_url_is_understood_or_needs_its_feature() {
        let error = connect("aws://hub?regoin=x").await.unwrap_err().to_string();
        let said = if cfg!(feature = "aws") { "parameter `regoin`" } else { "feature `aws`" };
        assert!(error.contains(said), "{error}");
    }

    #[tokio::test]
    async fn a_redis_url_is_understood_or_needs_its_feature() {
        let error = connect("redis://u:secret@h?hubb=x").await.unwrap_err().to_string();
        let said = if cfg!(feature = "redis") { "parameter `hubb`" } else { "feature `redis`" };
        assert!(error.contains(said) && !error.contains("secret"), "{error}");
    }
}
