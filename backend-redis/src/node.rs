//! One server: a connection that mends itself, shared by all tasks.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ConnectionAddr, IntoConnectionInfo as _, Pipeline, RedisConnectionInfo};
use redis::{ErrorKind, RedisError, RedisResult, Value};

use crate::config::{RedisAddress, RedisLogin, RedisSettings};
use crate::error::{Effect, from_redis};
use crate::file;
use crate::scripts::{SCRIPTS, Script};
#[cfg(feature = "tls")]
use crate::tls;

/// How long making a connection may take.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long replicas may take to receive a change. The connection is blocked meanwhile.
const CONFIRM_LIMIT: Duration = Duration::from_secs(2);

/// How often a lost connection is tried again before the call that needs it fails.
const CONNECT_TRIES: usize = 2;

/// A server.
pub(crate) struct Node {
    pub(crate) address: RedisAddress,
    client: Client,
    config: ConnectionManagerConfig,
    current: Mutex<Current>,
    /// Waits until replicas have what was done; how many it takes.
    confirm: Option<(Cmd, i64)>,
    /// Whether the server may have started anew since its file was looked at.
    may_be_new: AtomicBool,
}

/// The connection in use, and how many there were before it.
struct Current {
    manager: ConnectionManager,
    number: u64,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.address)
    }
}

/// Also after a call that repeats what was done before: any command moves the place in the stream
/// of changes that `WAIT` waits for.
fn confirm(replicas: u32) -> Option<(Cmd, i64)> {
    let mut wait = redis::cmd("WAIT");
    wait.arg(replicas).arg(CONFIRM_LIMIT.as_millis().to_string());
    (replicas > 0).then(|| (wait, i64::from(replicas)))
}

fn is_missing(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(e) if e.code() == "NOSCRIPT")
}

/// The way to a server; nothing is connected yet.
pub(crate) fn client(
    settings: &RedisSettings,
    address: &RedisAddress,
    login: &RedisLogin,
    database: u32,
) -> BackendResult<Client> {
    let (host, port) = (address.host.clone(), address.port);
    let address = if settings.tls {
        if !cfg!(feature = "tls") {
            let text = "`rediss:` needs the feature `redis-tls` of the crate `durable` (`tls` of `backend-redis`)";
            return Err(BackendError::new(BackendErrorKind::Invalid, "connect", text));
        }
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let mut info = RedisConnectionInfo::default().set_db(database.into());
    if let Some(user) = &login.user {
        info = info.set_username(user);
    }
    if let Some(password) = &login.password {
        info = info.set_password(password);
    }
    let failed = |e| from_redis("connect", Effect::Reads, e);
    let info = address.into_connection_info().map_err(failed)?.set_redis_settings(info);
    #[cfg(feature = "tls")]
    if settings.tls {
        return tls::client(info, settings.ca_file.as_deref());
    }
    Client::open(info).map_err(failed)
}

impl Node {
    /// A server, to be connected to with the first call.
    pub(crate) fn lazy(settings: &RedisSettings, address: &RedisAddress) -> BackendResult<Self> {
        let client = client(settings, address, &settings.login, settings.database)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(settings.response_timeout))
            .set_number_of_retries(CONNECT_TRIES)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(500));
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())
            .map_err(|e| from_redis("connect", Effect::Reads, e))?;
        let current = Mutex::new(Current { manager, number: 0 });
        Ok(Self {
            address: address.clone(),
            client,
            config,
            current,
            confirm: confirm(settings.replicas),
            may_be_new: AtomicBool::new(true),
        })
    }

    /// Puts a new connection in the place of one that gives no answers. What travels on the old
    /// one may still arrive; nobody waits for more on it.
    fn give_up(&self, number: u64) {
        let mut current = self.current.lock();
        if current.number != number {
            return;
        }
        let config = self.config.clone();
        if let Ok(manager) = ConnectionManager::new_lazy_with_config(self.client.clone(), config) {
            *current = Current { manager, number: number + 1 };
        }
    }

    /// For a connection beside the shared one.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends commands in one write; errors of the server are among the answers.
    pub(crate) async fn send(&self, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
        self.send_with(commands, None).await
    }

    /// The same with one command more.
    async fn send_with(&self, commands: &[Cmd], last: Option<&Cmd>) -> RedisResult<Vec<Value>> {
        let count = commands.len() + usize::from(last.is_some());
        let mut pipeline = Pipeline::with_capacity(count);
        for command in commands.iter().chain(last) {
            pipeline.add_command(command.clone());
        }
        let (mut manager, number) = {
            let current = self.current.lock();
            (current.manager.clone(), current.number)
        };
        let answers = manager.send_packed_commands(&pipeline, 0, count).await;
        match &answers {
            Ok(_) if self.may_be_new.swap(false, Ordering::AcqRel) => {
                let renewed = file::renew(&mut manager).await;
                self.may_be_new.fetch_or(!renewed, Ordering::AcqRel);
            }
            Ok(_) => {}
            Err(error) => {
                self.may_be_new.store(true, Ordering::Release);
                // The network may have lost the connection without telling either end.
                if error.is_timeout() {
                    self.give_up(number);
                }
            }
        }
        answers
    }

    /// Sends calls of a script; when its work is to be kept, until replicas have it, too.
    async fn send_confirmed(&self, script: &Script, calls: &[Cmd]) -> RedisResult<Vec<Value>> {
        let confirm = self.confirm.as_ref().filter(|_| SCRIPTS.is_kept(script));
        let Some((confirm, replicas)) = confirm else { return self.send(calls).await };
        let mut answers = self.send_with(calls, Some(confirm)).await?;
        match answers.pop() {
            Some(Value::Int(found)) if found >= *replicas => Ok(answers),
            _ => Err(RedisError::from((ErrorKind::Client, "too few replicas have it yet"))),
        }
    }

    /// Calls a script; what the server does not know it for is called again once it does.
    pub(crate) async fn call(&self, script: &Script, calls: &[Cmd]) -> RedisResult<Vec<Value>> {
        let mut answers = self.send_confirmed(script, calls).await?;
        let missing: Vec<usize> =
            answers.iter().enumerate().filter(|(_, a)| is_missing(a)).map(|(n, _)| n).collect();
        if missing.is_empty() {
            return Ok(answers);
        }
        // The load and the calls travel together, so that nothing comes between them.
        let mut again = vec![script.load()];
        again.extend(missing.iter().map(|n| calls[*n].clone()));
        let found = self.send_confirmed(script, &again).await?;
        for (n, answer) in missing.into_iter().zip(found.into_iter().skip(1)) {
            answers[n] = answer;
        }
        Ok(answers)
    }

    /// Calls a script that another node says is to be asked for here, though the slot is not
    /// this one's yet.
    pub(crate) async fn ask(&self, script: &Script, call: &Cmd) -> RedisResult<Value> {
        let asking = || redis::cmd("ASKING");
        let answers = self.send_confirmed(script, &[asking(), call.clone()]).await?;
        let answer = answers.into_iter().nth(1).unwrap_or(Value::Nil);
        if !is_missing(&answer) {
            return Ok(answer);
        }
        let again = [script.load(), asking(), call.clone()];
        let answers = self.send_confirmed(script, &again).await?;
        Ok(answers.into_iter().nth(2).unwrap_or(Value::Nil))
    }
}
