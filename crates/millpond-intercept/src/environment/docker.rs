//! Arguments of `docker run` (and `podman run`) for a container whose clients use the proxy.

use super::variables;
use std::path::Path;

/// Where the bundle lies in the container.
const BUNDLE: &str = "/etc/millpond/ca-bundle.pem";
/// Where the certificate of the authority lies in the container.
const CA_CERT: &str = "/etc/millpond/ca-cert.pem";
/// The name under which a container reaches its host.
const HOST: &str = "host.docker.internal";

/// A container, and what it is to use.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// The proxy's port on the host.
    pub proxy_port: u16,
    /// Whether the container shares the host's network. If not, the proxy must listen where containers reach it: on
    /// loopback alone, they do not.
    pub host_network: bool,
    /// The file of [`Authority::bundle`](crate::Authority::bundle).
    pub bundle: &'a Path,
    /// The file of [`Authority::certificate_path`](crate::Authority::certificate_path).
    pub ca_cert: &'a Path,
    /// The hosts to be asked directly.
    pub no_proxy: &'a str,
    /// Files in the container to lay the bundle over, for clients that trust a file of their own whatever the variables say:
    /// `…/site-packages/certifi/cacert.pem`, say.
    pub bundle_over: &'a [String],
}

/// The arguments, to be put behind `docker run`.
pub fn docker_args(container: &Container<'_>) -> Vec<String> {
    let host = if container.host_network { "127.0.0.1" } else { HOST };
    let proxy = format!("http://{host}:{}", container.proxy_port);
    let mut args = Vec::new();
    for (name, value) in variables(&proxy, Path::new(BUNDLE), Path::new(CA_CERT), container.no_proxy) {
        args.extend(["-e".to_owned(), format!("{name}={value}")]);
    }
    args.extend(mount(container.bundle, BUNDLE));
    args.extend(mount(container.ca_cert, CA_CERT));
    for target in container.bundle_over {
        args.extend(mount(container.bundle, target));
    }
    if container.host_network {
        args.extend(["--network".to_owned(), "host".to_owned()]);
    } else {
        // On Linux the name means nothing until it is given an address.
        args.push(format!("--add-host={HOST}:host-gateway"));
    }
    args
}

/// `source` laid over `target`, read-only. `-v` parts its fields by colons, `--mount` by commas.
fn mount(source: &Path, target: &str) -> [String; 2] {
    let source = source.to_string_lossy();
    if source.contains(':') {
        ["--mount".to_owned(), format!("type=bind,\"source={source}\",target={target},readonly")]
    } else {
        ["-v".to_owned(), format!("{source}:{target}:ro")]
    }
}

/// What to do for programs in Java, which read no such variable, given the certificate at `ca_cert`.
pub fn java_note(ca_cert: &Path) -> String {
    format!(
        "Java reads neither the proxy nor the CA variables. Import the certificate, and name the proxy:\n  \
         keytool -importcert -noprompt -cacerts -storepass changeit -alias millpond -file {}\n  \
         JAVA_TOOL_OPTIONS='-Dhttp.proxyHost=HOST -Dhttp.proxyPort=PORT -Dhttps.proxyHost=HOST -Dhttps.proxyPort=PORT'\n",
        ca_cert.display()
    )
}
