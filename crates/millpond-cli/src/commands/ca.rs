//! `millpond ca`: the certificate authority, and what clients must be told so that they trust it.

use super::authority::{self, Trusted};
use super::{door, print};
use crate::args::PlaceArgs;
use crate::args::ca::{CaAction, DockerArgs, EnvArgs, Network, PathArgs, Shell, ShowArgs};
use crate::failure::Failure;
use millpond::config::Config;
use millpond::exchange::url;
use millpond::intercept::environment::{self, Container};
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// Runs one of the subcommands.
pub(crate) fn run(action: &CaAction) -> Result<ExitCode, Failure> {
    match action {
        CaAction::Path(args) => path(args)?,
        CaAction::Show(args) => show(args)?,
        CaAction::Env(args) => env(args)?,
        CaAction::DockerArgs(args) => docker_args(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn config(place: &PlaceArgs) -> Result<Config, Failure> {
    let mut settings = place.settings();
    settings.fall_back("log.level", "warn");
    Ok(door::prepare(&settings)?.config)
}

fn path(args: &PathArgs) -> Result<(), Failure> {
    let trusted = Trusted::write(&config(&args.place)?)?;
    let path = if args.bundle { trusted.bundle } else { trusted.certificate };
    print(&format!("{}\n", path.display()))
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let summary = authority::open(&config(&args.place)?)?.summary();
    if args.json {
        let value = json!({
            "subject": summary.subject,
            "key": summary.key,
            "not_before": summary.not_before,
            "not_after": summary.not_after,
            "sha256_fingerprint": summary.fingerprint,
            "certificate": summary.certificate_path.display().to_string(),
            "private_key": summary.key_path.display().to_string(),
        });
        return print(&format!("{value:#}\n"));
    }
    print(&format!(
        "subject      {}\nkey          {}\nvalid from   {}\nvalid until  {}\nSHA-256      {}\ncertificate  {}\nprivate key  {}\n",
        summary.subject,
        summary.key,
        summary.not_before,
        summary.not_after,
        summary.fingerprint,
        summary.certificate_path.display(),
        summary.key_path.display(),
    ))
}

fn env(args: &EnvArgs) -> Result<(), Failure> {
    port_of(&args.proxy)?;
    let variables = Trusted::write(&config(&args.place)?)?.variables(&args.proxy, &args.no_proxy);
    if args.json {
        let object: Map<String, Value> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        return print(&format!("{:#}\n", Value::Object(object)));
    }
    let shell = match args.shell {
        Shell::Posix => environment::Shell::Posix,
        Shell::Fish => environment::Shell::Fish,
        Shell::Powershell => environment::Shell::PowerShell,
    };
    print(&environment::exports(&variables, shell))
}

fn docker_args(args: &DockerArgs) -> Result<(), Failure> {
    let proxy_port = port_of(&args.proxy)?;
    let trusted = Trusted::write(&config(&args.place)?)?;
    let words = environment::docker_args(&Container {
        proxy_port,
        host_network: args.network == Network::Host,
        bundle: &trusted.bundle,
        ca_cert: &trusted.certificate,
        no_proxy: &args.no_proxy,
        bundle_over: &args.over,
    });
    if args.json {
        return print(&format!("{:#}\n", Value::from(words)));
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    print(&format!("{}\n", words.join(" ")))
}

/// The port in the URL of a proxy.
fn port_of(proxy: &str) -> Result<u16, Failure> {
    let wrong =
        || Failure::Usage(format!("--proxy {proxy}: write http://HOST:PORT, such as http://127.0.0.1:3142"));
    let normal = url::normalise(proxy).map_err(|_| wrong())?;
    match url::split(&normal) {
        Ok((scheme, authority, "/")) if scheme.as_str() == "http" => match authority.rsplit_once(':') {
            Some((_, port)) if !port.contains(']') => port.parse().map_err(|_| wrong()),
            _ => Ok(scheme.default_port()),
        },
        _ => Err(wrong()),
    }
}

/// A word as a shell reads it: in single quotes, where it needs any.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
