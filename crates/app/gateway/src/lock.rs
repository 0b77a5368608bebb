//! Locking mutexes that guard plain numbers.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex that guards plain numbers: a panic elsewhere cannot have left them half written.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
