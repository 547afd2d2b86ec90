//! `millpond explain`: fetches a URL once and tells what a cache in front of it would do, and why.

use super::{print, runtime};
use crate::args::ExplainArgs;
use crate::client::{Client, Fetched};
use crate::failure::Failure;
use millpond::config::Config;
use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{Fields, Key, Record};
use millpond::policy::{Profile, Reason, RequestFacts, Times, Verdict};
use millpond::{policy, proxy};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Explains one URL.
pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let config = args.common.settings().resolve()?.config;
    crate::logging::start(config.log);
    let fields = fields(&args.fields)?;
    let request_time = SystemClock.now();
    let client = Client::new(config.upstream_ca.as_deref())?;
    let fetched = runtime()?.block_on(client.get(&args.url, fields))?;
    let times = Times { request_time, response_time: SystemClock.now() };
    let story = Story::of(&fetched, times, &config)?;
    print(&if args.json { format!("{:#}\n", story.json()) } else { story.text() })?;
    Ok(ExitCode::SUCCESS)
}

fn fields(lines: &[String]) -> Result<Fields, Failure> {
    let mut fields = Fields::new();
    for line in lines {
        let wrong = |why: &str| Failure::Usage(format!("--field {line:?}: {why}; write 'Name: value'"));
        let (name, value) = line.split_once(':').ok_or_else(|| wrong("there is no colon"))?;
        fields.append(name.trim(), value).map_err(|error| wrong(&error.to_string()))?;
    }
    Ok(fields)
}

/// What is to be told.
struct Story {
    url: String,
    key: String,
    status: u16,
    length: u64,
    outcome: Outcome,
}

enum Outcome {
    Refused(Reason),
    Stored { record: Box<Record>, lifetime: policy::Lifetime, age: u32, next: Verdict },
}

impl Story {
    fn of(fetched: &Fetched, times: Times, config: &Config) -> Result<Self, Failure> {
        let url = fetched.request.url();
        let key = Key::get(&url).map_err(|error| Failure::Usage(format!("{url}: {error}")))?;
        let profile: Profile = proxy::profile_for(config, &fetched.request);
        let facts = RequestFacts::of(&fetched.request);
        let admitted = policy::admit(&fetched.request, &facts, &fetched.head, times, None, &profile);
        let outcome = match admitted {
            Err(reason) => Outcome::Refused(reason),
            Ok(admitted) => Outcome::Stored {
                lifetime: policy::freshness_lifetime(&admitted.record, &profile),
                age: policy::current_age(&admitted.record, times.response_time),
                next: policy::reuse(&admitted.record, &facts, times.response_time, &profile),
                record: Box::new(admitted.record),
            },
        };
        Ok(Self {
            url,
            key: key.url(),
            status: fetched.head.status.as_u16(),
            length: fetched.length,
            outcome,
        })
    }

    fn verdict(&self) -> (&'static str, &'static str) {
        match &self.outcome {
            Outcome::Refused(reason) => ("refused", reason.explain()),
            Outcome::Stored { next, .. } => match next {
                Verdict::Fresh { .. } => ("hit", "The next request for it is answered from the cache."),
                Verdict::ServeStale { why, .. } => ("stale", why.explain()),
                Verdict::Validate(reason) => ("validate", reason.explain()),
                Verdict::Unusable(reason) => ("miss", reason.explain()),
            },
        }
    }

    fn text(&self) -> String {
        let (verdict, why) = self.verdict();
        let mut lines = vec![
            format!("{} answers {} with {} bytes.", self.url, self.status, self.length),
            format!("Key: GET {}", self.key),
        ];
        if let Outcome::Stored { record, lifetime, age, .. } = &self.outcome {
            lines.push(format!(
                "Stored: yes. Age {age} s, fresh for {} s ({}).",
                lifetime.secs,
                lifetime.basis.as_str()
            ));
            let vary: Vec<&str> = record.vary.iter().map(|selector| &*selector.name).collect();
            if !vary.is_empty() {
                lines.push(format!("Varies on: {}.", vary.join(", ")));
            }
            if record.etag.is_some() || record.last_modified_text.is_some() {
                lines.push("Once stale it is validated: the origin gave a validator.".to_owned());
            }
        } else {
            lines.push("Stored: no.".to_owned());
        }
        lines.push(format!("Next request: {verdict}. {why}\n"));
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let (verdict, why) = self.verdict();
        let mut value = json!({
            "url": self.url, "key": self.key, "status": self.status, "bytes": self.length,
            "next": verdict, "explanation": why,
        });
        match &self.outcome {
            Outcome::Refused(reason) => {
                value["stored"] = json!(false);
                value["reason"] = json!(reason.as_str());
            }
            Outcome::Stored { record, lifetime, age, .. } => {
                value["stored"] = json!(true);
                value["age"] = json!(age);
                value["fresh_for"] = json!(lifetime.secs);
                value["basis"] = json!(lifetime.basis.as_str());
                value["vary"] = json!(record.vary.iter().map(|selector| &*selector.name).collect::<Vec<_>>());
            }
        }
        value
    }
}
