//! The shared suite over sled.

use std::sync::Arc;

use backend_sled::{SledBackend, SledSettings, SledStore};
use conformance_tests::fixture;

fn main() -> std::process::ExitCode {
    let fixture = fixture(SledBackend::capabilities(), |place, hub, env| async move {
        let store = SledStore::open_with(SledSettings::new(&place.dir), env)?;
        Ok(store.hub(&hub)? as Arc<_>)
    });
    conformance_tests::main("sled", fixture)
}
