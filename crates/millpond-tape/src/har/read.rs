//! The entries of an archive, wherever in it they stand.

use super::entry::entry;
use crate::json::scan::{Kind, List, Scan, Scanned};
use crate::{ReadAt, Recorded, Tape, TapeError};
use std::sync::Arc;

/// Reads the entries of `source`. Those that are not of HTTP (`data:` and the like) are passed over.
pub fn reader(source: Arc<dyn ReadAt>) -> Tape {
    Box::new(Entries {
        scan: Scan::new(source, 0),
        place: Place::Before,
        top: List::default(),
        log: List::default(),
        list: List::default(),
        seen: false,
    })
}

/// Reads the one entry that begins at byte `at`.
///
/// # Errors
/// When there is none.
pub fn read_one(source: &Arc<dyn ReadAt>, at: u64) -> Result<Recorded, TapeError> {
    let mut scan = Scan::new(Arc::clone(source), at);
    scan.kind()?;
    scan.exchange_begins();
    entry(&mut scan, at)?.ok_or_else(|| TapeError::Malformed { at, what: "this entry is not of HTTP".into() })
}

/// Where in the archive the scanner stands.
#[derive(Clone, Copy)]
enum Place {
    Before,
    Top,
    Log,
    Entries,
    Behind,
}

struct Entries {
    scan: Scan,
    place: Place,
    top: List,
    log: List,
    list: List,
    seen: bool,
}

impl Entries {
    fn step(&mut self) -> Scanned<Option<(u64, Recorded)>> {
        match self.place {
            Place::Before => {
                self.scan.skip_mark()?;
                self.scan.expect(b'{')?;
                self.place = Place::Top;
            }
            Place::Top => match self.scan.member(&mut self.top)? {
                None => self.ends()?,
                Some(name) if name == "log" && self.scan.kind()? == Kind::Object => {
                    self.scan.expect(b'{')?;
                    (self.place, self.log) = (Place::Log, List::default());
                }
                Some(_) => self.scan.skip()?,
            },
            Place::Log => match self.scan.member(&mut self.log)? {
                None => self.place = Place::Top,
                Some(name) if name == "entries" && self.scan.kind()? == Kind::Array => {
                    self.scan.expect(b'[')?;
                    (self.place, self.list, self.seen) = (Place::Entries, List::default(), true);
                }
                Some(_) => self.scan.skip()?,
            },
            Place::Entries => {
                self.scan.exchange_begins();
                if self.scan.element(&mut self.list)? {
                    self.scan.kind()?;
                    self.scan.exchange_begins();
                    let at = self.scan.offset();
                    return Ok(entry(&mut self.scan, at)?.map(|found| (at, found)));
                }
                self.place = Place::Log;
            }
            Place::Behind => {}
        }
        self.scan.exchange_begins();
        Ok(None)
    }

    fn ends(&mut self) -> Scanned<()> {
        self.place = Place::Behind;
        if self.scan.peek()?.is_some() {
            return Err(self.scan.malformed("something stands after the end of the archive"));
        }
        if self.seen { Ok(()) } else { Err(self.scan.malformed("an archive has `entries` in its `log`")) }
    }
}

impl Iterator for Entries {
    type Item = Result<(u64, Recorded), TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !matches!(self.place, Place::Behind) {
            match self.step() {
                Ok(None) => {}
                Ok(Some(found)) => return Some(Ok(found)),
                Err(error) => {
                    self.place = Place::Behind;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
