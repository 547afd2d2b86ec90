//! What is kept stays kept, and what is gone stays gone: the store under failing writes and syncs, kills, noise, full disks
//! and company. Whatever happens, an operation may fail or miss; it never lies, hangs or panics.
//!
//! `SURVIVAL_EVERY_POINT=1` lets every single call fail once instead of some; `SURVIVAL_KILLS` and `SURVIVAL_CASES` set
//! how often the writing process is killed, and how many random histories are tried.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod child;
mod disk;
mod fault_histories;
mod fault_laws;
mod kill;
mod log;
mod model;
mod noise;
mod processes;
mod support;
mod versions;
mod witness;
