//! A refused target is never contacted: whatever is asked of the forward proxy, the system's record of its calls has no
//! connection to where it must not go.

use crate::home::Home;
use crate::origin::{Origin, head};
use crate::server::Server;
use crate::trace::{CALLS, Contact, Trace};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::process::Command;

/// Hosts that are the metadata service, in each way to write it.
const METADATA: [&str; 9] = [
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[fd00:ec2::254]",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
];

/// A forward proxy under strace, beside an origin that it may ask, and a listener that it must not.
struct Scene {
    home: Home,
    origin: Origin,
    forbidden: TcpListener,
}

impl Scene {
    fn new() -> Self {
        let origin = Origin::start(|_, _| (head(200, &[]), b"allowed".to_vec()));
        Self { home: Home::new(), origin, forbidden: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// The port of the origin.
    fn port(&self) -> u16 {
        self.origin.url.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// The port of the listener that must not be asked.
    fn forbidden(&self) -> u16 {
        self.forbidden.local_addr().unwrap().port()
    }

    fn proxy(&self, options: &[&str]) -> Command {
        self.home.bare(&[&["proxy", "--listen", "127.0.0.1:0"], options].concat())
    }

    fn traced(&self, command: &Command) -> Server {
        Server::traced(command, CALLS, &self.calls())
    }

    fn calls(&self) -> std::path::PathBuf {
        self.home.path("calls")
    }

    /// Stops `server`; it contacted the origin, and of what else it contacted gives what is neither a service for names.
    fn contacts(&self, server: Server) -> Vec<Contact> {
        server.stop();
        let trace = Trace::read(&self.calls());
        let origin = format!("sin_port=htons({}), sin_addr=inet_addr(\"127.0.0.1\")", self.port());
        assert!(
            trace.contacts.iter().any(|contact| contact.to.contains(&origin)),
            "what is allowed is asked"
        );
        let strange = trace.strange(&[origin, "nscd".to_owned()]);
        strange.into_iter().cloned().collect()
    }
}

/// The status of the answer to a request for `authority`.
fn get(server: &Server, authority: &str) -> String {
    let request =
        format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    status(server, &request)
}

/// The status of the answer to a request for a tunnel to `authority`.
fn tunnel(server: &Server, authority: &str) -> String {
    status(server, &format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"))
}

fn status(server: &Server, request: &str) -> String {
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // A tunnel may end with a reset.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned()
}

fn assert_refused(server: &Server, authority: &str) {
    for status in [get(server, authority), tunnel(server, authority)] {
        assert!(["400", "403"].contains(&&*status), "{authority}: {status}");
    }
}

fn assert_allowed(server: &Server, authority: &str) {
    assert_eq!([get(server, authority), tunnel(server, authority)], ["200", "200"], "{authority}");
}

#[test]
fn a_refused_address_is_never_contacted() {
    let scene = Scene::new();
    let (port, forbidden) = (scene.port(), scene.forbidden());
    let server = scene.traced(&scene.proxy(&["--set", &format!("forward.tunnel_ports=[{port}]")]));
    for host in METADATA {
        assert_refused(&server, &format!("{host}:{port}"));
    }
    assert_eq!(tunnel(&server, &format!("127.0.0.1:{forbidden}")), "403", "no port for a tunnel");
    assert_allowed(&server, &format!("127.0.0.1:{port}"));
    assert_eq!(scene.contacts(server), []);
}

#[test]
fn a_host_off_the_list_is_neither_resolved_nor_contacted() {
    let scene = Scene::new();
    let (port, forbidden) = (scene.port(), scene.forbidden());
    let server = scene.traced(&scene.proxy(&["--allow", "localhost", "--allow", "*.allowed.test"]));
    for host in
        ["127.0.0.1", "[::1]", "ip6-localhost", "far.example", "allowed.test.far.example", "xallowed.test"]
    {
        assert_refused(&server, &format!("{host}:{forbidden}"));
    }
    assert_allowed(&server, &format!("localhost:{port}"));
    server.stop();
    let trace = Trace::read(&scene.calls());
    let known = [format!("htons({port})"), "nscd".to_owned()];
    let strange =
        trace.contacts.iter().filter(|contact| !known.iter().any(|known| contact.to.contains(known)));
    assert_eq!(strange.collect::<Vec<_>>(), Vec::<&Contact>::new());
}

/// Names as this machine would know them.
const HOSTS: &str = "
127.0.0.1 localhost
127.0.0.1 origin.internal inside.example both.internal
169.254.169.254 metadata.google.internal meta.example both.internal both.example
::ffff:169.254.169.254 mapped.example
fd00:ec2::254 six.example both.example
10.0.0.7 private.example
";

/// Runs the command behind it where `/etc/hosts` is the file named first.
const WITH_HOSTS: &str = r#"mount --bind "$1" /etc/hosts && shift && exec "$@""#;

/// `command`, for which `hosts` is `/etc/hosts`.
fn with_hosts(command: &Command, hosts: &Path) -> Command {
    let mut private = Command::new("unshare");
    private.args(["--map-root-user", "--mount", "sh", "-c", WITH_HOSTS, "sh"]).arg(hosts);
    private.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        private.env(name, value.unwrap());
    }
    private.current_dir(command.get_current_dir().unwrap());
    private
}

#[test]
fn a_name_that_leads_to_a_refused_address_is_never_contacted() {
    let scene = Scene::new();
    let hosts = scene.home.write("hosts", HOSTS);
    let known = with_hosts(scene.home.program("getent").args(["hosts", "meta.example"]), &hosts).output();
    if !known.is_ok_and(|known| known.stdout.starts_with(b"169.254.169.254")) {
        println!(
            "not run: this user may not have an /etc/hosts of its own (unshare --map-root-user --mount)"
        );
        return;
    }
    let (port, forbidden) = (scene.port(), scene.forbidden());
    let server = scene.traced(&with_hosts(&scene.proxy(&[]), &hosts));
    for host in ["metadata.google.internal", "meta.example", "mapped.example", "six.example", "both.example"]
    {
        assert_refused(&server, &format!("{host}:{forbidden}"));
    }
    for host in ["inside.example", "private.example", "INSIDE.example."] {
        assert_refused(&server, &format!("{host}:{forbidden}"));
    }
    for host in ["origin.internal", "both.internal"] {
        assert_allowed(&server, &format!("{host}:{port}"));
    }
    assert_eq!(scene.contacts(server), []);
}
