//! A story for people.

use super::Story;
use super::content::Content;
use super::member::{Member, meaning};
use super::origin::Answered;
use super::page::Page;
use super::response::{labels, variant};
use super::server::Asked;
use super::store::{Looked, Place};
use super::words;
use crate::client::Unanswered;
use crate::commands::cache::count;
use millpond::engine::explain::{Change, Decision, Explained, Fetch};
use millpond::exchange::Method;
use millpond::policy::{LanguageFit, Verdict};
use millpond::proxy::explain::{Door, Ruled, Unrouted};
use std::path::Path;

/// The whole story.
pub(super) fn of(story: &Story) -> String {
    let mut page = Page::default();
    page.row("Request", format!("{} {}", story.method, story.url));
    if story.door == Door::Forward {
        page.row("Door", "forward proxy: clients name the origin (millpond proxy)");
    }
    if let Some(content) = &story.content {
        content_row(&mut page, story, content);
    }
    if let Some(unrouted) = &story.unrouted {
        not_routed(&mut page, unrouted);
    }
    if let Some(looked) = &story.routed {
        routed(&mut page, looked);
    }
    if story.unknown {
        let proxied = story.server.as_ref().is_some_and(|server| server.as_proxy);
        let option = if proxied { "--proxy, with the options it has" } else { "its --origin or --config" };
        page.row("Store", format!("not looked at: nothing says what the server is; give {option}"));
    }
    if let Some(server) = &story.server {
        asked(&mut page, server);
        if let Some(line) = words::note(story, server) {
            page.row("Note", line);
        }
    }
    match &story.origin {
        Some(Ok(answered)) => origin(&mut page, answered),
        Some(Err(unanswered)) => no_answer(&mut page, story, unanswered),
        None => {}
    }
    page.into_text()
}

fn content_row(page: &mut Page, story: &Story, content: &Content) {
    let more = if content.is_cut() { "at least " } else { "" };
    let keyed = story.routed.as_ref().is_some_and(|looked| looked.keyed_by_content);
    let part = if keyed { ", part of the key" } else { "" };
    page.row("Content", format!("{more}{}{part}", count(content.len(), "byte", "bytes")));
    if content.assumed_type() {
        let why = "which curl sends where no --field names a Content-Type";
        page.detail("Type", format!("{}, {why}", super::asked::ASSUMED_TYPE));
    }
}

fn not_routed(page: &mut Page, unrouted: &Unrouted) {
    page.row("Route", format!("none. {unrouted}"));
    match unrouted.status() {
        Some(status) => page.row("Answer", format!("{status}, by the server itself ({})", unrouted.kind())),
        None => page.row("Verdict", "tunnelled. What is asked in it is neither seen nor cached."),
    }
    if let Some(option) = words::opening(unrouted) {
        page.row("Changed by", option);
    }
}

fn routed(page: &mut Page, looked: &Looked) {
    if looked.in_tunnel {
        page.row("Tunnel", "opened, by `intercept`: what is asked in it is seen");
    }
    page.row("Route", format!("{}, to {}", looked.route, looked.origin));
    if let Some(setting) = looked.pass.and_then(words::pass_setting) {
        page.row("Passed", format!("past the cache, by `{setting}` of the route"));
    }
    if let Some(ruled) = &looked.rule {
        rule(page, ruled);
    }
    let would_be = looked.would_be();
    page.row("Key", format!("{} {}", would_be.key.method(), would_be.key.url()));
    if let Some(equivalent) = &would_be.equivalent {
        let why = "by No-Vary-Search, as soon as a server has met that rule";
        page.detail("Equivalent", format!("{}, {why}", equivalent.url()));
    }
    if would_be.for_host {
        page.detail("For", "clients that name the same host, as the one did whose POST was answered with it");
    }
    store(page, looked);
    if let Some(explained) = looked.explained() {
        decision(page, explained);
        changes(page, &explained.changes);
    }
}

fn rule(page: &mut Page, ruled: &Ruled) {
    let Ruled { number, rules, pattern, changes } = ruled;
    page.row("Rule", format!("{number} of {rules}, by its path {pattern:?}"));
    for change in changes {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unset".to_owned());
        let (value, otherwise) = (text(&change.value), text(&change.otherwise));
        page.detail("", format!("{} = {value} (without the rule: {otherwise})", change.setting));
    }
    if changes.is_empty() {
        page.detail("", "it has the policy of the route");
    }
}

fn store(page: &mut Page, looked: &Looked) {
    match &looked.place {
        Place::Memory => {
            page.row("Store", "the memory of the server, which only the server sees: ask it with --via");
        }
        Place::Missing(path) => page.row("Store", format!("none yet at {}", path.display())),
        Place::Unreadable(path, error) => {
            page.row("Store", path.display().to_string());
            page.detail("Failure", error.to_string());
            page.detail("", "To a server that is as if nothing were stored.");
        }
        Place::File { path, other_keys, unreadable } => {
            responses(page, path, looked);
            let more = |number: &usize| count(*number as u64, "response", "responses");
            if *other_keys > 0 {
                page.detail("Beside", format!("{} for the same URL under another key", more(other_keys)));
            }
            if *unreadable > 0 {
                page.detail("Beside", format!("{} that cannot be read", more(unreadable)));
            }
        }
    }
}

