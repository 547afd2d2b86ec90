//! `millpond tape show`.

use super::input::{self, Input};
use super::ls::time;
use super::url_of;
use crate::args::tape::{ShowArgs, Side};
use crate::commands::cache::count;
use crate::commands::print;
use crate::failure::Failure;
use millpond::tape::coding;
use millpond::tape::{self, Content, Format, Pairs, Recorded};
use std::fmt::Write as _;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::process::ExitCode;

/// The longest body that is printed among the rest.
const SHOWN: u64 = 64 << 10;

/// Prints one exchange.
pub(super) fn run(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let inputs = Input::all(&args.tape)?;
    let Some(exchange) = find(&inputs, &args.exchange)? else {
        let tape = args.tape.display();
        return Err(Failure::Fetch(format!(
            "{tape} has no exchange {}; `millpond tape ls {tape}` lists what it has",
            args.exchange
        )));
    };
    match args.body {
        Some(side) => body(&exchange, side)?,
        None if args.json => print(&as_json(&exchange)?)?,
        None => print(&text(&exchange)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The exchange with this number, or this id.
fn find(inputs: &[Input], wanted: &str) -> Result<Option<Recorded>, Failure> {
    let (mut number, mut found) = (0u64, None);
    let wanted_number = wanted.parse::<u64>().ok();
    input::each(inputs, "bytes read", |exchange| {
        number += 1;
        if wanted_number == Some(number) || exchange.id == wanted {
            found = Some(exchange);
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Prints a body as it was before its content codings; one whose codings are not known, as it is.
fn body(exchange: &Recorded, side: Side) -> Result<(), Failure> {
    let (fields, content) = match side {
        Side::Request => (Some(&exchange.request.fields), exchange.request.content.as_ref()),
        Side::Response => {
            let response = exchange.response.as_ref();
            (
                response.map(|response| &response.fields),
                response.and_then(|response| response.content.as_ref()),
            )
        }
    };
    let (Some(fields), Some(content)) = (fields, content) else {
        return Err(Failure::Fetch("the tape does not have that body: it was not recorded".to_owned()));
    };
    let mut reader = decoded(content, fields);
    match io::copy(&mut reader, &mut io::stdout().lock()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::System { what: "cannot print the body", error })
        }
        _ => Ok(()),
    }
}

fn decoded(content: &Content, fields: &Pairs) -> Box<dyn Read + Send> {
    coding::decoded(content, fields, u64::MAX).unwrap_or_else(|_| content.reader())
}

fn as_json(exchange: &Recorded) -> Result<String, Failure> {
    let mut line = Vec::new();
    let mut writer = tape::writer(Format::Json, &mut line);
    let written = writer.write(exchange).and_then(|()| writer.finish());
    written.map_err(|error| Failure::WriteTape { name: "standard output".to_owned(), error })?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn text(exchange: &Recorded) -> Result<String, Failure> {
    let request = &exchange.request;
    let mut out = format!("id        {}\n", exchange.id);
    let _ = writeln!(out, "url       {}", url_of(request));
    let _ = writeln!(out, "began     {}", time(request.started));
    if let Some((host, port)) = &exchange.server.peer {
        let _ = writeln!(out, "server    {host} port {port}");
    }
    if exchange.aborted {
        out.push_str("aborted   the response broke off; what follows is not all of it\n");
    }
    if let Some(error) = &exchange.error {
        let _ = writeln!(out, "error     {}", error.message);
    }
    let first = [&request.method[..], b" ", &request.path, b" ", &request.version].concat();
    message(&mut out, &first, &request.fields, request.content.as_ref(), request.trailers.as_ref())?;
    if let Some(response) = &exchange.response {
        let status = response.status.to_string();
        let first = [&response.version[..], b" ", status.as_bytes(), b" ", &response.reason].concat();
        message(&mut out, &first, &response.fields, response.content.as_ref(), response.trailers.as_ref())?;
    }
    for message in exchange.websocket.iter().flat_map(|websocket| &websocket.messages) {
        let arrow = if message.from_client { '>' } else { '<' };
        let _ = writeln!(out, "\n{arrow} {}", printable(&message.content));
    }
    Ok(out)
}

fn message(
    out: &mut String,
    first: &[u8],
    fields: &Pairs,
    content: Option<&Content>,
    trailers: Option<&Pairs>,
) -> Result<(), Failure> {
    let _ = writeln!(out, "\n{}", printable(first));
    for (name, value) in fields.iter() {
        let _ = writeln!(out, "{}: {}", printable(name), printable(value));
    }
    match content {
        None => out.push_str("\n(the body was not recorded)\n"),
        Some(content) if content.is_empty() => {}
        Some(content) => {
            let _ = writeln!(out, "\n{}", shown(content, fields)?.trim_end_matches('\n'));
        }
    }
    for (name, value) in trailers.iter().flat_map(|trailers| trailers.iter()) {
        let _ = writeln!(out, "{}: {}", printable(name), printable(value));
    }
    Ok(())
}

/// A body that is text and not too long, or else what it is.
fn shown(content: &Content, fields: &Pairs) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    decoded(content, fields)
        .take(SHOWN + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::System { what: "cannot read a body", error })?;
    let length = count(content.len(), "byte", "bytes");
    Ok(match String::from_utf8(bytes) {
        Ok(text) if text.len() as u64 <= SHOWN && !text.contains('\0') => printable(text.as_bytes()),
        Ok(text) if !text.contains('\0') => format!("({length} of text; --body response prints a body)"),
        _ => format!("({length}; --body response prints a body)"),
    })
}

/// Text without what could confuse a terminal.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let shown =
        |char: char| if char.is_control() && !matches!(char, '\n' | '\t') { '\u{fffd}' } else { char };
    text.chars().map(shown).collect()
}
