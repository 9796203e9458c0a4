//! The connection that scripts are called over, shared by all tasks.

use std::fmt;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use redis::aio::ConnectionManager;
use redis::{Cmd, Pipeline, Value};

use crate::error::{Effect, from_redis, from_server};
use crate::scripts::Script;

/// Most calls in one write; more follow after their answers.
const PIPELINE_MAX: usize = 512;

/// A connection that mends itself.
#[derive(Clone)]
pub(crate) struct Link {
    manager: ConnectionManager,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

fn is_missing(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(e) if e.code() == "NOSCRIPT")
}

impl Link {
    pub(crate) fn new(manager: ConnectionManager) -> Self {
        Self { manager }
    }

    /// Calls a script once for each of `calls`, in order, in one round trip.
    pub(crate) async fn call_all(
        &self,
        operation: &'static str,
        effect: Effect,
        script: &Script,
        calls: Vec<Cmd>,
    ) -> Vec<BackendResult<Value>> {
        let mut answers = Vec::with_capacity(calls.len());
        let mut calls = calls.into_iter().peekable();
        while calls.peek().is_some() {
            let some: Vec<Cmd> = calls.by_ref().take(PIPELINE_MAX).collect();
            answers.extend(self.call_some(operation, effect, script, &some).await);
        }
        answers
    }

    async fn call_some(
        &self,
        operation: &'static str,
        effect: Effect,
        script: &Script,
        calls: &[Cmd],
    ) -> Vec<BackendResult<Value>> {
        match self.with_script(script, calls).await {
            Ok(answers) => answers.into_iter().map(|answer| checked(operation, answer)).collect(),
            Err(error) => {
                calls.iter().map(|_| Err(from_redis(operation, effect, error.clone()))).collect()
            }
        }
    }

    /// Calls; what the server does not know the script for is called again once it does.
    async fn with_script(&self, script: &Script, calls: &[Cmd]) -> redis::RedisResult<Vec<Value>> {
        let mut answers = self.send(calls).await?;
        let missing: Vec<usize> =
            answers.iter().enumerate().filter(|(_, a)| is_missing(a)).map(|(n, _)| n).collect();
        if missing.is_empty() {
            return Ok(answers);
        }
        // The load and the calls travel together, so that nothing comes between them.
        let mut load = Cmd::new();
        load.arg("SCRIPT").arg("LOAD").arg(&script.source);
        let mut again = vec![load];
        again.extend(missing.iter().map(|n| calls[*n].clone()));
        let found = self.send(&again).await?;
        for (n, answer) in missing.into_iter().zip(found.into_iter().skip(1)) {
            answers[n] = answer;
        }
        Ok(answers)
    }

    /// Sends commands in one write; errors of the server are among the answers.
    pub(crate) async fn send(&self, commands: &[Cmd]) -> redis::RedisResult<Vec<Value>> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        self.manager.clone().send_packed_commands(&pipeline, 0, commands.len()).await
    }

    /// Calls a script once.
    pub(crate) async fn call(
        &self,
        operation: &'static str,
        effect: Effect,
        script: &Script,
        call: Cmd,
    ) -> BackendResult<Value> {
        let mut answers = self.call_some(operation, effect, script, &[call]).await;
        answers.pop().unwrap_or_else(|| Err(unexpected(operation)))
    }
}

fn checked(operation: &'static str, answer: Value) -> BackendResult<Value> {
    match answer {
        Value::ServerError(error) => Err(from_server(operation, &error)),
        other => Ok(other),
    }
}

/// The error for an answer of a form that no script gives.
pub(crate) fn unexpected(operation: &'static str) -> BackendError {
    let text = "the server gave an answer that no script gives; are there two versions at work?";
    BackendError::new(BackendErrorKind::Internal, operation, text).unknown()
}
