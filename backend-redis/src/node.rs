//! One server: a connection shared by all tasks, and one beside it for what replicas confirm.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use redis::{Client, Cmd, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};
use redis::{ErrorKind, RedisError, RedisResult, Value};

use crate::config::{RedisAddress, RedisLogin, RedisSettings};
use crate::error::{Effect, from_redis};
use crate::file;
use crate::scripts::{SCRIPTS, Script};
#[cfg(feature = "tls")]
use crate::tls;
use crate::wire::Wire;

/// How long replicas may take to receive a change. The connection is blocked meanwhile.
const CONFIRM_LIMIT: Duration = Duration::from_secs(2);

/// A server.
pub(crate) struct Node {
    pub(crate) address: RedisAddress,
    wire: Wire,
    confirm: Option<Confirm>,
    /// How often a connection was lost: the server may have started anew.
    losses: AtomicU64,
    /// How often it was when the server's file was looked at last, counted from 1.
    looked: AtomicU64,
}

/// Waits until replicas have what was done.
struct Confirm {
    /// A connection of its own: it is blocked while replicas are waited for, and what has nothing
    /// to do with them, the renewal of leases before all, must not wait with it.
    wire: Wire,
    wait: Cmd,
    replicas: i64,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.address)
    }
}

/// What to wait by. Also after a call that repeats what was done before: any command moves the
/// place in the stream of changes that `WAIT` waits for.
fn confirm(client: &Client, settings: &RedisSettings) -> RedisResult<Option<Confirm>> {
    if settings.replicas == 0 {
        return Ok(None);
    }
    let mut wait = redis::cmd("WAIT");
    wait.arg(settings.replicas).arg(CONFIRM_LIMIT.as_millis().to_string());
    let wire = Wire::lazy(client.clone(), settings)?;
    Ok(Some(Confirm { wire, wait, replicas: settings.replicas.into() }))
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
        let failed = |e| from_redis("connect", Effect::Reads, e);
        let confirm = confirm(&client, settings).map_err(failed)?;
        let wire = Wire::lazy(client, settings).map_err(failed)?;
        let (losses, looked) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { address: address.clone(), wire, confirm, losses, looked })
    }

    /// For a connection beside the shared one.
    pub(crate) fn client(&self) -> &Client {
        self.wire.client()
    }

    /// Sends commands in one write; errors of the server are among the answers.
    pub(crate) async fn send(&self, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
        self.send_on(&self.wire, commands).await
    }

    /// Nothing is sent to a server that may have started anew before its file is known to be well.
    async fn send_on<'a>(
        &self,
        wire: &Wire,
        commands: impl IntoIterator<Item = &'a Cmd>,
    ) -> RedisResult<Vec<Value>> {
        let losses = self.losses.load(Ordering::Acquire) + 1;
        if self.looked.load(Ordering::Acquire) < losses {
            let renewed = self.counting_losses(file::renew(wire).await)?;
            if renewed {
                self.looked.fetch_max(losses, Ordering::AcqRel);
            }
        }
        self.counting_losses(wire.send(commands).await)
    }

    fn counting_losses<T>(&self, answer: RedisResult<T>) -> RedisResult<T> {
        if answer.is_err() {
            self.losses.fetch_add(1, Ordering::AcqRel);
        }
        answer
    }

    /// Sends calls of a script; when its work is to be kept, until replicas have it, too.
    async fn send_confirmed(&self, script: &Script, calls: &[Cmd]) -> RedisResult<Vec<Value>> {
        let confirm = self.confirm.as_ref().filter(|_| SCRIPTS.is_kept(script));
        let Some(confirm) = confirm else { return self.send(calls).await };
        let commands = calls.iter().chain([&confirm.wait]);
        let mut answers = self.send_on(&confirm.wire, commands).await?;
        match answers.pop() {
            Some(Value::Int(found)) if found >= confirm.replicas => Ok(answers),
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
