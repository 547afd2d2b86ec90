//! The configuration of millpond: layers, checks, presets, schema.
//!
//! What lives here: the settings with their defaults ([`Config`]), the kinds of value they take, and the one place where
//! they are put together from the command line, the environment, `.env`, a file, a preset and defaults ([`Builder`]).
//! What must not: listeners, stores, clocks, and anything a door does with a value. Nothing is read from the environment
//! unless asked for, and parsing has no side effects.
//!
//! ```
//! use millpond_config::Config;
//!
//! let resolved = Config::builder()
//!     .file_text("millpond.toml", "origin = \"https://example.com\"\n[policy]\ndefault_ttl = \"60s\"\n")
//!     .set("listen", "127.0.0.1:0")
//!     .build()?;
//! assert_eq!(resolved.config.routes().len(), 1);
//! assert_eq!(resolved.origin_of("policy.default_ttl").unwrap().to_string(), "millpond.toml:3:15");
//! # Ok::<(), millpond_config::ConfigErrors>(())
//! ```

mod alias;
mod builder;
mod check;
mod config;
mod dotenv;
mod error;
mod forward;
mod home;
mod inherit;
mod layer;
mod limits;
mod node;
mod preset;
mod reference;
mod resolved;
mod route;
mod rule;
mod schema;
mod setting;
mod shape;
mod show;
mod source;
mod starter;
mod storage;
mod tape;
mod validate;
mod values;
mod variables;

pub use alias::{ALIASES, Alias};
pub use builder::Builder;
pub use config::{
    AcceptLanguage, AccessLog, AccessLogFormat, CachePost, Config, Heuristic, Log, LogFormat, LogLevel,
    Policy, RangeFill, StaleWhenSlow,
};
pub use error::{ConfigError, ConfigErrors, Problem, Warning};
pub use forward::{Forward, Intercept};
pub use limits::Limits;
pub use millpond_exchange::Scheme;
pub use preset::{preset_names, preset_text};
pub use reference::reference;
pub use resolved::Resolved;
pub use route::{FieldRules, Pass, Query, Route, RouteLimits};
pub use rule::Rule;
pub use schema::schema;
pub use setting::SettingValue;
pub use show::{show, show_json};
pub use source::Source;
pub use starter::init_toml;
pub use storage::{Disk, Memory};
pub use tape::{Matching, MissBody, Redact, Repeat, Tape, TapeFormat, TapeMode};
pub use values::{
    BadValue, ByteSize, ErrorStatus, FieldName, FieldValue, HostPattern, IpRange, ListenAddr, NamePattern,
    OriginUrl, PathPattern, PathPrefix, Period, RewrittenField, SizeLimit, StoreUrl, Ttl,
};
pub use variables::variable_of;
