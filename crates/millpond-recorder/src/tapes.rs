//! A directory of tapes at work.

use crate::convert;
use crate::redaction::Redaction;
use crate::replay::{Catalogue, Library, TapeFile, load, repair_behind};
use crate::session::{SESSIONS, Session};
use crate::spool::Spool;
use crate::totals::Counters;
use crate::writer::{Recorder, Trouble, Writer};
use crate::{Asked, Found, Miss, MissReason, Mode, OpenError, Recording, TapeOptions, Totals};
use millpond_exchange::Timestamp;
use millpond_tape::index::{Index, Place};
use millpond_tape::matching::{self, Nearest};
use std::collections::VecDeque;
use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Misses that are remembered for whoever asks afterwards.
const MISSES_KEPT: usize = 100;

/// The thread that writes: it ends with the finished tape and its index.
type WriterThread = JoinHandle<(Session, Option<Index>)>;

/// A directory of tapes at work: what was recorded answers, and what is fetched is recorded, as the mode says.
pub struct Tapes {
    options: TapeOptions,
    counters: Arc<Counters>,
    library: Option<Arc<Library>>,
    recorder: Option<Arc<Recorder>>,
    writer: Mutex<Option<WriterThread>>,
    repair: Mutex<Option<JoinHandle<()>>>,
    misses: Mutex<VecDeque<Miss>>,
}

impl Tapes {
    /// Opens the directories of `options`, and makes them where they are missing. `now` names the file of this recording.
    ///
    /// # Errors
    /// [`OpenError`] says which directory or file cannot be used, and what to do.
    pub fn open(options: TapeOptions, now: Timestamp) -> Result<Arc<Self>, OpenError> {
        make_dir(&options.dir)?;
        make_dir(options.read_dir())?;
        let session = if options.mode.records() { Some(create_session(&options, now)?) } else { None };
        let library = if options.mode.reads() {
            Some(read_all(&options, session.as_ref().map(Session::path))?)
        } else {
            None
        };
        let counters = Arc::new(Counters::default());
        let mut tapes = Self {
            options,
            counters,
            library,
            recorder: None,
            writer: Mutex::default(),
            repair: Mutex::default(),
            misses: Mutex::default(),
        };
        if let Some(session) = session {
            let is_read = tapes.library.is_some() && tapes.options.read_dir.is_none();
            let dir = tapes.options.dir.clone();
            tapes.repair = Mutex::new(if is_read { None } else { repair_behind(dir) });
            tapes.start_writer(session)?;
        }
        Ok(Arc::new(tapes))
    }

    fn start_writer(&mut self, session: Session) -> Result<(), OpenError> {
        let options = &self.options;
        let redaction = options.redaction();
        if redaction.as_ref().is_some_and(|rules| !rules.responses) {
            tracing::warn!(
                "secrets in responses reach the tape, since clients that are answered from it need them; \
                 tape.redact.responses = true keeps them off it"
            );
        }
        let catalogue = match &self.library {
            Some(library) => live(library, &session)?,
            None => Catalogue::Own(Box::new(Index::new(&options.rules)), options.rules.clone()),
        };
        let (sender, jobs) = mpsc::channel();
        let trouble = Arc::new(Trouble::new(Arc::clone(&self.counters)));
        let spools = options.dir.as_path().into();
        let recorder = Arc::new(Recorder::new(sender, spools, options.timing, trouble));
        let writer = Writer::new(
            jobs,
            &recorder,
            session,
            (redaction.map(Redaction::new), catalogue),
            options.sync_interval,
        );
        let thread = std::thread::Builder::new()
            .name("millpond-tape".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::Thread)?;
        self.recorder = Some(recorder);
        self.writer = Mutex::new(Some(thread));
        Ok(())
    }

    /// What they were opened with.
    pub const fn options(&self) -> &TapeOptions {
        &self.options
    }

    /// What is answered from them, and what is recorded.
    pub const fn mode(&self) -> Mode {
        self.options.mode
    }

    /// True where the content of requests is part of what they are matched by.
    pub const fn matches_content(&self) -> bool {
        !self.options.rules.ignore_body
    }

    /// A place for content while it is read.
    pub fn spool(&self) -> Spool {
        Spool::new(self.options.dir.as_path().into())
    }

    /// Begins to record an exchange; `None` where the mode records nothing.
    pub fn begin(&self, asked: &Asked<'_>, now: Timestamp) -> Option<Recording> {
        self.recorder.as_ref().map(|recorder| Recording::begin(recorder, asked, now))
    }

