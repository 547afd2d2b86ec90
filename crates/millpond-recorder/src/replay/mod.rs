//! Finding the recorded answer to a request.

mod answer;
mod files;
mod index_file;
mod library;
mod live;
mod load;

use crate::MissReason;
use std::sync::Arc;

pub use answer::Answer;
pub(crate) use files::TapeFile;
pub(crate) use index_file::{Extent, write as write_index};
pub(crate) use library::Library;
pub(crate) use live::Catalogue;
pub(crate) use load::{load, repair_behind};

/// What tapes have for a request.
#[derive(Clone, Debug)]
pub enum Found {
    /// A recorded answer.
    Hit(Arc<Answer>),
    /// None that could be given.
    Miss(MissReason),
}
