//! Recording and replay: where tapes lie, when they answer, what makes requests the same, what is kept off them.
//!
//! What must not live here: tapes.

use crate::values::{FieldName, Period};
use millpond_tape::redact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Recording and replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tape {
    /// The directory that is recorded to.
    #[schemars(extend("format" = "path", "examples" = ["tapes"]))]
    pub dir: Option<PathBuf>,
    /// The directory whose tapes answer; `tape.dir` where unset.
    #[schemars(extend("format" = "path", "examples" = ["tests/tapes"]))]
    pub read_dir: Option<PathBuf>,
    /// What is answered from tapes, and what is recorded. Where unset: `write_only` for `record`, and
    /// `read_only_fail_on_miss` for `replay`.
    #[schemars(extend("examples" = ["read_write"]))]
    pub mode: Option<TapeMode>,
    /// The format of what is recorded.
    pub format: TapeFormat,
    /// What is answered when every recorded answer to a request was given.
    pub repeat: Repeat,
    /// The status of the answer to a request that no tape has, in mode `read_only_fail_on_miss`.
    #[schemars(range(min = 400, max = 599))]
    pub miss_status: u16,
    /// The body of that answer.
    pub miss_body: MissBody,
    /// Record when each piece of a response came, and answer at that pace.
    pub timing: bool,
    /// What a power cut may lose of a recording.
    pub sync_interval: Period,
    /// What makes a request the same as a recorded one.
    #[serde(rename = "match")]
    pub matching: Matching,
    /// Secrets that are kept off tapes.
    pub redact: Redact,
}

impl Default for Tape {
    fn default() -> Self {
        Self {
            dir: None,
            read_dir: None,
            mode: None,
            format: TapeFormat::default(),
            repeat: Repeat::default(),
            miss_status: 504,
            miss_body: MissBody::default(),
            timing: false,
            sync_interval: Period::from_secs(1),
            matching: Matching::default(),
            redact: Redact::default(),
        }
    }
}

/// What is answered from tapes, and what is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TapeMode {
    /// What no tape has is fetched; nothing is recorded.
    ReadOnly,
    /// Everything is fetched and recorded.
    WriteOnly,
    /// What no tape has is fetched and recorded.
    ReadWrite,
    /// What no tape has is answered with `tape.miss_status`; nothing is ever fetched.
    ReadOnlyFailOnMiss,
}

/// The format of a tape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = with_native)]
pub enum TapeFormat {
    /// mitmproxy's flows.
    #[default]
    #[serde(alias = "native")]
    Mitm,
    /// One exchange a line, as JSON.
    Json,
    /// HTTP Archive 1.2.
    Har,
}

/// The second name of `mitm`, which serde knows and schemars does not.
fn with_native(schema: &mut schemars::Schema) {
    if let Some(serde_json::Value::Array(choices)) = schema.get_mut("oneOf") {
        choices.push(serde_json::json!({
            "type": "string", "const": "native", "description": "Another name for `mitm`."
        }));
    }
}

/// What is answered when every recorded answer to a request was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Repeat {
    /// The last one, again and again.
    #[default]
    Last,
    /// The first one, and so on.
    Loop,
    /// Nothing: it is a miss.
    Miss,
}

/// The body of the answer to a request that no tape has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MissBody {
    /// A report in JSON (RFC 9457) that names the recorded request nearest to this one.
    #[default]
    Problem,
    /// One line of text, `Cache miss for` and the URL.
    Text,
}

/// What makes a request the same as a recorded one: the method, the URL and the body, but for what is named here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Matching {
    /// Requests to different hosts may be the same.
    pub ignore_host: bool,
    /// Requests to different ports may be the same.
    pub ignore_port: bool,
    /// Parameters of the query that do not count; `*` stands for all.
    #[schemars(extend("examples" = [["timestamp"]]))]
    pub ignore_query: Vec<String>,
    /// The body does not count.
    pub ignore_body: bool,
    /// Parameters of a form, or members of a JSON body, that do not count: `timestamp`, or `meta.nonce` for one further
    /// inside.
    #[schemars(extend("examples" = [["timestamp", "meta.nonce"]]))]
    pub ignore_body_params: Vec<String>,
    /// Request fields that count; `*` stands for all.
    #[schemars(extend("examples" = [["accept"]]))]
    pub fields: Vec<String>,
    /// Request fields that do not count although `fields` says `*`.
    pub ignore_fields: Vec<FieldName>,
}

/// Secrets that are kept off tapes, beside those in Authorization, Proxy-Authorization, Cookie and Set-Cookie, and in fields that
/// are nothing but a key or token, such as X-Api-Key, X-Auth-Token, Private-Token, X-Amz-Security-Token, X-Vault-Token and
/// X-Csrf-Token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redact {
    /// Keep secrets off tapes.
    pub enabled: bool,
    /// Also what is in responses. Where unset: in mode `write_only` yes, in `read_write` no, since a client that is
    /// answered from a tape needs what the response said.
    #[schemars(extend("examples" = [true]))]
    pub responses: Option<bool>,
    /// Further fields.
    pub fields: Vec<FieldName>,
    /// Parameters of queries and forms. Requests that differ only in their values are the same. Where an API counts its pages by
    /// `token`, list the others without it, or all pages are answered alike.
    pub query: Vec<String>,
    /// Members of JSON bodies, by name, at any depth.
    pub json: Vec<String>,
}

impl Default for Redact {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            enabled: true,
            responses: None,
            fields: Vec::new(),
            query: names(&redact::PARAMS),
            json: names(&redact::MEMBERS),
        }
    }
}
