//! A real nginx in front of a directory: in the foreground, with a configuration and a prefix of its own.

use crate::tool::{self, Beside};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;

/// How often another port is tried when somebody else took the one that was free a moment ago.
const TRIES: usize = 10;

/// A running nginx, stopped when dropped.
pub struct Nginx {
    pub url: String,
    _process: Beside,
    _prefix: TempDir,
}

impl Nginx {
    /// Serves the files of `site`: compressed where the client asks for it, with ETag, Last-Modified and a lifetime of an
    /// hour; below `/checked/` without a lifetime of their own, to be validated each time.
    ///
    /// Without `gzip_proxied any` nginx compresses nothing for requests that carry Via.
    pub fn start(site: &Path) -> Self {
        for _ in 0..TRIES {
            if let Some(nginx) = Self::try_start(site) {
                return nginx;
            }
        }
        panic!("nginx found no free port in {TRIES} attempts");
    }

    fn try_start(site: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let prefix = tempfile::tempdir().unwrap();
        std::fs::write(prefix.path().join("nginx.conf"), configuration(site, port)).unwrap();
        let mut command = tool::bare("nginx");
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(prefix.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let process = Beside(child);
        let mut said = Vec::new();
        // It listens before it chooses how to wait for events.
        for line in lines.by_ref() {
            if line.contains("event method") {
                std::thread::spawn(move || lines.for_each(drop));
                return Some(Self {
                    url: format!("http://127.0.0.1:{port}"),
                    _process: process,
                    _prefix: prefix,
                });
            }
            said.push(line);
        }
        assert!(
            said.iter().any(|line| line.contains("Address already in use")),
            "nginx does not start: {said:#?}"
        );
        None
    }
}

fn configuration(site: &Path, port: u16) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {name};\n"))
        .concat();
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
{temporary}    access_log off;
    types {{
        text/html html; text/css css; application/javascript js; application/json json;
        image/png png; image/svg+xml svg;
    }}
    default_type application/octet-stream;
    gzip on;
    gzip_vary on;
    gzip_proxied any;
    gzip_min_length 100;
    gzip_types text/css application/javascript application/json image/svg+xml;
    server {{
        listen 127.0.0.1:{port};
        root {site};
        expires 1h;
        location /checked/ {{
            alias {site}/;
            expires off;
            add_header Cache-Control no-cache;
        }}
    }}
}}
",
        site = site.display()
    )
}
