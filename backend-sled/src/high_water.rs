//! A small file beside the store that says how far the log has come, because sled takes a
//! damaged end of its own log for the end.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use durable_core::backend::{BackendError, BackendErrorKind, BackendResult};
use durable_core::ids::HubName;

use crate::error::from_sled;

/// Writes between two that are forced to disk.
const SYNC_EVERY: u32 = 256;

/// Number of the last log group that was flushed.
#[derive(Debug)]
pub(crate) struct HighWater {
    file: File,
    writes: u32,
}

impl HighWater {
    /// Opens the file and answers with the number in it; 0 when it is new. One that cannot be
    /// read says nothing.
    pub(crate) fn open(folder: &Path, hub: &HubName) -> BackendResult<(Self, u64)> {
        let name: String = hub.as_str().bytes().map(|b| format!("{b:02x}")).collect();
        let io = |e: std::io::Error| from_sled("open", sled::Error::Io(e));
        let path = folder.join(format!("high-water-{name}"));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        Ok((Self { file, writes: 0 }, read_number(&bytes).unwrap_or(0)))
    }

    /// Notes that the log is flushed up to this group. Never ahead of the log; behind it by a
    /// little after a loss of power.
    pub(crate) fn note(&mut self, number: u64) {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes[8..].copy_from_slice(&crc32c::crc32c(&number.to_le_bytes()).to_le_bytes());
        // The file only makes a loss visible; its own failure must not stop the work.
        let written = self.file.write_all_at(&bytes, 0);
        self.writes += 1;
        if self.writes >= SYNC_EVERY {
            self.sync();
        }
        if let Err(error) = written {
            tracing::warn!(%error, "could not note how far the log is");
        }
    }

    pub(crate) fn sync(&mut self) {
        self.writes = 0;
        if let Err(error) = self.file.flush().and_then(|()| self.file.sync_data()) {
            tracing::warn!(%error, "could not note how far the log is");
        }
    }
}

/// The number in the file, when its checksum is right.
pub(crate) fn read_number(bytes: &[u8]) -> Option<u64> {
    let (number, crc) = bytes.split_first_chunk::<8>()?;
    (crc == crc32c::crc32c(number).to_le_bytes()).then(|| u64::from_le_bytes(*number))
}

/// The error when the log ends before what was noted.
pub(crate) fn lost(noted: u64, found: u64) -> BackendError {
    let text = format!(
        "the store lost {} group(s) of acknowledged changes (DT0008): its log ends at {found}, {noted} was flushed; \
         restore the folder from a backup, or remove the high-water file to go on without them",
        noted - found
    );
    BackendError::new(BackendErrorKind::Corrupt, "open", text)
}
