//! An authoritative name server: it knows its own zones by heart, and for whatever it has given
//! away it says whom to ask. Three of these make the lab's DNS: the root, `com.` and `myshop.com.`
//!
//! What this hop teaches: why nobody has to know every name. A server answers, or *refers* one step
//! down the tree; the resolver walks. Read in this order:
//!
//! | module | answers |
//! |---|---|
//! | crate `zonefile` | what does a line of a zone file say? |
//! | [`zone`] | what is a zone, and do these records make one? |
//! | [`answer`] | answer, referral, NODATA, NXDOMAIN, REFUSED: which, and why? |
//! | crate `dnswire` | what do the bytes look like, and what if they do not fit? |
//! | [`respond`] | all of the above in one function, bytes in and bytes out |
//! | [`server`] | sockets, reload, stamps |
//! | [`config`] | flags and environment |

pub mod answer;
pub mod config;
pub mod respond;
pub mod server;
pub mod zone;