    /// The next recorded answer to `asked`, counted where there is one. May read an exchange from a file.
    pub fn find(&self, asked: &Asked<'_>) -> Found {
        let Some(library) = &self.library else { return Found::Miss(MissReason::Unknown) };
        let fields = asked.fields(!self.options.rules.fields.is_empty());
        let found = library.find(&asked.compared(&fields));
        if matches!(found, Found::Hit(_)) {
            self.counters.hits.count();
        }
        found
    }

    /// Counts that no tape answers `asked` because of `reason`, and tells what is nearest to it.
    pub fn miss(&self, asked: &Asked<'_>, reason: MissReason) -> Miss {
        self.counters.misses.count();
        let fields = asked.fields(true);
        let compared = asked.compared(&fields);
        let nearest = self.library.as_ref().and_then(|library| library.nearest(&compared));
        let miss = Miss {
            method: asked.head.method.to_string(),
            url: self.shown_url(&compared),
            reason,
            nearest: nearest.map(|nearest| tell(&nearest)),
        };
        let mut misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        if misses.len() == MISSES_KEPT {
            misses.pop_front();
        }
        misses.push_back(miss.clone());
        miss
    }

    /// The URL without secrets.
    fn shown_url(&self, asked: &matching::Asked<'_>) -> String {
        let redact = self.options.rules.redact.as_ref();
        match redact.and_then(|redact| redact.target(asked.path)) {
            Some(path) => matching::Asked { path: &path, ..*asked }.url(),
            None => asked.url(),
        }
    }

    /// The latest misses that [`Tapes::miss`] told, oldest first: at most a hundred.
    pub fn latest_misses(&self) -> Vec<Miss> {
        self.misses.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Counts a miss of which nobody is told more: a tunnel in which no HTTP is spoken, or a request that is forwarded.
    pub fn count_miss(&self) {
        self.counters.misses.count();
    }

    /// Counts that an origin is about to be asked.
    pub fn count_upstream_attempt(&self) {
        self.counters.upstream_attempts.count();
    }

    /// What happened so far.
    pub fn totals(&self) -> Totals {
        self.counters.totals()
    }

    /// Ends the recording: what was handed over is written, and the tape brought into its format. Blocks until that is done.
    /// What is still under way is served, and not recorded. Dropping the tapes does the same.
    pub fn close(&self) {
        let repair = self.repair.lock().unwrap_or_else(PoisonError::into_inner).take();
        if repair.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that repairs tapes ended in a panic; this is a defect of millpond");
        }
        let Some(thread) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if let Some(recorder) = &self.recorder {
            recorder.close();
        }
        match thread.join() {
            Ok((session, index)) => convert::finish(&session, self.options.format, index),
            Err(_) => {
                tracing::error!(
                    "the thread that writes the tape ended in a panic; this is a defect of millpond"
                );
            }
        }
    }
}

/// The nearest recorded request in words.
fn tell(nearest: &Nearest<Place>) -> String {
    let Nearest { method, url, differences, .. } = nearest;
    let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
    if differences.is_empty() {
        format!("{method} {url}")
    } else {
        format!("{method} {url}: {}", differences.join("; "))
    }
}

fn create_session(options: &TapeOptions, now: Timestamp) -> Result<Session, OpenError> {
    make_dir(&options.dir.join(SESSIONS))?;
    Session::create(&options.dir, now).map_err(|(path, error)| OpenError::Session { path, error })
}

/// All tapes of the directory that answers, but for `own`.
fn read_all(options: &TapeOptions, own: Option<&Path>) -> Result<Arc<Library>, OpenError> {
    let dir = options.read_dir();
    load(dir, own, &options.rules, options.repeat)
        .map(Arc::new)
        .map_err(|error| OpenError::Directory { path: dir.to_owned(), error })
}

/// The tape of this run as one that answers.
fn live(library: &Arc<Library>, session: &Session) -> Result<Catalogue, OpenError> {
    let path = session.path().to_owned();
    let file = session.reader().map_err(|error| OpenError::Session { path: path.clone(), error })?;
    let tape = library.add_live(TapeFile::live(path, file));
    Ok(Catalogue::Live(Arc::clone(library), tape))
}

/// What is recorded is for nobody else to read.
fn make_dir(path: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| OpenError::Directory { path: path.to_owned(), error })
}

impl Drop for Tapes {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Tapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tapes")
            .field("mode", &self.mode())
            .field("dir", &self.options.dir)
            .finish_non_exhaustive()
    }
}
