//! Going through everything in the file, some at a time: rows, their labels and bodies, and the indexes against their
//! tables. Each step is one short look, so that nobody's log has to wait for the end.
//!
//! What must not live here: what is done about what is wrong (`inspect::repair`, `behind`).

mod row;
mod structure;
mod way;

pub(crate) use structure::{is_small, of_small_tables, structure};

use crate::bodies::Bodies;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use std::time::{Duration, Instant};
use way::{Place, Way};

/// One thing that is wrong.
pub(crate) enum Wrong {
    /// Table and index disagree, or are out of order: what is read through them cannot be relied on.
    Structure(String),
    /// A row is not what was written, as far as anybody can tell.
    Entry {
        /// Its URL, or a name for a row without.
        url: String,
        what: &'static str,
        row: Broken,
    },
    /// Tags or groups of a row that is not there.
    Labels { row: i64 },
}

/// The row of a broken entry.
pub(crate) struct Broken {
    pub(crate) seq: i64,
    /// Whatever stands there.
    pub(crate) id: Value,
    pub(crate) file: Option<String>,
}

/// How far one step goes: it ends with whatever is reached first.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) rows: usize,
    /// Bytes of bodies.
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

/// What is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Depth {
    /// Bodies in files are read, and not only measured.
    pub(crate) content: bool,
    /// Every index is compared with its table. SQLite's own check does that too, in one go.
    pub(crate) indexes: bool,
}

/// What one step found.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) entries: u64,
    pub(crate) files: u64,
    pub(crate) wrong: Vec<Wrong>,
    /// There is nothing left to look at.
    pub(crate) ended: bool,
}

/// What is left of a way through the whole file.
pub(crate) struct Check<'a> {
    bodies: &'a Bodies,
    depth: Depth,
    at: At,
}

enum At {
    /// Rows after this number.
    Rows(i64),
    /// The index with this number in [`way::WAYS`].
    Index(usize, Place),
}

impl<'a> Check<'a> {
    pub(crate) fn new(bodies: &'a Bodies, depth: Depth) -> Self {
        Self { bodies, depth, at: At::Rows(i64::MIN) }
    }

    /// Looks at what comes next, as it is at one moment.
    pub(crate) fn step(&mut self, connection: &Connection, bounds: Bounds) -> rusqlite::Result<Step> {
        let mut step = Step::default();
        let until = Until { bounds, since: Instant::now() };
        let snapshot = connection.unchecked_transaction()?;
        match &mut self.at {
            At::Rows(after) => {
                let rows = row::Rows { connection, bodies: self.bodies, depth: self.depth };
                if rows.look(after, &until, &mut step)? {
                    self.at = At::Index(0, Place::default());
                    self.skip();
                }
            }
            At::Index(number, place) => {
                let way = &way::WAYS[*number];
                if way.look(connection, place, &until, self.depth.indexes, &mut step)? {
                    self.at = At::Index(*number + 1, Place::default());
                    self.skip();
                }
            }
        }
        drop(snapshot);
        step.ended = matches!(self.at, At::Index(number, _) if number >= way::WAYS.len());
        look_again(connection, &mut step)?;
        Ok(step)
    }

    /// Passes over the indexes that need not be looked at.
    fn skip(&mut self) {
        let wanted = |way: &Way| self.depth.indexes || way.has_owner();
        if let At::Index(number, _) = &mut self.at {
            while way::WAYS.get(*number).is_some_and(|way| !wanted(way)) {
                *number += 1;
            }
        }
    }
}

/// Files of bodies may have gone with their rows since the moment that was looked at.
fn look_again(connection: &Connection, step: &mut Step) -> rusqlite::Result<()> {
    let mut there = connection.prepare_cached("SELECT 1 FROM entry WHERE file = ?1 AND id IS ?2")?;
    let mut result = Ok(());
    step.wrong.retain(|wrong| match wrong {
        Wrong::Entry { row: Broken { id, file: Some(file), .. }, .. } => {
            there.exists(params![file, id]).unwrap_or_else(|error| {
                result = Err(error);
                true
            })
        }
        _ => true,
    });
    result
}

/// When a step ends.
struct Until {
    bounds: Bounds,
    since: Instant,
}

impl Until {
    fn is_reached(&self, rows: usize, bytes: u64) -> bool {
        rows >= self.bounds.rows || bytes >= self.bounds.bytes || self.since.elapsed() >= self.bounds.time
    }
}
