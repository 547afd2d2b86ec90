//! Redaction: secrets kept off tapes.
//!
//! A secret is replaced by a word that is the same for all of them, so that a tape tells that there was one and nothing
//! else; no hash of it either. What lives here: [`Rules`], and what they do to fields, URLs, bodies and messages. What must
//! not: how requests are matched. Both sides of a comparison are redacted, so that a secret counts by its presence.
//!
//! Bodies are looked into where they are JSON, JSON lines, server-sent events, forms or parts, whatever their size; in HTML, XML
//! and everything else, secrets stay. Redacting twice changes nothing more.

mod body;
mod fields;
mod json;
mod lines;
pub(crate) mod media;
mod multipart;
pub(crate) mod names;
mod params;
mod stream;

use crate::{Content, Pairs, Recorded, RecordedRequest, RecordedResponse};
use body::Outcome;
use names::Names;
use params::Kind;
use serde_json::Value;
use std::io;

/// What stands in the place of a secret.
pub const REDACTED: &str = "REDACTED";
/// The note on an exchange from which something was taken.
pub const MARK: &str = "millpond_redacted";
/// The note on an exchange of which a body is not on the tape, because secrets could not be taken out of it: `request` or
/// `response`, or both.
pub const DROPPED: &str = "millpond_not_recorded";

/// Fields by which a body is checked: they do not fit any more when it was changed.
const DIGESTS: [&str; 6] =
    ["etag", "content-md5", "digest", "repr-digest", "content-digest", "x-amz-checksum-sha256"];

/// Parameters of queries and forms that count as secrets unless others are named. Neither `key` nor `code` is among them:
/// what they name is far more often what is asked for than who asks.
pub const PARAMS: [&str; 20] = [
    "access_token",
    "api_key",
    "apikey",
    "auth_token",
    "client_assertion",
    "client_secret",
    "code_verifier",
    "id_token",
    "passwd",
    "password",
    "refresh_token",
    "secret",
    "sig",
    "signature",
    "token",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Credential",
    "X-Goog-Signature",
];
/// Members of JSON that count as secrets unless others are named.
pub const MEMBERS: [&str; 22] = [
    "access_token",
    "accessToken",
    "api_key",
    "apikey",
    "auth_token",
    "authToken",
    "client_secret",
    "clientSecret",
    "id_token",
    "idToken",
    "passwd",
    "password",
    "private_key",
    "privateKey",
    "refresh_token",
    "refreshToken",
    "secret",
    "secret_access_key",
    "SecretAccessKey",
    "session_token",
    "sessionToken",
    "token",
];

/// What counts as a secret, beside Authorization, Proxy-Authorization, Cookie, Set-Cookie, fields that are nothing but a key or
/// token (X-Api-Key, X-Auth-Token and their like), and user information in URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Requests are redacted.
    pub requests: bool,
    /// Responses are redacted.
    pub responses: bool,
    fields: Names,
    params: Names,
    members: Names,
}

impl Default for Rules {
    /// What always counts, [`PARAMS`] and [`MEMBERS`].
    fn default() -> Self {
        Self::new([""; 0], PARAMS, MEMBERS)
    }
}

/// What was done to one side of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Something was replaced.
    pub changed: bool,
    /// The body was dropped: it may hold secrets, and cannot be read.
    pub dropped: bool,
}

/// A body that may hold secrets and cannot be read.
#[derive(Clone, Copy, Debug)]
struct Unredactable;

/// Rewrites a body in pieces.
trait Rewrite: Send {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Unredactable>;
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Unredactable>;
}

impl Rules {
    /// Rules for both sides, with the names of further fields, of parameters of queries and forms, and of JSON members at
    /// any depth. Case does not count.
    pub fn new<F: AsRef<str>, P: AsRef<str>, M: AsRef<str>>(
        fields: impl IntoIterator<Item = F>,
        params: impl IntoIterator<Item = P>,
        members: impl IntoIterator<Item = M>,
    ) -> Self {
        Self {
            requests: true,
            responses: true,
            fields: Names::new(fields),
            params: Names::new(params),
            members: Names::new(members),
        }
    }

