//! Variables as lines that a shell reads.

use std::fmt::Write;

/// A family of shells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shell {
    /// sh, bash, zsh, dash.
    #[default]
    Posix,
    /// fish.
    Fish,
    /// `PowerShell`.
    PowerShell,
}

/// Lines that set `variables`, to be evaluated: `eval "$(millpond ca env)"`.
pub fn exports(variables: &[(&'static str, String)], shell: Shell) -> String {
    variables.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = match shell {
            Shell::Posix => writeln!(text, "export {name}={}", posix(value)),
            Shell::Fish => {
                writeln!(text, "set -gx {name} '{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
            }
            Shell::PowerShell => writeln!(text, "$env:{name} = '{}'", value.replace('\'', "''")),
        };
        text
    })
}

/// Within single quotes nothing but the quote itself means anything (POSIX, Shell Command Language, 2.2.2).
fn posix(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
