//! The shared suite over sled, with a checkpoint after every group.

use std::sync::Arc;

use backend_sled::{SledBackend, SledSettings, SledStore};
use conformance_tests::fixture;

fn main() -> std::process::ExitCode {
    let fixture = fixture(SledBackend::capabilities(), |place, hub, env| async move {
        let mut settings = SledSettings::new(&place.dir);
        settings.checkpoint_bytes = 1;
        let store = SledStore::open_with(settings, env)?;
        Ok(store.hub(&hub)? as Arc<_>)
    });
    conformance_tests::main("sled, always at a checkpoint", fixture)
}
