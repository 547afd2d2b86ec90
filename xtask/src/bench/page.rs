//! The page of a report: tables, the chart, and everything one needs to know to measure it again. Nothing in it is written
//! by hand.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::bounds::Judgement;
use super::chart;
use super::circumstances::Circumstances;
use super::report::Report;
use super::servers::Kind;

/// Makes sure, before anything is measured, that `file` can be written.
pub fn check(file: &Path) -> Result<()> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(dir.is_dir(), "there is no directory {}", dir.display());
    ensure!(file.extension().is_some_and(|end| end == "md"), "{} does not end in .md", file.display());
    Ok(())
}

/// Writes the page to `file`, and its chart beside it.
pub fn write(report: &Report, judgements: &[Judgement], at: &Circumstances, file: &Path) -> Result<()> {
    let picture = file.with_extension("svg");
    let name = picture.file_name().context("the report has no name")?.to_string_lossy().into_owned();
    std::fs::write(&picture, chart::svg(report)).with_context(|| format!("writing {}", picture.display()))?;
    let text = page(report, judgements, at, &name);
    std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}

fn page(report: &Report, judgements: &[Judgement], at: &Circumstances, picture: &str) -> String {
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
    bounds(&mut out, judgements);
    rows(&mut out, "The machine", at.machine.iter().map(|(what, value)| (*what, value.as_str())));
    rows(&mut out, "Versions", at.versions(report));
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
            "## Memory at start\n\nAll processes of a server before its first request, set up as in `bench/peers`. RSS: \
             the sum of what is resident of each process (VmRSS), so that what several share counts for each of them. \
             PSS: what is shared is divided among all programs that have it mapped, others of the machine included. \
             HAProxy takes its whole cache at once, Varnish a log large enough that no line is lost.\n\n\
             | | RSS, MiB | PSS, MiB |\n|---|---|---|"
        ),
    );
    for start in report.starts() {
        let [resident, proportional] = start.mib();
        push(out, format_args!("| {} | {resident:.1} | {proportional:.1} |", start.server.name()));
    }
    out.push('\n');
}

/// What the figures are held to, those that were not measured included.
fn bounds(out: &mut String, judgements: &[Judgement]) {
    push(
        out,
        format_args!(
            "## Bounds\n\nWhat is demanded of these figures (`xtask/src/bench/bounds.rs`). A ratio is millpond's CPU over \
             that of each server it is compared with; the highest upper end of an interval decides, beside the bare responder the \
             ratio itself.\n\n\
             | | must be | is | | reason |\n|---|---|---|---|---|"
        ),
    );
    for Judgement { bound, figure, verdict } in judgements {
        push(
            out,
            format_args!("| {} | {} | {figure} | {verdict} | {} |", bound.title, bound.limit(), bound.reason),
        );
    }
    out.push('\n');
}

fn rows<'a>(out: &mut String, title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) {
    push(out, format_args!("## {title}\n\n| | |\n|---|---|"));
    for (what, value) in rows {
        push(out, format_args!("| {what} | {value} |"));
    }
    out.push('\n');
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::super::bounds;
    use super::super::circumstances::tests::circumstances;
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
        report.add_start(Start { server: Kind::Nginx, resident: 3 << 20, proportional: 2 << 20 });
        let page = page(&report, &bounds::judge(&report), &circumstances(), "x.svg");
        for line in [
            "Written by `cargo xtask bench --report x.md` on 2026-01-02",
            "](x.svg)",
            "## Hits of 1 KiB",
            "| millpond | 5.50 (5.00..6.00) | 11.00 | 1 |  |  |",
            "| nginx | 11.00 (10.00..12.00) | 22.00 | 1 | **0.50 [0.50, 0.50]** | 2 |",
            "| nginx | 3.0 | 2.0 |",
            "| hits of 1 KiB | at most 0.90 |  | no figure |",
            "| processor | fast |",
            "| nginx | 1.2.3 |",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("rough"));
    }
}
