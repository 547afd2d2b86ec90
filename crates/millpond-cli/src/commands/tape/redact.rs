//! `millpond tape redact`.

use super::input::{self, Input};
use super::output::Output;
use super::rules_of;
use crate::args::tape::RedactArgs;
use crate::commands::cache::count;
use crate::commands::door;
use crate::failure::Failure;
use millpond::tape::redact::{self, Rules};
use std::process::ExitCode;

/// Takes secrets off a tape.
pub(super) fn run(args: &RedactArgs) -> Result<ExitCode, Failure> {
    let inputs = Input::all(&args.input)?;
    let rules = rules(args)?;
    let mut output = Output::begin(&args.out)?;
    let (mut all, mut redacted, mut dropped) = (0, 0, 0);
    input::each(&inputs, "bytes read", |mut exchange| {
        rules
            .exchange(&mut exchange)
            .map_err(|error| Failure::System { what: "cannot read a body on the tape", error })?;
        all += 1;
        redacted += u64::from(exchange.metadata.contains_key(redact::MARK));
        dropped += u64::from(exchange.metadata.contains_key(redact::DROPPED));
        output.write(&exchange)
    })?;
    output.finish()?;
    eprintln!("Secrets are taken from {redacted} of {}.", count(all, "exchange", "exchanges"));
    if dropped > 0 {
        eprintln!(
            "warning: {} may hold secrets and cannot be read, so that a body is left out",
            count(dropped, "exchange", "exchanges")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Those of the configuration, and what was typed.
fn rules(args: &RedactArgs) -> Result<Rules, Failure> {
    let mut config = door::prepare(&args.place.settings())?.config;
    let secrets = &mut config.tape.redact;
    secrets.enabled = true;
    for field in &args.field {
        let name = field.parse().map_err(|error| Failure::Usage(format!("--field {field}: {error}")))?;
        secrets.fields.push(name);
    }
    secrets.query.extend(args.query.iter().cloned());
    secrets.json.extend(args.json_member.iter().cloned());
    Ok(rules_of(config).redact.unwrap_or_default().with_responses(!args.requests_only))
}
