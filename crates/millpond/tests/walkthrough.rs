//! docs/tutorial.md does what it says: its origin, its commands and the output it shows, on a clock that the test moves.

#![expect(clippy::unwrap_used, reason = "what cannot be set up or read is a failed test")]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/tool.rs"]
mod tool;

use millpond::engine::ManualClock;
use millpond::exchange::Timestamp;
use proxy::Proxy;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tool::Beside;

/// Saturday, 21 November 2026, noon.
const NOON: Timestamp = Timestamp::from_secs(1_795_262_400);

/// A command of the page, with the output it shows.
#[derive(Debug, PartialEq)]
struct Step {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// The bodies of fenced blocks in `language`, each with the number of its first line.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<(usize, Vec<&'a str>)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        if fence == language {
            found.push((number + 2, body));
        }
    }
    found
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (first, body) in blocks(page, "console") {
        for (offset, text) in body.into_iter().enumerate() {
            match text.strip_prefix("$ ") {
                Some(command) => {
                    steps.push(Step { line: first + offset, command: command.to_owned(), shown: Vec::new() });
                }
                None => steps.last_mut().unwrap().shown.push(text.to_owned()),
            }
        }
    }
    steps
}

/// True where `text` is what `pattern` shows; `...` stands for anything. Names of fields have no case, and nothing else
/// that the page shows differs by case alone.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split("...");
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// True where `output` is what `shown` shows; a line of `...` stands for any number of lines.
fn shows(shown: &[String], output: &[&str]) -> bool {
    match shown.split_first() {
        None => output.is_empty(),
        Some((first, more)) if first == "..." => {
            (0..=output.len()).any(|skipped| shows(more, &output[skipped..]))
        }
        Some((first, more)) => {
            output.split_first().is_some_and(|(line, rest)| matches(first, line) && shows(more, rest))
        }
    }
}

/// The reader's desk: a shell in a directory, and what runs in the background.
struct Desk {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    origin: Option<Beside>,
    /// The port that the page calls 8000.
    origin_port: u16,
    /// The proxies, each with the port that the page calls it by.
    proxies: Vec<(String, Proxy)>,
}

impl Desk {
    fn new(origin: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("origin.py"), origin.join("\n")).unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        Self { dir, clock, origin: None, origin_port: 0, proxies: Vec::new() }
    }

    /// Does what `command` does, and gives what it prints.
    fn run(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["python3", "origin.py", "8000", ..] => self.start_origin(),
            ["millpond", "serve", ref options @ ..] => self.start_proxy(options),
            ["sleep", seconds] => {
                self.clock.advance(Duration::from_secs(seconds.parse().unwrap()));
                String::new()
            }
            ["kill", "%1"] => {
                self.origin = None;
                String::new()
            }
            ["kill", "$(jobs", "-p)"] => {
                self.origin = None;
                self.proxies.clear();
                String::new()
            }
            ["curl", ..] => self.curl(command),
            _ => panic!("this test does not know the command"),
        }
    }

    fn start_origin(&mut self) -> String {
        let mut command = tool::bare("python3");
        command.arg("origin.py").arg(self.origin_port.to_string()).current_dir(&self.dir);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let port = said.trim_end().rsplit(' ').next().unwrap();
        // Started again, it takes the port it had.
        self.origin_port = port.parse().unwrap_or_else(|_| panic!("the origin said {said:?}"));
        self.origin = Some(Beside(child));
        said.replace(port, "8000")
    }

    fn start_proxy(&mut self, options: &[&str]) -> String {
        let options: Vec<&str> = options.iter().copied().take_while(|word| !word.starts_with("2>")).collect();
        let mut listen = "127.0.0.1:3000";
        let mut settings = Vec::new();
        for pair in options.chunks(2) {
            match *pair {
                // Each proxy of this test has a store of its own anyhow.
                ["--origin", "http://127.0.0.1:8000"] | ["--cache-dir", "cache" | "second"] => {}
                ["--listen", address] => listen = address,
                ["--default-ttl", ttl] => settings.push(("policy.default_ttl", ttl)),
                _ => panic!("this test does not know {pair:?}"),
            }
        }
        let origin = format!("http://127.0.0.1:{}", self.origin_port);
        let clock = Arc::clone(&self.clock);
        self.proxies.push((listen.to_owned(), Proxy::start(&origin, &settings, clock)));
        format!("listening on http://{listen}\n")
    }

    /// Runs curl, and waits until what it set off behind the answer is done.
    fn curl(&self, command: &str) -> String {
        let (address, proxy) =
            self.proxies.iter().find(|(address, _)| command.contains(&format!("//{address}/"))).unwrap();
        let stored = proxy.counters().stored;
        let mut shell = tool::command("sh");
        shell.arg("-c").arg(command.replace(address, &proxy.address().to_string()));
        let printed = String::from_utf8(tool::run(&mut shell).stdout).unwrap();
        let status = printed.lines().find(|line| line.starts_with("Cache-Status: ")).unwrap();
        if status.ends_with("stored") || status.ends_with("stale-while-revalidate") {
            proxy.wait_until("storing", |counters| counters.stored > stored);
        }
        printed
    }
}

#[test]
fn the_tutorial_shows_what_happens() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tutorial.md");
    let page = std::fs::read_to_string(file).unwrap();
    let origin = blocks(&page, "python").pop().expect("the page has an origin");
    let steps = steps(&page);
    assert!(steps.iter().filter(|step| step.command.starts_with("curl")).count() >= 10);
    let mut desk = Desk::new(&origin.1);
    for step in steps {
        let printed = desk.run(&step.command);
        assert!(
            shows(&step.shown, &printed.lines().collect::<Vec<_>>()),
            "docs/tutorial.md:{}: $ {}\nthe page shows:\n{}\n\nprinted was:\n{printed}",
            step.line,
            step.command,
            step.shown.join("\n")
        );
    }
}

#[test]
fn the_comparison_finds_differences() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let printed = ["HTTP/1.1 200 OK", "Age: 4", "", "page"];
    for good in [
        "HTTP/1.1 200 OK\nage: 4\n\npage",
        "...\npage",
        "HTTP/1.1 200 OK\n...",
        "H...OK\nAge: ...\n...\npage",
    ] {
        assert!(shows(&shown(good), &printed), "{good}");
    }
    for bad in [
        "",
        "HTTP/1.1 200 OK",
        "...\nAge: 5\n...",
        "...\npage\n\n",
        "HTTP/1.1 200 OK\npage",
        "H...K\nA...5\n...",
    ] {
        assert!(!shows(&shown(bad), &printed), "{bad}");
    }
    let page = "a\n```console\n$ one\nx\n$ two\n```\n```sh\n$ no\n```\n";
    let found: Vec<_> = steps(page).into_iter().map(|step| (step.line, step.command, step.shown)).collect();
    assert_eq!(found, [(3, "one".into(), vec!["x".into()]), (5, "two".into(), vec![])]);
}
