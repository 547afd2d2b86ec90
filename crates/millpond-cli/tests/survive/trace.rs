//! What strace says that a process did.

use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The calls of which anything here is told.
pub const CALLS: &str = "network,openat,open";

/// One call, with its arguments and, where it ended, its result.
#[derive(Debug)]
struct Call {
    name: String,
    arguments: String,
    result: Option<i64>,
}

/// A connection that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The socket sends packets by itself when it connects, or is to a service of this machine.
    pub is_stream: bool,
    /// The address, as strace writes it.
    pub to: String,
}

/// What a process did with the network.
#[derive(Debug, Default)]
pub struct Trace {
    pub contacts: Vec<Contact>,
    /// How many connections were accepted.
    pub accepted: usize,
    /// Calls by which something goes elsewhere than to who connected.
    pub outward: Vec<String>,
    /// How often something was sent to who connected.
    pub answers: usize,
    /// Files that tell how names are resolved.
    pub resolver_files: Vec<String>,
}

impl Trace {
    /// Reads what strace wrote to `file`.
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let mut trace = Self::default();
        let (mut kinds, mut answered) = (HashMap::new(), HashSet::new());
        for call in calls(&text) {
            trace.take(&call, &mut kinds, &mut answered);
        }
        trace
    }

    /// `kinds`: what each socket is; `ours`: those that were accepted, or lead nowhere but into this process.
    fn take(&mut self, call: &Call, kinds: &mut HashMap<i64, String>, ours: &mut HashSet<i64>) {
        let whole = || format!("{}({}", call.name, call.arguments);
        match (&*call.name, call.result) {
            ("accept" | "accept4", Some(socket)) if socket >= 0 => {
                self.accepted += 1;
                ours.insert(socket);
            }
            ("socketpair", _) => ours.extend(pair(&call.arguments)),
            ("socket", Some(socket)) if socket >= 0 => {
                ours.remove(&socket);
                kinds.insert(socket, call.arguments.clone());
                let is_stream =
                    call.arguments.starts_with("AF_INET") && call.arguments.contains("SOCK_STREAM");
                if !is_stream {
                    self.outward.push(whole());
                }
            }
            ("connect", _) => {
                let kind = descriptor(&call.arguments).and_then(|socket| kinds.get(&socket));
                let is_stream = kind.is_none_or(|kind| !kind.contains("SOCK_DGRAM"));
                self.contacts.push(Contact { is_stream, to: call.arguments.clone() });
                self.outward.push(whole());
            }
            ("sendto" | "sendmsg" | "sendmmsg", _) => {
                let to_ours = descriptor(&call.arguments).is_some_and(|socket| ours.contains(&socket));
                if to_ours && !call.arguments.contains("sa_family") {
                    self.answers += 1;
                } else {
                    self.outward.push(whole());
                }
            }
            ("open" | "openat", _) => {
                let names = ["resolv.conf", "/etc/hosts", "nsswitch", "libnss_", "gai.conf"];
                if names.iter().any(|name| call.arguments.contains(name)) {
                    self.resolver_files.push(whole());
                }
            }
            _ => {}
        }
    }

    /// The connections begun to elsewhere than `known`, a part of an address as strace writes it.
    pub fn strange(&self, known: &[String]) -> Vec<&Contact> {
        let is_strange = |to: &str| !known.iter().any(|known| to.contains(known));
        self.contacts.iter().filter(|contact| contact.is_stream && is_strange(&contact.to)).collect()
    }
}

/// The calls in `text`, each where it ended; of one that did not end, what is known of it.
fn calls(text: &str) -> Vec<Call> {
    let (mut found, mut begun) = (Vec::new(), HashMap::new());
    for line in text.lines() {
        let (thread, rest) = line.trim_start().split_once(char::is_whitespace).unwrap_or(("", line));
        let rest = rest.trim_start();
        if let Some(beginning) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(thread, beginning);
        } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once("resumed>"))
        {
            let whole = begun.remove(thread).unwrap_or_default().to_owned() + end;
            found.extend(parse(&whole));
        } else {
            found.extend(parse(rest));
        }
    }
    found.extend(begun.into_values().filter_map(parse));
    found
}

fn parse(text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = match rest.rsplit_once(" = ") {
        Some((arguments, result)) => (arguments, number(result)),
        None => (rest, None),
    };
    Some(Call { name: name.to_owned(), arguments: arguments.to_owned(), result })
}

/// The number at the beginning: a descriptor may be followed by what it is.
fn number(text: &str) -> Option<i64> {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '-').unwrap_or(text.len());
    text[..end].parse().ok()
}

fn descriptor(arguments: &str) -> Option<i64> {
    number(arguments)
}

/// Both ends, from `AF_UNIX, SOCK_STREAM, 0, [7<...>, 8<...>])`.
fn pair(arguments: &str) -> Vec<i64> {
    let ends = arguments.split_once('[').map_or("", |(_, ends)| ends);
    ends.split(", ").filter_map(number).collect()
}
