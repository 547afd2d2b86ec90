//! `millpond tape ls`.

use super::input::{self, Input};
use super::url_of;
use crate::args::tape::LsArgs;
use crate::commands::print_while_read;
use crate::failure::Failure;
use millpond::tape::Recorded;
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

/// Characters gathered before they are printed.
const STEP: usize = 64 << 10;

/// Lists what is on a tape.
pub(super) fn run(args: &LsArgs) -> Result<ExitCode, Failure> {
    let inputs = Input::all(&args.tape)?;
    let mut text = String::new();
    if !args.json && std::io::stdout().is_terminal() {
        text.push_str("NO\tBEGAN\t\t\t\tMETHOD\tSTATUS\tBYTES\tMS\tURL\n");
    }
    let (mut number, mut left) = (0u64, args.limit.unwrap_or(u64::MAX));
    input::each(&inputs, "bytes read", |exchange| {
        number += 1;
        if left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        if wanted(args, &exchange) {
            left -= 1;
            let row =
                if args.json { format!("{}\n", as_json(number, &exchange)) } else { line(number, &exchange) };
            text.push_str(&row);
        }
        if text.len() < STEP {
            return Ok(ControlFlow::Continue(()));
        }
        let read = print_while_read(&text)?;
        text.clear();
        Ok(if read { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    print_while_read(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn wanted(args: &LsArgs, exchange: &Recorded) -> bool {
    let request = &exchange.request;
    args.host.as_ref().is_none_or(|host| request.host.eq_ignore_ascii_case(host))
        && args.method.as_ref().is_none_or(|method| request.method.eq_ignore_ascii_case(method.as_bytes()))
        && args
            .status
            .is_none_or(|status| exchange.response.as_ref().map(|response| response.status) == Some(status))
}

fn line(number: u64, exchange: &Recorded) -> String {
    let response = exchange.response.as_ref();
    let status = response.map_or("-".to_owned(), |response| response.status.to_string());
    let bytes = match response.map(|response| &response.content) {
        Some(Some(content)) => content.len().to_string(),
        Some(None) => "?".to_owned(),
        None => "-".to_owned(),
    };
    let took = took(exchange).map_or("-".to_owned(), |took| format!("{:.0}", took * 1000.0));
    format!(
        "{number}\t{}\t{}\t{status}{}\t{bytes}\t{took}\t{}\n",
        time(exchange.request.started),
        printable(&String::from_utf8_lossy(&exchange.request.method)),
        if exchange.aborted { "*" } else { "" },
        printable(&url_of(&exchange.request)),
    )
}

/// What is on a tape may be made to confuse a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

fn as_json(number: u64, exchange: &Recorded) -> Value {
    let response = exchange.response.as_ref();
    json!({
        "number": number,
        "id": exchange.id,
        "began": time(exchange.request.started),
        "method": String::from_utf8_lossy(&exchange.request.method),
        "url": url_of(&exchange.request),
        "status": response.map(|response| response.status),
        "request_bytes": exchange.request.content.as_ref().map(millpond::tape::Content::len),
        "response_bytes": response.and_then(|response| response.content.as_ref()).map(millpond::tape::Content::len),
        "seconds": took(exchange),
        "aborted": exchange.aborted,
        "error": exchange.error.as_ref().map(|error| &error.message),
        "websocket_messages": exchange.websocket.as_ref().map(|websocket| websocket.messages.len()),
    })
}

/// Seconds from the first byte of the request to the last of the response.
fn took(exchange: &Recorded) -> Option<f64> {
    let ended = exchange.response.as_ref()?.ended?;
    Some((ended - exchange.request.started).max(0.0))
}

/// Seconds since 1970 as `2026-01-31T12:00:00.123Z`; `-` for what is no time.
pub(super) fn time(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(since) if since.as_secs() > 0 && since.as_secs() < 253_402_300_800 => {
            humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
        }
        _ => "-".to_owned(),
    }
}
