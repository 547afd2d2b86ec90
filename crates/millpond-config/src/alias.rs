//! Names of variables that other programs use for what is a setting here.

use crate::check::parse_bool;
use crate::values::{BadValue, ListenAddr};
use std::path::Path;

/// One row of the table of aliases.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The variable.
    pub name: &'static str,
    /// The setting it stands for.
    pub path: &'static str,
    /// The preset with which it counts. Names that carry a product's own prefix have none: they always count.
    pub preset: Option<&'static str>,
    /// Turns its text into the setting's, given the text that the layers below have there.
    pub(crate) convert: fn(&str, Option<&str>) -> Result<String, BadValue>,
}

/// Every alias. A name may stand in several rows, with another preset in each.
pub static ALIASES: &[Alias] = &[
    Alias { name: "AIRBYTE_HTTP_CACHE_DIR", path: "tape.dir", preset: None, convert: same },
    Alias { name: "AIRBYTE_HTTP_CACHE_FORMAT", path: "tape.format", preset: None, convert: same },
    Alias { name: "AIRBYTE_HTTP_CACHE_MODE", path: "tape.mode", preset: None, convert: same },
    Alias { name: "AIRBYTE_HTTP_CACHE_READ_DIR", path: "tape.read_dir", preset: None, convert: same },
    Alias {
        name: "ALWAYS_REVALIDATE",
        path: "policy.always_validate",
        preset: Some("services"),
        convert: same,
    },
    Alias { name: "API_BUDDY_LOG_LEVEL", path: "log.level", preset: None, convert: level },
    Alias { name: "BATCH_INTERVAL", path: "disk.commit_interval", preset: Some("apt"), convert: interval },
    Alias { name: "BATCH_SIZE", path: "disk.commit_entries", preset: Some("apt"), convert: same },
    Alias {
        name: "CACHE_EXPIRATION_SECONDS",
        path: "policy.default_ttl",
        preset: Some("apt"),
        convert: seconds,
    },
    Alias { name: "DB_NAME", path: "cache_dir", preset: Some("apt"), convert: parent },
    Alias { name: "FORCE_CACHE", path: "policy.force_cache", preset: Some("services"), convert: forced },
    Alias {
        name: "MAX_CONCURRENT_CONNECTIONS",
        path: "limits.connections",
        preset: Some("apt"),
        convert: same,
    },
    Alias { name: "PORT", path: "listen", preset: Some("apt"), convert: port },
];

#[expect(clippy::unnecessary_wraps, reason = "one signature for every conversion")]
fn same(text: &str, _below: Option<&str>) -> Result<String, BadValue> {
    Ok(text.trim().to_owned())
}

/// A bare port keeps the address that is set below it.
fn port(text: &str, below: Option<&str>) -> Result<String, BadValue> {
    let port: u16 = text.trim().parse().map_err(|_| {
        BadValue::new(format!("is not a port: {text:?}")).help("write a number from 0 to 65535")
    })?;
    let below: ListenAddr = below.unwrap_or("127.0.0.1:0").parse()?;
    let mut addr = below.socket_addr();
    addr.set_port(port);
    Ok(addr.to_string())
}

fn seconds(text: &str, _below: Option<&str>) -> Result<String, BadValue> {
    match text.trim().parse::<u64>() {
        Ok(seconds) => Ok(format!("{seconds}s")),
        Err(_) => {
            Err(BadValue::new(format!("is not a number of seconds: {text:?}"))
                .help("write 2592000, for example"))
        }
    }
}

/// Seconds with a fraction.
fn interval(text: &str, _below: Option<&str>) -> Result<String, BadValue> {
    let millis = text.trim().parse::<f64>().map(|seconds| seconds * 1000.0);
    match millis {
        Ok(millis) if (1.0..1e12).contains(&millis) => Ok(format!("{}ms", millis.round())),
        _ => {
            Err(BadValue::new(format!("is not a number of seconds above zero: {text:?}"))
                .help("write 1.0, say"))
        }
    }
}

/// The directory of a file: the file itself is of another program's making, and is left alone.
fn parent(text: &str, _below: Option<&str>) -> Result<String, BadValue> {
    let dir = Path::new(text.trim()).parent().and_then(Path::to_str);
    match dir {
        Some("") => Ok(".".to_owned()),
        Some(dir) => Ok(dir.to_owned()),
        None => Err(BadValue::new(format!("is not a file: {text:?}")).help("write /app/data/cache.db, say")),
    }
}

/// A switch: on keeps the lifetime that is set below it.
fn forced(text: &str, below: Option<&str>) -> Result<String, BadValue> {
    match parse_bool(text) {
        Some(false) => Ok("off".to_owned()),
        Some(true) => Ok(below.filter(|below| *below != "off").unwrap_or("24h").to_owned()),
        None => Err(BadValue::new(format!("must be true or false, not {text:?}"))),
    }
}

fn level(text: &str, _below: Option<&str>) -> Result<String, BadValue> {
    let lower = text.trim().to_ascii_lowercase();
    match lower.as_str() {
        "warning" => Ok("warn".to_owned()),
        "error" | "warn" | "info" | "debug" | "trace" => Ok(lower),
        _ => Err(BadValue::new(format!("is not a log level: {text:?}"))
            .help("write DEBUG, INFO, WARNING or ERROR")),
    }
}
