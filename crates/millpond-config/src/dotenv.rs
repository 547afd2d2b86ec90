//! Reads `.env` files. The process's environment is never changed.

use crate::error::{ConfigError, Problem, Warning};
use crate::source::Source;
use crate::variables::Variable;

/// The variables of a `.env` text. The file may be another program's too, so that a line that cannot be read is an error
/// only when it speaks of ours.
pub(crate) fn read(
    text: &str,
    file: &str,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<Warning>,
) -> Vec<Variable> {
    let mut variables: Vec<Variable> = Vec::new();
    for item in dotenvy::from_read_iter(text.as_bytes()) {
        match item {
            Ok((name, value)) => {
                let source = source_of(&name, file, text);
                // The first occurrence wins, as it does where such a file is loaded into an environment.
                if !variables.iter().any(|known| known.name == name) {
                    variables.push(Variable { name, value, source });
                }
            }
            Err(dotenvy::Error::LineParse(line, _)) => fault(&line, file, text, errors, warnings),
            Err(other) => {
                let at = Source::File { path: file.to_owned(), line: 0, column: 0 };
                errors.push(ConfigError::new(&at, Problem::Unreadable(other.to_string())));
                break;
            }
        }
    }
    variables
}

/// The line may hold a secret, so only what stands before its `=` is repeated.
fn fault(line: &str, file: &str, text: &str, errors: &mut Vec<ConfigError>, warnings: &mut Vec<Warning>) {
    let name = line.trim().split(['=', ' ']).next().unwrap_or_default();
    let name: String = name.chars().take(40).collect();
    if line.contains("MILLPOND_") {
        let problem = Problem::Syntax("the line cannot be read".to_owned());
        let error = ConfigError::new(&source_of(&name, file, text), problem);
        errors.push(error.help("write NAME=value, with quotes round a value that has spaces"));
    } else {
        warnings.push(Warning::DotEnvLine { file: file.to_owned(), line: name });
    }
}

fn source_of(name: &str, file: &str, text: &str) -> Source {
    let is_it = |line: &str| {
        let line = line.trim_start().trim_start_matches('\u{feff}');
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let line = text.lines().position(is_it).map_or(1, |index| index + 1);
    Source::DotEnv { name: name.to_owned(), file: file.to_owned(), line }
}