    /// The same rules, for responses only if `responses`.
    pub fn with_responses(mut self, responses: bool) -> Self {
        self.responses = responses;
        self
    }

    /// Takes the secrets out of a request, where requests are redacted.
    ///
    /// # Errors
    /// What the system says of reading the body.
    pub fn request(&self, request: &mut RecordedRequest) -> io::Result<Redaction> {
        if !self.requests {
            return Ok(Redaction::default());
        }
        let mut changed = false;
        if let Some(path) = self.target(&request.path) {
            request.path = path;
            changed = true;
        }
        if let Some(authority) = fields::authority(&request.authority) {
            request.authority = authority;
            changed = true;
        }
        if let Some(host) = fields::authority(request.host.as_bytes()) {
            request.host = String::from_utf8_lossy(&host).into_owned();
            changed = true;
        }
        let RecordedRequest { fields, content, trailers, .. } = request;
        let body = self.message(fields, content, trailers.as_mut())?;
        Ok(Redaction { changed: body.changed || changed, ..body })
    }

    /// Takes the secrets out of a response, where responses are redacted.
    ///
    /// # Errors
    /// What the system says of reading the body.
    pub fn response(&self, response: &mut RecordedResponse) -> io::Result<Redaction> {
        if !self.responses {
            return Ok(Redaction::default());
        }
        self.message(&mut response.fields, &mut response.content, response.trailers.as_mut())
    }

    /// Takes the secrets out of an exchange, and notes that it did ([`MARK`], [`DROPPED`]).
    ///
    /// # Errors
    /// What the system says of reading bodies.
    pub fn exchange(&self, exchange: &mut Recorded) -> io::Result<()> {
        let request = self.request(&mut exchange.request)?;
        let mut response = Redaction::default();
        if let Some(recorded) = &mut exchange.response {
            let before = recorded.content.as_ref().map_or(0, Content::len);
            response = self.response(recorded)?;
            rescale(exchange, before);
        }
        let rest = self.messages(exchange) | self.notes(exchange);
        if request.changed || response.changed || rest {
            exchange.metadata.insert(MARK.into(), true.into());
        }
        let dropped = [(request.dropped, "request"), (response.dropped, "response")];
        let dropped: Vec<Value> =
            dropped.into_iter().filter(|side| side.0).map(|side| side.1.into()).collect();
        if !dropped.is_empty() {
            exchange.metadata.insert(DROPPED.into(), dropped.into());
        }
        Ok(())
    }

    /// A target (path and query, or a URL) without its secrets; `None` when it has none.
    pub fn target(&self, target: &[u8]) -> Option<Vec<u8>> {
        params::redact(&self.params, target, Kind::Text)
    }

    /// A field value without its secrets; `None` when it has none.
    pub fn field(&self, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        fields::redacted(self, name, value).filter(|new| new != value)
    }

    /// The content that `fields` describe without its secrets; what is `None` inside cannot be read and may hold some.
    pub(crate) fn content(&self, fields: &Pairs, content: &Content) -> io::Result<Option<(Content, bool)>> {
        Ok(match body::redact(self, fields, content)? {
            Outcome::Same => Some((content.clone(), false)),
            Outcome::Changed(new) => Some((new, true)),
            Outcome::Unredactable => None,
        })
    }

    /// The lists, for what must change when they do: fields, parameters, members.
    pub(crate) fn lists(&self) -> [&Names; 3] {
        [&self.fields, &self.params, &self.members]
    }

    fn message(
        &self,
        fields: &mut Pairs,
        content: &mut Option<Content>,
        trailers: Option<&mut Pairs>,
    ) -> io::Result<Redaction> {
        let mut done = Redaction::default();
        if let Some(before) = content {
            match body::redact(self, fields, before)? {
                Outcome::Same => {}
                Outcome::Changed(new) => {
                    reframe(fields, new.len());
                    *content = Some(new);
                    done.changed = true;
                }
                Outcome::Unredactable => {
                    *content = None;
                    done = Redaction { changed: true, dropped: true };
                }
            }
        }
        let body_changed = done.changed;
        done.changed |= fields::redact(self, fields);
        if let Some(trailers) = trailers {
            if body_changed {
                drop_digests(trailers);
            }
            done.changed |= fields::redact(self, trailers);
        }
        Ok(done)
    }

