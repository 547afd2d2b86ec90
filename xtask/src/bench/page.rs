//! The page of a report: tables, the chart, and everything one needs to know to measure it again. Nothing in it is written
//! by hand.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::chart;
use super::report::Report;
use super::servers::Kind;
use crate::{tools, workspace};

/// What can be told of where and with what it was measured.
struct Circumstances {
    date: String,
    command: String,
    machine: Vec<(&'static str, String)>,
    versions: Vec<(&'static str, String)>,
    busy: Option<f64>,
}

/// Makes sure, before anything is measured, that `file` can be written.
pub fn check(file: &Path) -> Result<()> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(dir.is_dir(), "there is no directory {}", dir.display());
    ensure!(file.extension().is_some_and(|end| end == "md"), "{} does not end in .md", file.display());
    Ok(())
}

/// Writes the page to `file`, and its chart beside it.
pub fn write(report: &Report, file: &Path, busy: Option<f64>) -> Result<()> {
    let picture = file.with_extension("svg");
    let name = picture.file_name().context("the report has no name")?.to_string_lossy().into_owned();
    std::fs::write(&picture, chart::svg(report)).with_context(|| format!("writing {}", picture.display()))?;
    let text = page(report, &Circumstances::here(report, busy), &name);
    std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}

impl Circumstances {
    fn here(report: &Report, busy: Option<f64>) -> Self {
        Self {
            date: first_line("date", &["-u", "+%Y-%m-%d"]),
            command: command(std::env::args().skip(1)),
            machine: machine(),
            versions: versions(report),
            busy,
        }
    }
}

/// The command as typed, except that where a binary lay is nobody else's business.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["cargo xtask".to_owned()];
    let mut is_path = false;
    for argument in arguments {
        let shown = if is_path { "BINARY".to_owned() } else { argument };
        is_path = shown == "--binary";
        words.push(shown);
    }
    words.join(" ")
}

fn machine() -> Vec<(&'static str, String)> {
    let value = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once([':', '=']).map_or("unknown", |(_, value)| value.trim().trim_matches('"')).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kib: f64 = value("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    vec![
        ("processor", value("/proc/cpuinfo", "model name")),
        ("cores", format!("{cores}: one for the server, one for load and origin")),
        ("memory", format!("{:.0} GiB", kib / f64::from(1 << 20))),
        ("system", value("/etc/os-release", "PRETTY_NAME")),
        ("kernel", first_line("uname", &["-r"])),
    ]
}

fn versions(report: &Report) -> Vec<(&'static str, String)> {
    let measured = |kind: Kind| report.cases().iter().any(|case| report.kinds(case.name).contains(&kind));
    let mut versions = vec![("millpond", first_line("git", &["describe", "--always", "--dirty", "--tags"]))];
    let peers = [(Kind::Nginx, "-v"), (Kind::Haproxy, "-v"), (Kind::Varnish, "-V")];
    for (kind, option) in peers.into_iter().filter(|(kind, _)| measured(*kind)) {
        versions.push((kind.name(), first_line(kind.program(), &[option])));
    }
    versions.push(("compiler", first_line("rustc", &["--version"])));
    versions.push(("load, HTTP/1.1", first_line("wrk", &["-v"])));
    if report.cases().iter().any(|case| case.name.starts_with("h2-")) {
        versions.push(("load, HTTP/2", first_line("h2load", &["--version"])));
    }
    versions
}

/// The first line that a program prints, on either output; what cannot be told is said to be unknown.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let said = || -> Option<String> {
        let mut command = Command::new(tools::find(program).ok()?);
        let output =
            command.current_dir(workspace::root()).args(arguments).stdin(Stdio::null()).output().ok()?;
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        Some(String::from_utf8_lossy(&text).lines().find(|line| !line.is_empty())?.trim().to_owned())
    };
    said().unwrap_or_else(|| "unknown".to_owned())
}

