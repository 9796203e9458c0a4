//! Bad input gets a typed error that says what to do, and loses nothing.
//!
//! Every row is one bad input with the exact error: kind, whether to try again, text. To add one,
//! add a line; the test prints what it found instead of what the line says.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod code;
mod handles;
mod ids;
#[cfg(feature = "sled")]
mod sled;
mod starts;
mod table;
mod tokens;
mod urls;
mod workers;
mod world;

use table::try_all;

/// Proves G15, G16.
#[tokio::test]
async fn bad_ids_are_refused() {
    try_all("ids", ids::ids()).await;
}

/// Proves G2, G15, G16.
#[tokio::test]
async fn bad_starts_are_refused() {
    try_all("starts", starts::starts()).await;
}

/// Proves G7, G10, G15, G16.
#[tokio::test]
async fn bad_uses_of_instances_are_refused() {
    try_all("handles", handles::handles()).await;
}

/// Proves G15, G16.
#[tokio::test]
async fn bad_settings_of_workers_are_refused() {
    try_all("workers", workers::workers()).await;
}

/// Proves G16.
#[tokio::test]
async fn bad_urls_are_refused_without_showing_a_password() {
    try_all("urls", urls::urls()).await;
    #[cfg(feature = "redis")]
    {
        // What a URL looks like is said by many errors, and by one alone.
        let error = durable::connect("redis:").await.unwrap_err().to_string();
        let form = error.strip_prefix("connect failed (Invalid): ").unwrap();
        assert!(form.starts_with("the form is redis://"), "{form}");
        table::try_with_form("redis", urls::redis(), Some(form)).await;
    }
    let error = durable::connect("aws:").await.unwrap_err().to_string();
    let form = error.strip_prefix("connect failed (Invalid): ");
    table::try_with_form("aws", urls::aws(), form).await;
}

/// Proves G16.
#[cfg(feature = "sled")]
#[tokio::test]
async fn bad_settings_of_sled_are_refused_and_leave_no_folder() {
    try_all("sled", sled::settings()).await;
}

/// Proves G6, G16.
#[tokio::test]
async fn bad_tokens_have_no_effect_in_memory() {
    let store = durable::memory::MemoryStore::new(durable::env::TokioEnv::shared());
    tokens::try_all("memory", |name| store.hub(name)).await;
}

/// Proves G6, G16.
#[cfg(feature = "sled")]
#[tokio::test]
async fn bad_tokens_have_no_effect_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let settings = backend_sled::SledSettings::new(folder.path());
    let store = backend_sled::SledStore::open(settings).unwrap();
    tokens::try_all("sled", |name| store.hub(name).unwrap()).await;
}

/// The table is as long as it is said to be.
#[test]
fn there_are_at_least_240_rows() {
    let rows = [ids::ids(), starts::starts(), handles::handles(), workers::workers(), urls::urls()];
    let rows = rows.iter().map(Vec::len).sum::<usize>() + code::CASES.len() + tokens::ROWS.len();
    assert!(rows >= 240, "{rows}");
}
