//! The chart of a report: a panel for each case, a bar for each server, in SVG.
//!
//! Bars are medians, the lines over them reach from the least to the most of the rounds. Each panel has a scale of its
//! own, from zero. Colours are chosen to be told apart on a light and on a dark page, and by those who see few of them;
//! every bar has its name and figure beside it.

use std::fmt::Write;

use super::report::Report;
use super::servers::Kind;
use super::statistics::Spread;

/// Sizes in pixels.
const PANEL_WIDTH: usize = 380;
const PANELS_IN_ROW: usize = 2;
const GAP: usize = 24;
const TITLE_HEIGHT: usize = 26;
const BAR_HEIGHT: usize = 16;
const BAR_PITCH: usize = 22;
const NAME_WIDTH: usize = 70;
const FIGURE_WIDTH: usize = 70;
const BARS_WIDTH: f64 = (PANEL_WIDTH - NAME_WIDTH - FIGURE_WIDTH) as f64;

/// A panel: a title, and a bar for each server.
struct Panel {
    title: String,
    bars: Vec<(Kind, Spread)>,
}

/// The chart of all there is in the report.
pub fn svg(report: &Report) -> String {
    let mut panels: Vec<Panel> = report
        .cases()
        .iter()
        .map(|case| Panel {
            title: format!("{}: µs of CPU", case.title),
            bars: report
                .kinds(case.name)
                .into_iter()
                .filter_map(|kind| Some((kind, report.cpu(case.name, kind)?)))
                .collect(),
        })
        .collect();
    let start = |start: &super::report::Start| {
        let [mib, _] = start.mib();
        (start.server, Spread { median: mib, least: mib, most: mib })
    };
    let bars: Vec<_> = report.starts().iter().map(start).collect();
    panels.push(Panel { title: "at start: MiB of RSS".into(), bars });
    panels.retain(|panel| !panel.bars.is_empty());
    draw(&panels)
}

fn draw(panels: &[Panel]) -> String {
    let height = |panel: &Panel| TITLE_HEIGHT + panel.bars.len() * BAR_PITCH;
    let rows: Vec<&[Panel]> = panels.chunks(PANELS_IN_ROW).collect();
    let heights: Vec<usize> = rows.iter().map(|row| row.iter().map(height).max().unwrap_or(0)).collect();
    let width = PANELS_IN_ROW * PANEL_WIDTH + (PANELS_IN_ROW + 1) * GAP;
    let total = heights.iter().sum::<usize>() + (rows.len() + 1) * GAP;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {total}\" width=\"{width}\" height=\"{total}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>CPU time for each request, and memory at start</title>\n\
         <rect width=\"{width}\" height=\"{total}\" fill=\"#ffffff\"/>\n"
    );
    let mut top = GAP;
    for (row, height) in rows.iter().zip(&heights) {
        for (column, panel) in row.iter().enumerate() {
            draw_panel(&mut out, panel, GAP + column * (PANEL_WIDTH + GAP), top);
        }
        top += height + GAP;
    }
    out.push_str("</svg>\n");
    out
}

fn draw_panel(out: &mut String, panel: &Panel, left: usize, top: usize) {
    let most = panel.bars.iter().map(|(_, spread)| spread.most).fold(f64::MIN_POSITIVE, f64::max);
    let scale = BARS_WIDTH / most;
    text(out, left, top + 14, "font-weight=\"bold\"", &panel.title);
    for (index, (kind, spread)) in panel.bars.iter().enumerate() {
        let y = top + TITLE_HEIGHT + index * BAR_PITCH;
        let (base, x) = (y + BAR_HEIGHT - 4, left + NAME_WIDTH);
        text(out, left, base, "", kind.name());
        let width = spread.median * scale;
        push(
            out,
            format_args!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{}\"/>",
                colour(*kind)
            ),
        );
        let [least, end] = [spread.least, spread.most].map(|value| x as f64 + value * scale);
        let middle = y + BAR_HEIGHT / 2;
        if spread.most > spread.least {
            push(
                out,
                format_args!(
                    "<path d=\"M{least:.1} {middle}H{end:.1}\" stroke=\"#000000\" stroke-width=\"1.5\"/>"
                ),
            );
        }
        let figure = if spread.median < 100.0 {
            format!("{:.1}", spread.median)
        } else {
            format!("{:.0}", spread.median)
        };
        text(out, end as usize + 6, base, "", &figure);
    }
}

fn text(out: &mut String, x: usize, y: usize, attributes: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    push(out, format_args!("<text x=\"{x}\" y=\"{y}\" fill=\"#222222\" {attributes}>{text}</text>"));
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{line}");
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Millpond => "#0072b2",
        Kind::Bare => "#bbbbbb",
        Kind::Nginx => "#009e73",
        Kind::Haproxy => "#e69f00",
        Kind::Varnish => "#cc79a7",
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let text = svg(&report(&[(0, Kind::Millpond, 10.0), (0, Kind::Nginx, 20.0)]));
        let widths: Vec<f64> = text
            .lines()
            .filter(|line| line.starts_with("<rect x="))
            .filter_map(|line| line.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(widths, [BARS_WIDTH / 2.0, BARS_WIDTH]);
        assert!(text.contains(">nginx</text>") && text.contains(">20.0</text>"), "{text}");
    }

    #[test]
    fn the_spread_is_drawn_where_there_is_one() {
        let one = svg(&report(&[(0, Kind::Nginx, 20.0)]));
        assert!(!one.contains("<path"));
        let two = svg(&report(&[(0, Kind::Nginx, 10.0), (1, Kind::Nginx, 20.0)]));
        let start = NAME_WIDTH + GAP;
        let line = format!("<path d=\"M{:.1} ", start as f64 + BARS_WIDTH / 2.0);
        assert!(two.contains(&line), "{two}");
    }
}
