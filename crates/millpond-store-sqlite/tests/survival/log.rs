//! What is logged: an operator learns of every outage from a line that names the file.

use std::fmt::{Debug, Write};
use std::path::Path;
use std::sync::{Mutex, Once};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps all warnings of this process.
struct Keeper;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LINES.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// From now on warnings are kept.
pub fn listen() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| tracing::subscriber::set_global_default(Keeper).unwrap());
}

/// Whether a warning with this text names a file in `directory`.
pub fn told(directory: &Path, text: &str) -> bool {
    count(directory, text) > 0
}

/// How many warnings with this text name a file in `directory`.
pub fn count(directory: &Path, text: &str) -> usize {
    let directory = directory.to_string_lossy();
    let lines = LINES.lock().unwrap();
    lines.iter().filter(|line| line.contains(&*directory) && line.contains(text)).count()
}