    /// Messages over a WebSocket that are text: as JSON.
    fn messages(&self, exchange: &mut Recorded) -> bool {
        const TEXT: u8 = 1;
        let mut changed = false;
        let messages = exchange.websocket.iter_mut().flat_map(|websocket| &mut websocket.messages);
        for message in messages.filter(|message| message.opcode == TEXT) {
            if if message.from_client { !self.requests } else { !self.responses } {
                continue;
            }
            let mut out = Vec::with_capacity(message.content.len());
            let mut json = json::Json::new(&self.members, &self.params);
            // JSON in pieces refuses nothing.
            let done = json.feed(&message.content, &mut out).and_then(|()| json.end(&mut out));
            if done.is_ok() && out != message.content {
                message.content = out;
                changed = true;
            }
        }
        changed
    }

    /// What was noted of the exchange: a message of an error may name the URL.
    fn notes(&self, exchange: &mut Recorded) -> bool {
        if !self.requests {
            return false;
        }
        let Recorded { error, client, server, comment, metadata, .. } = exchange;
        let mut texts: Vec<&mut String> = vec![comment];
        texts.extend(error.as_mut().map(|error| &mut error.message));
        texts.extend(client.error.as_mut());
        texts.extend(server.error.as_mut());
        let mut changed = false;
        for text in texts {
            changed |= self.text(text);
        }
        metadata.iter_mut().for_each(|(name, value)| changed |= self.value(name, value));
        changed
    }

    fn text(&self, text: &mut String) -> bool {
        let new = params::redact(&self.params, text.as_bytes(), Kind::Text);
        let changed = new.is_some();
        if let Some(new) = new {
            *text = String::from_utf8_lossy(&new).into_owned();
        }
        changed
    }

    fn value(&self, name: &str, value: &mut Value) -> bool {
        if self.members.has(name.as_bytes()) && !value.is_null() {
            let changed = value != REDACTED;
            *value = REDACTED.into();
            return changed;
        }
        match value {
            Value::String(text) => self.text(text),
            Value::Array(values) => {
                values.iter_mut().map(|value| self.value("", value)).filter(|changed| *changed).count() > 0
            }
            Value::Object(members) => {
                let changes = members.iter_mut().map(|(name, value)| self.value(name, value));
                changes.filter(|changed| *changed).count() > 0
            }
            _ => false,
        }
    }
}

/// True where the body of a recorded request is not on the tape, because secrets could not be taken out of it.
pub(crate) fn is_request_dropped(exchange: &Recorded) -> bool {
    let dropped = exchange.metadata.get(DROPPED).and_then(Value::as_array);
    exchange.request.content.is_none()
        && dropped.is_some_and(|sides| sides.iter().any(|side| side == "request"))
}

/// Makes the fields fit a body of `len` bytes that has no codings and is not what its digests say.
fn reframe(fields: &mut Pairs, len: u64) {
    fields.remove("content-encoding");
    drop_digests(fields);
    if fields.get("content-length").is_some() {
        fields.set("content-length", len.to_string());
    }
}

fn drop_digests(fields: &mut Pairs) {
    for name in DIGESTS {
        fields.remove(name);
    }
}

/// Makes the pieces in which a body came add up to what it is now.
fn rescale(exchange: &mut Recorded, before: u64) {
    let content = exchange.response.as_ref().and_then(|response| response.content.as_ref());
    let after = content.map_or(0, Content::len);
    if before == after || before == 0 {
        return;
    }
    let (mut seen, mut given) = (0_u64, 0_u64);
    for chunk in &mut exchange.timing {
        seen = seen.saturating_add(chunk.bytes).min(before);
        let until = (u128::from(seen) * u128::from(after) / u128::from(before)) as u64;
        chunk.bytes = until - given;
        given = until;
    }
}
