//! The committed expectations: which tests fail and why, and which suites do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::suite::{Kind, Outcome, Row};
use crate::workspace;

/// The shortest reason that can say anything.
const SHORTEST_REASON: usize = 15;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// Whole suites that are run but not counted.
    #[serde(default)]
    not_counted: Vec<NotCounted>,
    /// Tests that fail.
    #[serde(default)]
    fails: Vec<Failing>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotCounted {
    suite: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failing {
    id: String,
    kind: Kind,
    /// What it comes to: a failure of the test itself, unless it says otherwise.
    #[serde(default = "failure")]
    outcome: Outcome,
    /// What the suite says of it; without it whatever it says.
    detail: Option<String>,
    /// It may pass as well: what it comes to depends on the other tests that run at the same time. Not for requirements.
    #[serde(default)]
    sometimes_passes: bool,
    reason: String,
}

fn failure() -> Outcome {
    Outcome::Fail
}

/// A result that is not the one expected.
#[derive(Debug, PartialEq, Eq)]
pub enum Surprise {
    /// It fails, and no line says why.
    Fails { id: String, kind: &'static str, detail: String },
    /// A line says that it fails, but it passes.
    Passes { id: String },
    /// The line's kind is not the test's.
    Kind { id: String, kind: &'static str },
    /// It fails, but not as its lines say.
    Otherwise { id: String, detail: String },
    /// The suite has no such test, or it is in a suite that does not count.
    Unknown { id: String },
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails { id, kind, detail } => write!(f, "{id} ({kind}) fails unexpectedly: {detail}"),
            Self::Passes { id } => write!(f, "{id} now passes: remove its lines from the expectations"),
            Self::Kind { id, kind } => {
                write!(f, "{id} is of kind {kind}: mend its lines in the expectations")
            }
            Self::Otherwise { id, detail } => {
                write!(f, "{id} fails otherwise than expected: {detail}")
            }
            Self::Unknown { id } => write!(f, "{id} is not a test that counts: remove its lines"),
        }
    }
}

impl Expectations {
    /// Reads conformance/expectations.toml.
    pub fn read() -> Result<Self> {
        let file = workspace::root().join("conformance/expectations.toml");
        let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("reading {}", file.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let expectations: Self = toml::from_str(text)?;
        let mut seen = BTreeSet::new();
        for failing in &expectations.fails {
            ensure!(seen.insert(&failing.id), "{} stands there twice", failing.id);
            ensure!(failing.reason.len() >= SHORTEST_REASON, "{} has no reason", failing.id);
            failing.check_outcome()?;
        }
        for suite in &expectations.not_counted {
            ensure!(suite.reason.len() >= SHORTEST_REASON, "{} has no reason", suite.suite);
        }
        Ok(expectations)
    }

    /// Whether the tests of this suite count.
    pub fn counts(&self, suite: &str) -> bool {
        self.not_counted.iter().all(|other| other.suite != suite)
    }

    /// The suites that do not count, with the reason.
    pub fn not_counted(&self) -> impl Iterator<Item = (&str, &str)> {
        self.not_counted.iter().map(|suite| (suite.suite.as_str(), suite.reason.as_str()))
    }

    /// What differs between these results and the expectations.
    pub fn compare(&self, rows: &[Row]) -> Vec<Surprise> {
        let mut expected: BTreeMap<&str, &Failing> =
            self.fails.iter().map(|failing| (failing.id.as_str(), failing)).collect();
        let mut surprises = Vec::new();
        for row in rows.iter().filter(|row| self.counts(&row.suite)) {
            let (id, kind) = (row.id.clone(), row.kind.word());
            match expected.remove(row.id.as_str()) {
                None if row.passed() => {}
                None => surprises.push(Surprise::Fails { id, kind, detail: described(row) }),
                Some(failing) if row.passed() && failing.sometimes_passes => {}
                Some(_) if row.passed() => surprises.push(Surprise::Passes { id }),
                Some(failing) if failing.kind != row.kind => surprises.push(Surprise::Kind { id, kind }),
                Some(failing) if !failing.is(row) => {
                    surprises.push(Surprise::Otherwise { id, detail: described(row) });
                }
                Some(_) => {}
            }
        }
        surprises.extend(expected.into_keys().map(|id| Surprise::Unknown { id: id.to_owned() }));
        surprises
    }
}

impl Failing {
    /// A test whose steps before the one under test fail says nothing, unless exactly that failure is the answer.
    fn check_outcome(&self) -> Result<()> {
        let (id, outcome) = (&self.id, self.outcome.word());
        ensure!(
            !self.sometimes_passes || self.kind != Kind::Required,
            "{id} is required: it passes or it does not"
        );
        match self.outcome {
            Outcome::Fail => {}
            Outcome::Setup | Outcome::Dependency => ensure!(
                self.detail.is_some(),
                "{id} is expected to end as {outcome}: its lines must say with which detail"
            ),
            _ => bail!("{id}: {outcome} is no result that can be expected"),
        }
        Ok(())
    }

    fn is(&self, row: &Row) -> bool {
        self.outcome == row.outcome && self.detail.as_ref().is_none_or(|detail| *detail == row.detail)
    }
}

fn described(row: &Row) -> String {
    format!("{} {}", row.outcome.word(), row.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requirements of the standards that the suite says we fail: a new one is no line among many.
    const REQUIRED: [&str; 5] = [
        "stale-close-must-revalidate",
        "stale-close-proxy-revalidate",
        "stale-close-no-cache",
        "stale-close-s-maxage=2",
        "headers-store-Transfer-Encoding",
    ];

    /// The most tests of stored responses that could have been used.
    const MOST_OPTIONAL: usize = 8;

    const FILE: &str = r#"
        [[not_counted]]
        suite = "old"
        reason = "superseded by something newer"
        [[fails]]
        id = "a"
        kind = "optimal"
        reason = "partial content comes later"
    "#;

    fn row(id: &str, suite: &str, kind: Kind, outcome: Outcome) -> Row {
        Row { id: id.into(), suite: suite.into(), kind, outcome, detail: String::new() }
    }

    fn compare(rows: &[Row]) -> Vec<String> {
        let expectations = Expectations::parse(FILE).unwrap();
        expectations.compare(rows).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_expected_failure_is_no_surprise() {
        let rows = [
            row("a", "s", Kind::Optimal, Outcome::Fail),
            row("b", "s", Kind::Required, Outcome::Pass),
            row("c", "old", Kind::Required, Outcome::Fail),
        ];
        assert!(compare(&rows).is_empty());
    }

    #[test]
    fn an_expected_failure_that_passes_is_one() {
        let surprises = compare(&[row("a", "s", Kind::Optimal, Outcome::Pass)]);
        assert_eq!(surprises, ["a now passes: remove its lines from the expectations"]);
    }

    #[test]
    fn one_that_may_pass_is_none_where_it_is_no_requirement() {
        let may = FILE.replace("id = \"a\"", "id = \"a\"\nsometimes_passes = true");
        let expectations = Expectations::parse(&may).unwrap();
        for outcome in [Outcome::Pass, Outcome::Fail] {
            assert_eq!(expectations.compare(&[row("a", "s", Kind::Optimal, outcome)]), []);
        }
        assert!(Expectations::parse(&may.replace("optimal", "required")).is_err());
    }

    #[test]
    fn every_outcome_but_pass_is_a_failure() {
        for outcome in [Outcome::Fail, Outcome::Setup, Outcome::Dependency, Outcome::Retry, Outcome::Harness]
        {
            let rows = [row("a", "s", Kind::Optimal, Outcome::Fail), row("b", "s", Kind::Required, outcome)];
            assert!(compare(&rows)[0].starts_with("b (required) fails unexpectedly"), "{outcome:?}");
        }
    }

    #[test]
    fn a_line_with_the_wrong_kind_or_for_no_test_is_one() {
        assert_eq!(compare(&[row("a", "s", Kind::Check, Outcome::Fail)]).len(), 1);
        assert_eq!(compare(&[]), ["a is not a test that counts: remove its lines"]);
    }

    #[test]
    fn the_committed_expectations_keep_their_bounds() {
        let committed = Expectations::read().unwrap();
        let of = |kind| -> Vec<&str> {
            let lines = committed.fails.iter().filter(|failing| failing.kind == kind);
            lines.map(|failing| failing.id.as_str()).collect()
        };
        assert_eq!(of(Kind::Required), REQUIRED);
        let optional = of(Kind::Optimal);
        assert!(optional.len() <= MOST_OPTIONAL, "{} optional failures: {optional:?}", optional.len());
        let not_counted: Vec<_> = committed.not_counted().map(|(suite, _)| suite).collect();
        assert_eq!(not_counted, ["surrogate-control"]);
    }

    #[test]
    fn an_expected_failure_is_one_of_the_test_itself() {
        for outcome in [Outcome::Setup, Outcome::Dependency, Outcome::Retry, Outcome::Harness] {
            let surprises = compare(&[row("a", "s", Kind::Optimal, outcome)]);
            assert_eq!(surprises, [format!("a fails otherwise than expected: {} ", outcome.word())]);
        }
    }

    #[test]
    fn a_failure_before_the_test_itself_is_expected_only_to_the_letter() {
        let with = |lines: &str| FILE.replace("kind = \"optimal\"", &format!("kind = \"optimal\"\n{lines}"));
        let expectations =
            Expectations::parse(&with("outcome = \"setup\"\ndetail = \"status is 502\"")).unwrap();
        let found = |detail: &str| {
            let row = Row { detail: detail.into(), ..row("a", "s", Kind::Optimal, Outcome::Setup) };
            expectations.compare(&[row]).len()
        };
        assert_eq!([found("status is 502"), found("status is 500")], [0, 1]);
        assert!(Expectations::parse(&with("outcome = \"setup\"")).is_err());
        for never in ["retry", "harness", "untested", "pass"] {
            let lines = format!("outcome = \"{never}\"\ndetail = \"x\"");
            assert!(Expectations::parse(&with(&lines)).is_err(), "{never}");
        }
    }

    #[test]
    fn a_line_without_a_reason_is_refused() {
        assert!(Expectations::parse(&FILE.replace("partial content comes later", "")).is_err());
        assert!(Expectations::parse(&FILE.replace("superseded by something newer", "")).is_err());
    }

    #[test]
    fn a_test_named_twice_is_refused() {
        let (_, line) = FILE.split_once("[[fails]]").unwrap();
        assert!(Expectations::parse(&format!("{FILE}[[fails]]{line}")).is_err());
    }
}
