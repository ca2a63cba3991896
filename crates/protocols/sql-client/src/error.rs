//! Why a database did not do what it was told.

use std::error::Error;

use rusqlite::ErrorCode;
use tokio_postgres::error::SqlState;

/// What the database said.
type Cause = Box<dyn Error + Send + Sync>;

/// Why the database did not do it. None of it is the fault of whoever made the request that needed it.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Nothing was written: there is no room.
    #[error("the disk that holds the database is full")]
    Full(#[source] Cause),
    /// It may work again soon: locked by someone else, unreachable, or the disk failed.
    #[error("the database can't be used now")]
    Unavailable(#[source] Cause),
    /// It will not work again by itself: damaged, or not ours.
    #[error("the database is broken")]
    Broken(#[source] Cause),
    /// The process ends before the write began.
    #[error("the service is stopping")]
    Stopping(#[source] Cause),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => DatabaseError::Full(error.into()),
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory,
            ) => DatabaseError::Unavailable(error.into()),
            _ => DatabaseError::Broken(error.into()),
        }
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) if *code == SqlState::DISK_FULL => DatabaseError::Full(error.into()),
            // No code: there was no response. Classes 08, 40, 53, 55, 57, 58: the server's state, not the statement.
            None => DatabaseError::Unavailable(error.into()),
            Some(code) if ["08", "40", "53", "55", "57", "58"].contains(&&code.code()[..2]) => {
                DatabaseError::Unavailable(error.into())
            }
            Some(_) => DatabaseError::Broken(error.into()),
        }
    }
}
