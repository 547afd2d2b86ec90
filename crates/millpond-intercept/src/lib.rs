//! TLS opened on request: a local certificate authority, leaf certificates made from server names, the handshake with
//! clients, and what clients must be told so that they trust it.
//!
//! [`Authority`] is the folder with the authority's key and certificate; [`Interceptor`] makes the handshakes with what
//! it signs; [`opening`] tells from the first bytes of a tunnel whether there is TLS to be opened; [`Refusals`]
//! remembers hosts whose clients do not accept our certificates; [`environment`] has the variables and container
//! arguments that make clients use the proxy and trust it.
//!
//! What must not live here: which hosts are opened (the doors), anything about the requests within.

mod accept;
mod authority;
mod certificates;
pub mod environment;
mod failure;
mod leaf;
mod name;
mod opening;
mod refusals;
mod stream;
mod trust;

pub use accept::{Accepted, Interceptor, Now, Options};
pub use authority::{Authority, AuthorityError, BundleError, Summary};
pub use failure::{AcceptError, Fault, MintError};
pub use name::{CertName, InvalidName};
pub use opening::{Opening, opening, opening_until};
pub use refusals::{RefusalLimits, Refusals, Remembered};
pub use stream::TlsIo;
pub use trust::{Trust, TrustWatch};
