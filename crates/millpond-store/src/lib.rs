//! Where responses are kept: the contract, the memory tier, and the law suite every backend must pass.

mod contract;

pub use contract::{
    Capabilities, Entry, Epoch, MAX_VARIANTS, NewEntry, PartialReader, Store, StoreError, Variants, Writer,
};
