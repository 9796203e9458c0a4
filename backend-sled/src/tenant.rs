//! Who is in a place, and when they have left it.
//!
//! A value that is being dropped can no longer be shared, but what it holds, a lock on a folder or
//! a thread that still writes, is in the way of its successor. The successor waits.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Longer than the last flush of a slow disk takes.
const LEAVING_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Place {
    left: Mutex<bool>,
    bell: Condvar,
}

/// Is in a place until it is dropped. To be the last field of whoever must be gone wholly.
#[derive(Debug, Default)]
pub(crate) struct Tenant(Arc<Place>);

impl Drop for Tenant {
    fn drop(&mut self) {
        *self.0.left.lock() = true;
        self.0.bell.notify_all();
    }
}

/// Knows of a tenant.
#[derive(Debug, Clone)]
pub(crate) struct Neighbour(Arc<Place>);

impl Tenant {
    pub(crate) fn neighbour(&self) -> Neighbour {
        Neighbour(Arc::clone(&self.0))
    }
}

impl Neighbour {
    /// Waits until the tenant has left; `false` when it does not.
    pub(crate) fn wait(&self) -> bool {
        let mut left = self.0.left.lock();
        while !*left {
            if self.0.bell.wait_for(&mut left, LEAVING_MAX).timed_out() {
                break;
            }
        }
        *left
    }

    pub(crate) fn has_left(&self) -> bool {
        *self.0.left.lock()
    }
}
