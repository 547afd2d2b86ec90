//! `millpond config`.

use super::print;
use crate::args::{ConfigAction, ConfigArgs};
use crate::failure::Failure;
use millpond::config;
use std::process::ExitCode;

/// Runs one of the actions.
pub(crate) fn run(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    match &args.action {
        ConfigAction::Check { common } => {
            let resolved = common.settings().resolve()?;
            for warning in &resolved.warnings {
                eprintln!("warning: {warning}");
            }
            print("The configuration is right.\n")?;
        }
        ConfigAction::Show { common, origin, json } => {
            let resolved = common.settings().resolve()?;
            if *json {
                print(&format!("{:#}\n", config::show_json(&resolved)))?;
            } else {
                print(&config::show(&resolved, *origin))?;
            }
        }
        ConfigAction::Schema => print(&format!("{:#}\n", config::schema()))?,
        ConfigAction::Init => print(&config::init_toml())?,
    }
    Ok(ExitCode::SUCCESS)
}
