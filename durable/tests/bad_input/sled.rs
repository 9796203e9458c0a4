//! Settings of a sled store.

use std::path::PathBuf;

use backend_sled::{SledSettings, SledStore};
use durable::Error;

use crate::table::{Row, now, rows};

/// Opens a store that cannot be, in a folder that must not appear.
fn with(set: impl Fn(&mut SledSettings)) -> Result<(), Error> {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = SledSettings::new(folder.path().join("new"));
    set(&mut settings);
    let opened = SledStore::open(settings);
    assert!(!folder.path().join("new").exists(), "a folder was left behind");
    opened.map(drop).map_err(Error::from)
}

#[rustfmt::skip]
pub(crate) fn settings() -> Vec<Row> {
    rows! {
        "sled: no folder" => |w| now(with(|s| s.path = PathBuf::new())), InvalidArgument, Never, "open failed (Invalid): `path` is empty; name a folder, e.g. `./data`";
        "sled: no cache" => |w| now(with(|s| s.cache_bytes = 0)), InvalidArgument, Never, "open failed (Invalid): `cache_bytes` is 0; it must be 65536 to 1099511627776";
        "sled: a cache that is too small" => |w| now(with(|s| s.cache_bytes = 65_535)), InvalidArgument, Never, "open failed (Invalid): `cache_bytes` is 65535; it must be 65536 to 1099511627776";
        "sled: a cache that sled panics over" => |w| now(with(|s| s.cache_bytes = 255)), InvalidArgument, Never, "open failed (Invalid): `cache_bytes` is 255; it must be 65536 to 1099511627776";
        "sled: a cache that is too large" => |w| now(with(|s| s.cache_bytes = (1 << 40) + 1)), InvalidArgument, Never, "open failed (Invalid): `cache_bytes` is 1099511627777; it must be 65536 to 1099511627776";
        "sled: the largest cache" => |w| now(with(|s| s.cache_bytes = u64::MAX)), InvalidArgument, Never, "open failed (Invalid): `cache_bytes` is 18446744073709551615; it must be 65536 to 1099511627776";
        "sled: checkpoints all the time" => |w| now(with(|s| s.checkpoint_bytes = 0)), InvalidArgument, Never, "open failed (Invalid): `checkpoint_bytes` is 0; it must be 1 at least";
        "sled: three settings at once" => |w| now(with(|s| (s.path, s.cache_bytes, s.checkpoint_bytes) = (PathBuf::new(), 0, 0))), InvalidArgument, Never, "open failed (Invalid): `path` is empty; name a folder, e.g. `./data`; `cache_bytes` is 0; it must be 65536 to 1099511627776; `checkpoint_bytes` is 0; it must be 1 at least";
    }
}
