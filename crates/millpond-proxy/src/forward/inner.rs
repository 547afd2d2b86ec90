//! What a forward proxy asks of the service behind it, beside answers.

use crate::access_log::AccessLog;
use crate::note::Note;
use millpond_front::Service;

/// A service that answers requests for any origin: absolute-form targets, and what is asked within a tunnel
/// ([`millpond_front::ConnInfo::tunnel`]). Targets have passed the guards by name before it is asked.
pub(crate) trait Inner: Service<Log = Note> {
    /// Where requests are logged.
    fn log(&self) -> Option<&AccessLog>;

    /// What becomes of a tunnel to `authority` in which neither TLS nor HTTP is spoken, or of which nobody may see the inside.
    /// Asked once for each; a service that answers from recordings alone counts it as a miss.
    fn unreadable(&self, authority: &str) -> Unreadable;

    /// A request was answered, or a connection in a tunnel ended, without this service being asked: a target that is not for
    /// this connection, or a client that does not accept our certificate. One that answers from recordings alone counts it as
    /// a miss.
    fn turned_away(&self) {}
}

/// What becomes of a tunnel whose inside cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is connected to its target, and goes unread.
    Tunnel,
    /// It is closed.
    Close,
}
