//! What the shared suite has to know of this adapter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backend_aws::{AwsBackend, AwsStore};
use conformance_tests::{Fixture, Timings, fixture};

use crate::connector::{Fault, Faults, Plan, plain, through};
use crate::emulator::{self, Kind};

/// So many of a thousand requests go wrong. Four attempts of one request all do at the rate of one
/// in six million.
const PER_MILLE: u64 = 20;

/// What the services and the network do to requests now and then. For the adapter a request that is
/// never answered is one that times out, but it takes far longer.
pub(crate) fn faults(seed: u64) -> Arc<Faults> {
    let takes_long = |fault: &Fault| matches!(fault, Fault::HungBefore | Fault::HungAfter);
    let kinds = Fault::ALL.into_iter().filter(|fault| !takes_long(fault)).collect();
    Faults::new(Plan::Seeded { seed, per_mille: PER_MILLE, kinds })
}

/// What has gone wrong so far, by kind.
pub(crate) fn summary(faults: &Faults) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, fault) in faults.injected() {
        *counts.entry(format!("{fault:?}")).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    let each: Vec<_> = counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    format!("{all} requests went wrong: {}", each.join(", "))
}

pub(crate) fn of_emulator(faults: Option<Arc<Faults>>) -> impl Fixture {
    let spoiled = faults.is_some();
    let fixture = fixture(AwsBackend::capabilities(), move |place, hub, env| {
        let faults = faults.clone();
        async move {
            let mut settings = emulator::shared().settings(&place.name);
            settings.long_poll = Duration::from_secs(1);
            settings.ring_again = Duration::from_secs(1);
            settings.sweep_every = Duration::ZERO;
            settings.watch_every = Duration::from_millis(100);
            if let Some(faults) = faults {
                settings.http_client = Some(through(faults, plain()));
            }
            let store = AwsStore::connect(settings, env).await?;
            store.create_hub(&hub).await?;
            Ok(store.hub(&hub) as Arc<_>)
        }
    });
    let mut timings = Timings::manual();
    timings.tick = Duration::from_millis(10);
    // What a dropped call has begun comes to its end over the network.
    timings.grace = Duration::from_millis(if spoiled { 1_500 } else { 300 });
    // A commit is answered when what it sends has arrived.
    timings.relay = Duration::ZERO;
    // Costs time only when a check fails, and a busy machine is slow.
    timings.patience = Duration::from_secs(180);
    timings.check_limit = Duration::from_secs(600);
    fixture.with_timings(timings).unless(Kind::from_env().missing())
}
