//! What a hop is built from, spoken to over real sockets: one process, port 0, spans read from memory.

mod chain;
mod client;
mod passing;
mod pipelining;
mod rig;
mod server;
mod slow;
mod start;
mod telemetry;
