//! A fill: an origin response on its way into the store while clients already read it.
//!
//! `table` finds the fill a request may join, `state` is what a fill tells its readers, `task` runs it apart from the
//! client that caused it, `reader` turns it into a body. What must not live here: rules (they are in the policy).

mod around;
mod bounded;
mod reader;
mod rest;
mod state;
mod table;
pub(crate) mod task;

pub(crate) use reader::FillReader;
pub(crate) use state::{Fill, FillHead, Membership, Stage};
pub(crate) use table::{FillKey, FillTable, Role};
