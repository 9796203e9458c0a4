//! What the shared suite has to know of this adapter.

use std::sync::Arc;
use std::time::Duration;

use backend_aws::{AwsBackend, AwsStore};
use conformance_tests::{Fixture, Timings, fixture};

use crate::emulator::{self, Kind};

pub(crate) fn of_emulator() -> impl Fixture {
    let fixture = fixture(AwsBackend::capabilities(), |place, hub, env| async move {
        let mut settings = emulator::shared().settings(&place.name);
        settings.long_poll = Duration::from_secs(1);
        settings.ring_again = Duration::from_secs(1);
        settings.sweep_every = Duration::ZERO;
        settings.watch_every = Duration::from_millis(100);
        let store = AwsStore::connect(settings, env).await?;
        store.create_hub(&hub).await?;
        Ok(store.hub(&hub) as Arc<_>)
    });
    // What a dropped call has begun comes to its end over the network.
    let mut timings = Timings::manual();
    timings.grace = Duration::from_millis(300);
    timings.tick = Duration::from_millis(10);
    // Costs time only when a check fails, and a busy machine is slow.
    timings.patience = Duration::from_secs(180);
    timings.check_limit = Duration::from_secs(600);
    fixture.with_timings(timings).unless(Kind::from_env().missing())
}
