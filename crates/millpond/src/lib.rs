//! An HTTP cache for every place where the same request is made twice: the library behind the `millpond` command.
//!
//! This crate has no logic of its own; it gathers what an embedding program needs.
//!
//! ```no_run
//! use millpond::config::Config;
//! use millpond::engine::SystemClock;
//! use millpond::proxy::Server;
//! use std::sync::Arc;
//!
//! let config = Config::builder().set("origin", "https://example.com").set("listen", "127.0.0.1:0").build()?.config;
//! let server = Server::bind(&config, Arc::new(SystemClock))?;
//! println!("listening on {}", server.local_addr());
//! let running = server.start()?;
//! running.stop();
//! running.wait();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// Settings: layers, presets, schema.
pub use millpond_config as config;
/// One request through the cache.
pub use millpond_engine as engine;
/// Value types.
pub use millpond_exchange as exchange;
/// The HTTP/1.1 and HTTP/2 server side.
pub use millpond_front as front;
/// TLS opened on request.
pub use millpond_intercept as intercept;
/// The rules of caching.
pub use millpond_policy as policy;
/// Listeners, routes, the way to the origins.
pub use millpond_proxy as proxy;
/// Directories of tapes: recording and replay.
pub use millpond_recorder as recorder;
/// Where responses are kept.
pub use millpond_store as store;
/// What is kept on disk: the store behind the memory tier, and looking into it from outside.
pub use millpond_store_sqlite as sqlite;
/// Tapes and their formats.
pub use millpond_tape as tape;
