//! One connection to a server, which mends itself.

use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, Pipeline, RedisResult, Value};

use crate::config::RedisSettings;

/// How long making a connection may take.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How often a lost connection is tried again before the call that needs it fails.
const CONNECT_TRIES: usize = 2;

/// The connection, shared by all tasks.
pub(crate) struct Wire {
    client: Client,
    config: ConnectionManagerConfig,
    current: Mutex<Current>,
}

/// The connection in use, and how many there were before it.
struct Current {
    manager: ConnectionManager,
    number: u64,
}

impl Wire {
    /// To be connected with the first call.
    pub(crate) fn lazy(client: Client, settings: &RedisSettings) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(settings.response_timeout))
            .set_number_of_retries(CONNECT_TRIES)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(500));
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
        Ok(Self { client, config, current: Mutex::new(Current { manager, number: 0 }) })
    }

    /// For a connection beside this one.
    pub(crate) fn client(&self) -> &Client {
        &self.client
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

    /// Sends commands in one write; errors of the server are among the answers.
    pub(crate) async fn send<'a>(
        &self,
        commands: impl IntoIterator<Item = &'a Cmd>,
    ) -> RedisResult<Vec<Value>> {
        let mut pipeline = Pipeline::new();
        let mut count = 0;
        for command in commands {
            pipeline.add_command(command.clone());
            count += 1;
        }
        let (mut manager, number) = {
            let current = self.current.lock();
            (current.manager.clone(), current.number)
        };
        let answers = manager.send_packed_commands(&pipeline, 0, count).await;
        // The network may have lost the connection without telling either end.
        if answers.as_ref().is_err_and(redis::RedisError::is_timeout) {
            self.give_up(number);
        }
        answers
    }
}
