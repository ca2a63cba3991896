use rusqlite::ffi;

use super::*;

#[test]
fn a_database_that_fails_is_our_fault_with_the_status_that_fits() {
    for (code, status) in [
        (ffi::SQLITE_FULL, 507),
        (ffi::SQLITE_BUSY, 503),
        (ffi::SQLITE_IOERR, 503),
        (ffi::SQLITE_READONLY, 503),
        (ffi::SQLITE_CORRUPT, 500),
        (ffi::SQLITE_ERROR, 500),
    ] {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let problem = failed(error.into());
        assert_eq!((problem.status, problem.fault), (status, Fault::Ours), "{problem:?}");
    }
}
