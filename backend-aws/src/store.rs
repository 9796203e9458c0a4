//! The store: one account and region, many hubs.

use std::fmt;
use std::sync::{Arc, Weak};

use durable_core::backend::BackendResult;
use durable_core::env::SharedEnv;
use durable_core::ids::HubName;
use foldhash::HashMap;
use parking_lot::Mutex;

use crate::backend::AwsBackend;
use crate::client::Clients;
use crate::config::AwsSettings;
use crate::names::{self, HubNames};

/// An account and region with task hubs. Open it once per process and share it.
pub struct AwsStore {
    pub(crate) clients: Clients,
    pub(crate) settings: AwsSettings,
    pub(crate) env: SharedEnv,
    hubs: Mutex<HashMap<HubName, Weak<AwsBackend>>>,
}

impl fmt::Debug for AwsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsStore").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl AwsStore {
    /// Prepares the clients of both services. Nothing is asked of them yet.
    ///
    /// # Errors
    /// [`Invalid`](durable_core::backend::BackendErrorKind::Invalid) when the settings cannot be
    /// used; the text says what to change.
    pub async fn connect(settings: AwsSettings, env: SharedEnv) -> BackendResult<Arc<Self>> {
        names::check_prefix(&settings.prefix)?;
        let clients = Clients::connect(&settings).await?;
        Ok(Arc::new(Self { clients, settings, env, hubs: Mutex::default() }))
    }

    pub(crate) fn names(&self, hub: &HubName) -> HubNames {
        HubNames::new(&self.settings.prefix, hub)
    }

    /// The hub of that name, which [`create_hub`](Self::create_hub) must have created. The same
    /// value for every call, until it is closed or dropped.
    pub fn hub(&self, name: &HubName) -> Arc<AwsBackend> {
        let mut hubs = self.hubs.lock();
        // One that was closed is of no more use to anybody.
        let open = |hub: &Arc<AwsBackend>| hub.check_open("hub").is_ok();
        if let Some(hub) = hubs.get(name).and_then(Weak::upgrade).filter(open) {
            return hub;
        }
        let hub = Arc::new(AwsBackend::open(
            self.clients.clone(),
            self.settings.clone(),
            (name, self.names(name)),
            Arc::clone(&self.env),
        ));
        hubs.insert(name.clone(), Arc::downgrade(&hub));
        hub
    }
}
