//! Locks that are held for a few statements.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock. Nothing panics while it holds one, and what each holds is whole after every statement: so a poisoned one is as good
/// as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
