//! The other service in a distributed transaction.

use std::time::Duration;

use hop::http::Problem;
use serde::Deserialize;

/// A reservation that was neither confirmed nor released.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The name under which it was made.
    pub reservation_id: String,
    /// Whose units are reserved.
    pub product_id: String,
}

/// The service that holds what is reserved, as it is reached in the background. Each call may be made twice.
pub trait Participant<E>: Send + Sync + 'static {
    /// What has been held for so long; perhaps not all of it.
    fn held(&self, time: Duration) -> impl Future<Output = Result<Vec<Held>, Box<Problem>>> + Send;

    /// Confirms reservations: their units were kept.
    fn confirm(&self, reservations: &[String]) -> impl Future<Output = Result<(), Box<Problem>>> + Send;

    /// Releases a reservation: its units were not kept.
    fn release(&self, held: &Held) -> impl Future<Output = Result<(), Box<Problem>>> + Send;

    /// Takes back what a removal freed. A problem with status 422 says that this can never be taken back.
    fn restock(&self, removed: &E) -> impl Future<Output = Result<(), Box<Problem>>> + Send;
}
