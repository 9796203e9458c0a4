//! The payment provider's book: what really happened, each charge once per idempotency key.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use durable::Failure;

/// Charges and refunds, one file each. Several processes may use the same files.
#[derive(Debug)]
pub(crate) struct Ledger {
    charges: Mutex<Book>,
    refunds: Mutex<Book>,
}

/// One file: `order,cents,key` per line, appended only.
#[derive(Debug)]
struct Book {
    file: File,
    /// How far it has been read.
    read: u64,
    /// Key to amount.
    entries: HashMap<String, u64>,
}

impl Ledger {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let mut refunds = path.as_os_str().to_owned();
        refunds.push(".refunds.csv");
        Ok(Self {
            charges: Mutex::new(Book::open(path)?),
            refunds: Mutex::new(Book::open(&PathBuf::from(refunds))?),
        })
    }

    /// Charges, unless this key has been charged already.
    pub(crate) fn charge(&self, key: &str, order: &str, cents: u64) -> Result<(), Failure> {
        self.charges.lock().unwrap_or_else(PoisonError::into_inner).enter(key, order, cents)
    }

    /// Pays back, unless this key has been paid back already.
    pub(crate) fn refund(&self, key: &str, order: &str, cents: u64) -> Result<(), Failure> {
        self.refunds.lock().unwrap_or_else(PoisonError::into_inner).enter(key, order, cents)
    }
}

impl Book {
    fn open(path: &Path) -> Result<Self, Failure> {
        let named = |e| Failure::new(format!("{}: {e}", path.display()));
        let file = OpenOptions::new().create(true).read(true).append(true).open(path);
        Ok(Self { file: file.map_err(named)?, read: 0, entries: HashMap::new() })
    }

    /// Looks and writes under the file's lock, so that no other process comes in between.
    fn enter(&mut self, key: &str, order: &str, cents: u64) -> Result<(), Failure> {
        self.file.lock()?;
        let entered = self.enter_locked(key, order, cents);
        self.file.unlock()?;
        entered
    }

    fn enter_locked(&mut self, key: &str, order: &str, cents: u64) -> Result<(), Failure> {
        self.catch_up()?;
        if self.entries.contains_key(key) {
            return Ok(());
        }
        let line = format!("{order},{cents},{key}\n");
        self.file.write_all(line.as_bytes())?;
        // A charge counts when it survives the loss of power.
        self.file.sync_data()?;
        self.read += line.len() as u64;
        self.entries.insert(key.to_owned(), cents);
        Ok(())
    }

    /// Reads what others have appended. A last line that a dying process left unfinished never
    /// counted: it is cut off.
    fn catch_up(&mut self) -> Result<(), Failure> {
        if self.file.metadata()?.len() == self.read {
            return Ok(());
        }
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(self.read))?;
        self.file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text[..whole].lines() {
            let mut parts = line.splitn(3, ',');
            let (_order, cents, key) = (parts.next(), parts.next(), parts.next());
            let cents = cents.and_then(|cents| cents.parse().ok());
            let (Some(cents), Some(key)) = (cents, key) else {
                return Err(Failure::non_retryable(format!("{line:?} is no line of a ledger")));
            };
            self.entries.insert(key.to_owned(), cents);
        }
        self.read += whole as u64;
        if whole < text.len() {
            self.file.set_len(self.read)?;
        }
        Ok(())
    }
}
