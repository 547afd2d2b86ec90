//! The times of an entry: milliseconds that add up to its `time`.

use crate::json::emit::Emit;
use crate::json::scan::{Scan, Scanned};
use crate::{ConnectionFacts, Recorded};
use std::io::{self, Write};

/// How long each phase took, microseconds, so that sums come out even.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timings {
    connect: Option<i64>,
    ssl: Option<i64>,
    send: i64,
    wait: i64,
    receive: i64,
}

/// Microseconds from one time to a later one; none where it is not later.
fn between(from: f64, to: f64) -> i64 {
    (((to - from) * 1e6).round() as i64).clamp(0, 1_000_000_000_000_000)
}

fn milliseconds(micros: i64) -> String {
    match micros % 1000 {
        0 => (micros / 1000).to_string(),
        rest => format!("{}.{rest:03}", micros / 1000),
    }
}

impl Timings {
    pub fn of(exchange: &Recorded) -> Self {
        let request = &exchange.request;
        let sent = request.ended.unwrap_or(request.started);
        let (heard, ended) = match (&exchange.response, &exchange.error) {
            (Some(response), _) => (response.started, response.ended.unwrap_or(response.started)),
            (None, Some(failure)) => (failure.at, failure.at),
            (None, None) => (sent, sent),
        };
        let (connect, ssl) = connecting(&exchange.server, request.started, heard);
        let wait = between(sent, heard) - connect.unwrap_or_default();
        Self {
            connect,
            ssl,
            send: between(request.started, sent),
            wait: wait.max(0),
            receive: between(heard, ended),
        }
    }

    /// All phases together. TLS is a part of connecting.
    fn total(&self) -> i64 {
        self.connect.unwrap_or_default() + self.send + self.wait + self.receive
    }

    pub fn write(&self, out: &mut Emit<impl Write>) -> io::Result<()> {
        out.key("time")?;
        out.verbatim(&milliseconds(self.total()))
    }

    pub fn write_phases(&self, out: &mut Emit<impl Write>) -> io::Result<()> {
        out.key_open("timings", b'{')?;
        let phases = [
            ("blocked", None),
            ("dns", None),
            ("connect", self.connect),
            ("ssl", self.ssl),
            ("send", Some(self.send)),
            ("wait", Some(self.wait)),
            ("receive", Some(self.receive)),
        ];
        for (name, micros) in phases {
            out.key(name)?;
            out.verbatim(&micros.map_or("-1".to_owned(), milliseconds))?;
        }
        out.close(b'}')
    }
}

/// How long the connection took to be opened, and TLS as a part of that, where it was opened for this exchange.
fn connecting(server: &ConnectionFacts, from: f64, until: f64) -> (Option<i64>, Option<i64>) {
    let (Some(opened), Some(tcp)) = (server.started, server.tcp_setup) else { return (None, None) };
    let ready = server.tls_setup.unwrap_or(tcp);
    if opened < from || ready > until {
        return (None, None);
    }
    (Some(between(opened, ready)), server.tls_setup.map(|tls| between(tcp, tls).min(between(opened, ready))))
}

/// How long the phases of an entry took, seconds: to the request's end, to the response's beginning, to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Phases {
    pub sent: f64,
    pub heard: f64,
    pub ended: f64,
}

pub(super) fn read(scan: &mut Scan) -> Scanned<Phases> {
    let Some(mut list) = scan.object()? else { return Ok(Phases::default()) };
    let (mut before, mut wait, mut receive) = (0.0, 0.0, 0.0);
    while let Some(name) = scan.member(&mut list)? {
        let place = match name.as_str() {
            "blocked" | "dns" | "connect" | "send" => &mut before,
            "wait" => &mut wait,
            "receive" => &mut receive,
            _ => {
                scan.skip()?;
                continue;
            }
        };
        // -1 says that a phase does not apply.
        *place += scan.float()?.unwrap_or_default().max(0.0) / 1000.0;
    }
    Ok(Phases { sent: before, heard: before + wait, ended: before + wait + receive })
}
