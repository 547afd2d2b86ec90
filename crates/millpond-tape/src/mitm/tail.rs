//! Where a tape's last whole flow ends.

use super::flow::outer;
use crate::window::Window;
use crate::{ReadAt, TapeError};
use std::sync::Arc;

/// How much is read at a time: the end of one flow and the length of the next.
const STEP: usize = 64;

/// How long `source` is without a flow that is torn at its end: all of it, as a rule. Cut there, the tape is whole. Only the
/// lengths of the flows are looked at, so that this takes no longer the larger they are.
///
/// # Errors
/// [`TapeError::Malformed`] where a flow does not end where its length says: that is damage, and what comes behind it
/// may well be whole. What the system says.
pub fn tail(source: &Arc<dyn ReadAt>) -> Result<u64, TapeError> {
    let mut window = Window::new(STEP);
    let mut at = 0;
    loop {
        match outer(source, &mut window, at, STEP) {
            Ok(Some(flow)) => at = flow.end(),
            Ok(None) => return Ok(at),
            Err(TapeError::Torn { at }) => return Ok(at),
            Err(error) => return Err(error),
        }
    }
}
