//! Whose request is it? A bearer token says, and its signature proves it (RFC 6750, RFC 7519).
//!
//! ```no_run
//! use bearer::Verifier;
//! use hyper::HeaderMap;
//!
//! # fn example(headers: &HeaderMap) -> Result<(), Box<dyn std::error::Error>> {
//! let key = std::fs::read("issuer.pem")?;
//! let verifier = Verifier::from_pem(&key, "https://auth.example", "api.example")?;
//! match verifier.subject(headers) {
//!     Ok(subject) => println!("{subject}"),
//!     Err(problem) => println!("{} {}", problem.status, problem.detail),
//! }
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod verifier;

pub use verifier::Verifier;