fn page(report: &Report, at: &Circumstances, picture: &str) -> String {
    let mut out = format!(
        "# Performance\n\n\
         Written by `{}` on {}; no figure here is written by hand, and none is of another run. How to read and repeat it: \
         [Measuring](measuring.md).\n\n",
        at.command, at.date
    );
    if let Some(load) = at.busy {
        push(&mut out, format_args!("Other programs were running (load {load}): these figures are rough.\n"));
    }
    push(&mut out, format_args!("![CPU time for each request, and memory at start]({picture})\n"));
    conditions(&mut out, report);
    for note in report.notes() {
        push(&mut out, format_args!("{note}.\n"));
    }
    for case in report.cases() {
        table(&mut out, report, case.name, case.title);
    }
    memory(&mut out, report);
    for (title, rows) in [("The machine", &at.machine), ("Versions", &at.versions)] {
        push(&mut out, format_args!("## {title}\n\n| | |\n|---|---|"));
        for (what, value) in rows {
            push(&mut out, format_args!("| {what} | {value} |"));
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// What was the same for every server, and what the columns mean.
fn conditions(out: &mut String, report: &Report) {
    push(
        out,
        format_args!(
            "Every server has one core, an access log in a file and its counters on; {} connections, {} s for each \
             measurement, the order changing from round to round. CPU: microseconds of all of a server's processes for \
             each request, the median of the rounds with the least and the most. Machine: the median of the same for \
             everything that runs, load and origin and the kernel's work on their side included: a server that leaves \
             sending to the kernel is not charged with it, and it shows here. Ratio: millpond's CPU over this server's, the geometric mean of the pairs of each round with its 95 % interval (Student's t of the \
             logarithms); below 1 millpond takes less, in bold where the whole \
             interval is. `bare` is no cache: it answers from memory and does nothing else.\n",
            report.connections(),
            report.seconds()
        ),
    );
}

fn table(out: &mut String, report: &Report, case: &str, title: &str) {
    let title: String = title[..1].to_uppercase() + &title[1..];
    push(
        out,
        format_args!(
            "## {title}\n\n| | CPU, µs | machine, µs | requests/s | millpond/this | pairs |\n|---|---|---|---|---|---|"
        ),
    );
    for kind in report.kinds(case) {
        let (Some(cpu), Some(machine), Some(rate)) =
            (report.cpu(case, kind), report.machine(case, kind), report.rate(case, kind))
        else {
            continue;
        };
        let ratio = report.ratio(case, kind).filter(|_| kind != Kind::Millpond);
        let (ratio, pairs) = ratio.map_or_else(
            || (String::new(), String::new()),
            |ratio| {
                let mark = if kind.is_peer() && ratio.is_below_one() { "**" } else { "" };
                (format!("{mark}{ratio}{mark}"), ratio.pairs.to_string())
            },
        );
        let (machine, rate) = (machine.median, rate.median);
        push(out, format_args!("| {} | {cpu} | {machine:.2} | {rate:.0} | {ratio} | {pairs} |", kind.name()));
    }
    out.push('\n');
}

fn memory(out: &mut String, report: &Report) {
    if report.starts().is_empty() {
        return;
    }
    push(
        out,
        format_args!(
            "## Memory at start\n\nAll processes of a server before its first request, set up as in `bench/peers`; what \
             several of them share counts once. HAProxy takes its whole cache at once, Varnish a log large enough that \
             no line is lost.\n\n| | MiB |\n|---|---|"
        ),
    );
    for start in report.starts() {
        push(
            out,
            format_args!("| {} | {:.1} |", start.server.name(), start.memory as f64 / f64::from(1 << 20)),
        );
    }
    out.push('\n');
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::super::report::Start;
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn the_page_says_what_was_measured_how_and_where() {
        let mut report = report(&[
            (0, Kind::Millpond, 5.0),
            (0, Kind::Nginx, 10.0),
            (1, Kind::Millpond, 6.0),
            (1, Kind::Nginx, 12.0),
        ]);
        report.add_start(Start { server: Kind::Nginx, memory: 3 << 20 });
        let at = Circumstances {
            date: "2026-01-02".into(),
            command: "cargo xtask bench --report x.md".into(),
            machine: vec![("processor", "fast".into())],
            versions: vec![("nginx", "1.2.3".into())],
            busy: None,
        };
        let page = page(&report, &at, "x.svg");
        for line in [
            "Written by `cargo xtask bench --report x.md` on 2026-01-02",
            "](x.svg)",
            "## Hits of 1 KiB",
            "| millpond | 5.50 (5.00..6.00) | 11.00 | 1 |  |  |",
            "| nginx | 11.00 (10.00..12.00) | 22.00 | 1 | **0.50 [0.50, 0.50]** | 2 |",
            "| nginx | 3.0 |",
            "| processor | fast |",
            "| nginx | 1.2.3 |",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("rough"));
    }

    #[test]
    fn this_machine_can_be_described() {
        assert!(machine().iter().all(|(_, value)| !value.is_empty()), "{:?}", machine());
        assert_eq!(first_line("no-such-program", &[]), "unknown");
        let typed = ["bench", "--binary", "/a/b", "--quick"].map(str::to_owned).into_iter();
        assert_eq!(command(typed), "cargo xtask bench --binary BINARY --quick");
    }
}
