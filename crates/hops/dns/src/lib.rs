//! An authoritative name server: it answers for its own zones, and for what it has delegated it refers
//! to the servers that know more. Three of these make the lab's DNS: the root, `com.` and `myshop.com.`
//!
//! What this hop teaches: why nobody has to know every name. A server answers, or *refers* one step
//! down the tree; the resolver goes there. Read first, 15 minutes in all:
//!
//! | file | minutes | answers |
//! |---|---|---|
//! | [`zone`] | 5 minutes | what is a zone, and do these records make one? |
//! | [`answer`] | 6 minutes | answer, referral, NODATA, NXDOMAIN, REFUSED: which, and why? |
//! | [`respond`] | 4 minutes | all of it in one function, bytes in and bytes out |
//!
//! and then, in any order:
//!
//! | module | answers |
//! |---|---|
//! | [`records`] | how are the records of a name kept? |
//! | [`server`] | sockets, reload, stamps |
//! | [`config`] | flags and environment |
//! | crate `zonefile` | what does a line of a zone file say? |
//! | crate `dnswire` | what do the bytes look like, and what if they do not fit? |

pub mod answer;
pub mod config;
pub mod records;
pub mod respond;
pub mod server;
pub mod zone;