fn responses(page: &mut Page, path: &Path, looked: &Looked) {
    page.row("Store", path.display().to_string());
    let explained = looked.would_be();
    let all = explained.variants.len();
    for (index, found) in explained.variants.iter().enumerate() {
        let used = if uses(explained, index) { ", which the request selects" } else { "" };
        page.detail("Response", format!("{} of {all}{used}", index + 1));
        variant(page, found, &looked.context.profile);
    }
    if all == 0 {
        page.detail("Response", "none for this key");
    }
}

fn uses(explained: &Explained, index: usize) -> bool {
    match &explained.decision {
        Decision::Serve { index: used, .. } => *used == index,
        Decision::Fetch(fetch) => fetch.validates == Some(index),
        Decision::Refuse(_) => false,
    }
}

fn decision(page: &mut Page, explained: &Explained) {
    let told = words::decision(explained);
    let reason = told.reason().map_or(String::new(), |reason| format!(" ({reason})"));
    page.row("Verdict", format!("{}{reason}. {}", told.word, told.sentence));
    if let Decision::Serve { answer, language, .. } = &explained.decision {
        page.row("Answer", answer.to_string());
        if let Some(fit) = language {
            let how = match fit {
                LanguageFit::SameLanguages => "for the same languages in another order",
                LanguageFit::Preferred => "in the language that the request likes best",
            };
            page.detail(
                "",
                format!("fetched for another Accept-Language, and {how} (policy.accept_language)"),
            );
        }
    }
    match &explained.decision {
        Decision::Serve { verdict: Verdict::ServeStale { refresh: true, .. }, .. } => {
            page.row("Origin", "would be asked behind the answer");
        }
        Decision::Serve { .. } => page.row("Origin", "not asked"),
        Decision::Refuse(_) => page.row("Origin", "not asked: the answer is 504"),
        Decision::Fetch(fetch) => sent(page, fetch),
    }
}

fn sent(page: &mut Page, fetch: &Fetch) {
    let (told, others) = words::fields(&fetch.sent);
    let how = if fetch.validates.is_some() {
        "would be asked whether what is stored is still right"
    } else {
        "would be asked"
    };
    page.row("Origin", format!("{how}: {} {}", fetch.sent.method, fetch.sent.url()));
    for (name, value) in told {
        page.detail("", format!("{name}: {value}"));
    }
    page.detail("", format!("and with {}", others.join(", ")));
    if !matches!(fetch.sent.method, Method::GET | Method::HEAD) {
        page.detail("", "Not by this command, which sends origins nothing but GET and HEAD.");
    }
    if fetch.whole_behind {
        page.detail("", "and behind it for the whole");
    }
    if fetch.invalidates {
        let what = "what is stored of the URL is removed (RFC 9111 section 4.4)";
        page.detail("On success", what);
    }
    if fetch.for_get {
        let what = "kept for GET where it has a lifetime and names this URL in Content-Location (RFC 9110 section 9.3.3)";
        page.detail("The answer", what);
    }
}

fn changes(page: &mut Page, changes: &[Change]) {
    for change in changes {
        page.row("Changed by", words::option(*change));
    }
}

fn asked(page: &mut Page, server: &Asked) {
    let how = if server.fetch { "" } else { " to only-if-cached" };
    let asked = if server.as_proxy { ", asked as a forward proxy," } else { "" };
    let age = server.age.map_or(String::new(), |age| format!(", age {age} s"));
    let answer =
        format!("{}{asked} answers {} with {} bytes{age}{how}", server.server, server.status, server.length);
    page.row("Server", answer);
    for member in &server.members {
        parameters(page, member);
    }
    if server.members.is_empty() {
        page.detail("", "It says nothing of a cache: there is no Cache-Status.");
    }
    if let Some(problem) = &server.problem {
        page.detail("Problem", problem);
    }
}

fn parameters(page: &mut Page, member: &Member) {
    let own = if member.is_own() { "" } else { " (another cache)" };
    page.detail("Cache", format!("{}{own}", member.name));
    for (name, value) in &member.parameters {
        let shown = value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}"));
        page.detail("", format!("{shown}: {}", meaning(name, value.as_deref())));
    }
}

fn origin(page: &mut Page, answered: &Answered) {
    page.row("Origin", format!("answers {} with {} bytes", answered.status, answered.length));
    match &answered.kept {
        Err(reason) => {
            page.detail("Stored", "no");
            page.detail("Next request", format!("refused ({reason}). {}", reason.explain()));
        }
        Ok(kept) => {
            let (age, secs, basis) = (kept.age, kept.lifetime.secs, words::basis(kept.lifetime.basis));
            page.detail("Stored", format!("yes: age {age} s, fresh for {secs} s ({basis})"));
            let vary: Vec<&str> = kept.record.vary.iter().map(|selector| &*selector.name).collect();
            if !vary.is_empty() {
                page.detail("Varies on", vary.join(", "));
            }
            labels(page, &kept.record);
            let told = words::verdict(kept.next);
            page.detail("Next request", format!("{}. {}", told.word, told.sentence));
        }
    }
    changes(page, &answered.changes);
}

fn no_answer(page: &mut Page, story: &Story, unanswered: &Unanswered) {
    let how = if unanswered.refused { "is not to be asked" } else { "does not answer" };
    page.row("Origin", format!("{how}: {}", unanswered.message));
    if let Some(reason) = story.stands_in() {
        page.detail("Instead", format!("what is stored answers ({reason}). {}", reason.explain()));
    }
}
