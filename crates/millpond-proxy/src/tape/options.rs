//! What a directory of tapes is opened with, from the configuration.

use millpond_config::{
    Config, Matching, MissBody as SaidMissBody, Redact, Repeat as SaidRepeat, TapeFormat, TapeMode,
};
use millpond_recorder::{MissBody, Mode, Repeat, TapeOptions};
use millpond_tape::Format;
use millpond_tape::matching::MatchRules;
use millpond_tape::redact;

/// The options that `config` asks for; `None` where it names no directory of tapes. In a mode it does not name, `mode` holds.
pub fn tape_options(config: &Config, mode: Mode) -> Option<TapeOptions> {
    let said = &config.tape;
    let mode = said.mode.map_or(mode, |said| match said {
        TapeMode::ReadOnly => Mode::ReadOnly,
        TapeMode::WriteOnly => Mode::WriteOnly,
        TapeMode::ReadWrite => Mode::ReadWrite,
        TapeMode::ReadOnlyFailOnMiss => Mode::ReadOnlyFailOnMiss,
    });
    Some(TapeOptions {
        read_dir: said.read_dir.clone(),
        format: match said.format {
            TapeFormat::Mitm => Format::Mitm,
            TapeFormat::Json => Format::Json,
            TapeFormat::Har => Format::Har,
        },
        rules: MatchRules { redact: redaction(&said.redact), ..matching(&said.matching) },
        redact_responses: said.redact.responses,
        repeat: match said.repeat {
            SaidRepeat::Last => Repeat::Last,
            SaidRepeat::Loop => Repeat::Loop,
            SaidRepeat::Miss => Repeat::Miss,
        },
        miss_status: said.miss_status,
        miss_body: match said.miss_body {
            SaidMissBody::Problem => MissBody::Problem,
            SaidMissBody::Text => MissBody::Text,
        },
        timing: said.timing,
        sync_interval: said.sync_interval.duration(),
        ..TapeOptions::new(said.dir.clone()?, mode)
    })
}

fn matching(said: &Matching) -> MatchRules {
    MatchRules {
        ignore_host: said.ignore_host,
        ignore_port: said.ignore_port,
        ignore_query: said.ignore_query.clone(),
        ignore_body: said.ignore_body,
        ignore_body_params: said.ignore_body_params.clone(),
        fields: said.fields.clone(),
        ignore_fields: said.ignore_fields.iter().map(|name| name.as_str().to_owned()).collect(),
        redact: None,
    }
}

fn redaction(said: &Redact) -> Option<redact::Rules> {
    let fields = said.fields.iter().map(millpond_config::FieldName::as_str);
    said.enabled.then(|| redact::Rules::new(fields, &said.query, &said.json))
}
