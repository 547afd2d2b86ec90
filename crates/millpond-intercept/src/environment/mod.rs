//! What clients must be told: environment variables, for commands of this machine and for containers.

mod docker;
mod shell;

pub use docker::{Container, docker_args, java_note};
pub use shell::{Shell, exports};

use std::path::Path;

/// How a variable gets its value.
#[derive(Clone, Copy)]
enum Value {
    Proxy,
    NoProxy,
    /// All that is to be trusted: the variable replaces what the client trusts by itself.
    Bundle,
    /// Our authority alone: the variable adds to what the client trusts.
    Authority,
    One,
}

/// The variables, with who reads them.
///
/// `ALL_PROXY` is not among them: it is also for protocols that no HTTP proxy speaks.
const VARIABLES: [(&str, Value); 17] = [
    // curl reads the lower case of the first only: in a CGI program, the other is a request field.
    ("http_proxy", Value::Proxy),
    ("HTTP_PROXY", Value::Proxy),
    ("https_proxy", Value::Proxy),
    ("HTTPS_PROXY", Value::Proxy),
    ("no_proxy", Value::NoProxy),
    ("NO_PROXY", Value::NoProxy),
    // Node's own fetch looks at the proxy variables only when asked to.
    ("NODE_USE_ENV_PROXY", Value::One),
    // OpenSSL, Go, rustls, Ruby, Python's ssl.
    ("SSL_CERT_FILE", Value::Bundle),
    // Python's requests.
    ("REQUESTS_CA_BUNDLE", Value::Bundle),
    ("CURL_CA_BUNDLE", Value::Bundle),
    ("GIT_SSL_CAINFO", Value::Bundle),
    ("CARGO_HTTP_CAINFO", Value::Bundle),
    ("PIP_CERT", Value::Bundle),
    // The AWS command line and boto3.
    ("AWS_CA_BUNDLE", Value::Bundle),
    // gRPC's C core.
    ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", Value::Bundle),
    ("NODE_EXTRA_CA_CERTS", Value::Authority),
    ("DENO_CERT", Value::Authority),
];

/// The variables that make clients use the proxy at `proxy_url` and trust what it shows: `bundle` is the file of
/// [`Authority::bundle`], `ca_cert` that of [`Authority::certificate_path`], `no_proxy` the hosts to be asked directly (all go
/// through the proxy where it is empty).
///
/// [`Authority::bundle`]: crate::Authority::bundle
/// [`Authority::certificate_path`]: crate::Authority::certificate_path
pub fn variables(
    proxy_url: &str,
    bundle: &Path,
    ca_cert: &Path,
    no_proxy: &str,
) -> Vec<(&'static str, String)> {
    let value = |value| match value {
        Value::Proxy => proxy_url.to_owned(),
        Value::NoProxy => no_proxy.to_owned(),
        Value::Bundle => bundle.to_string_lossy().into_owned(),
        Value::Authority => ca_cert.to_string_lossy().into_owned(),
        Value::One => "1".to_owned(),
    };
    VARIABLES.iter().map(|(name, from)| (*name, value(*from))).collect()
}
