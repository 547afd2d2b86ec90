//! The services of each kind of server, made from the configuration.

use super::StartError;
use super::door::Door;
use super::figures::Figures;
use crate::access_log::AccessLog;
use crate::forward::{Common as ForwardCommon, Dialer, Forward, Names};
use crate::profile;
use crate::request_id::RequestIds;
use crate::route::RouteTable;
use crate::service::{CacheService, Common};
use crate::stores::{self, Stores};
use crate::tape::TapeService;
use crate::tunnel::Patience;
use crate::upstream::{Places, UpstreamPool, UpstreamTls};
use millpond_config::Config;
use millpond_engine::{Clock, Engine, NoOrigin, Shared};
use millpond_front::Drain;
use millpond_recorder::Tapes;
use millpond_store_sqlite::SqliteStore;
use std::net::SocketAddr;
use std::sync::Arc;

/// What is listened on.
#[derive(Clone, Copy)]
pub(super) struct Sockets {
    pub address: SocketAddr,
    pub count: usize,
}

/// What a server is made of.
pub(super) struct Made {
    pub services: Vec<Arc<Door>>,
    pub figures: Figures,
    pub routes: Vec<(String, String)>,
    pub drain: Drain,
}

/// A cache in front of the configured origins.
pub(super) fn serve(
    config: &Config,
    clock: Arc<dyn Clock>,
    names: Names,
    sockets: Sockets,
) -> Result<Made, StartError> {
    let routes = RouteTable::new(config);
    if routes.is_empty() {
        return Err(StartError::NoOrigin);
    }
    let described = routes.describe().map(|(name, origin)| (name.to_owned(), origin)).collect();
    let drain = Drain::new();
    let cache = Cache::new(config, clock, routes, &drain);
    let ways = Ways::new(config, Way::Configured(names))?;
    let services = each(sockets, || Ok(Door::Serve(cache.service(ways.pool(), open_log(config)?))))?;
    Ok(Made { services, figures: cache.figures(), routes: described, drain })
}

/// A cache between clients and the origins they ask for.
pub(super) fn forward(
    config: &Config,
    clock: Arc<dyn Clock>,
    names: Names,
    sockets: Sockets,
) -> Result<Made, StartError> {
    refuse_open_listener(config)?;
    let drain = Drain::new();
    let dialer = Arc::new(Dialer::new(config, names, sockets.address));
    let outside = (!config.offline).then(|| Arc::clone(&dialer));
    let guard = Some(Arc::clone(dialer.guard()));
    let common = Arc::new(ForwardCommon::new(config, guard, outside, &clock, &drain)?);
    let cache = Cache::new(config, clock, RouteTable::forwarding(config), &drain);
    let ways = Ways::new(config, Way::Chosen(dialer))?;
    let services = each(sockets, || {
        let service = cache.service(ways.pool(), open_log(config)?);
        Ok(Door::Forward(Forward::new(&common, service)))
    })?;
    let figures = Figures { tunnels: Some(common.tunnels()), ..cache.figures() };
    Ok(Made { services, figures, routes: Vec::new(), drain })
}

/// Recording and replay.
pub(super) fn tape(
    config: &Config,
    clock: &Arc<dyn Clock>,
    tapes: Arc<Tapes>,
    names: Names,
    sockets: Sockets,
) -> Result<Made, StartError> {
    if tapes.mode().fetches() {
        record(config, clock, tapes, names, sockets)
    } else {
        replay(config, clock, tapes, sockets)
    }
}

fn record(
    config: &Config,
    clock: &Arc<dyn Clock>,
    tapes: Arc<Tapes>,
    names: Names,
    sockets: Sockets,
) -> Result<Made, StartError> {
    refuse_open_listener(config)?;
    let drain = Drain::new();
    let dialer = Arc::new(Dialer::new(config, names, sockets.address));
    let outside = Some(Arc::clone(&dialer));
    let common = ForwardCommon::for_tape(config, outside, clock, &drain)?;
    let common = Arc::new(common);
    let ways = Ways::new(config, Way::Chosen(dialer))?;
    let services = each(sockets, || {
        let (pool, log) = (ways.pool().verbatim(), open_log(config)?);
        let patience = Patience::new(&config.limits, &drain);
        let service = TapeService::new(&tapes, config, pool, Arc::clone(clock), log, patience);
        Ok(Door::Record(Forward::new(&common, service)))
    })?;
    let figures = Figures { tunnels: Some(common.tunnels()), tapes: Some(tapes), ..Figures::default() };
    Ok(Made { services, figures, routes: Vec::new(), drain })
}

/// There is no dialer here, no pool and no resolver: nothing that could leave this machine.
fn replay(
    config: &Config,
    clock: &Arc<dyn Clock>,
    tapes: Arc<Tapes>,
    sockets: Sockets,
) -> Result<Made, StartError> {
    // Recordings hold what origins told one client.
    refuse_open_listener(config)?;
    let drain = Drain::new();
    let common = ForwardCommon::for_tape(config, None, clock, &drain)?;
    let common = Arc::new(common);
    let services = each(sockets, || {
        let (log, patience) = (open_log(config)?, Patience::new(&config.limits, &drain));
        let service = TapeService::new(&tapes, config, NoOrigin, Arc::clone(clock), log, patience);
        Ok(Door::Replay(Forward::new(&common, service)))
    })?;
    let figures = Figures { tunnels: Some(common.tunnels()), tapes: Some(tapes), ..Figures::default() };
    Ok(Made { services, figures, routes: Vec::new(), drain })
}

/// A forward proxy that strangers reach is theirs as well as ours.
fn refuse_open_listener(config: &Config) -> Result<(), StartError> {
    let address = config.listen.socket_addr();
    let guarded = !config.forward.allow.is_empty() || config.forward.open_to_all;
    if address.ip().to_canonical().is_loopback() || guarded {
        return Ok(());
    }
    Err(StartError::OpenToAll { address })
}

/// One service for each listener.
fn each(
    sockets: Sockets,
    mut make: impl FnMut() -> Result<Door, StartError>,
) -> Result<Vec<Arc<Door>>, StartError> {
    (0..sockets.count).map(|_| make().map(Arc::new)).collect()
}

fn open_log(config: &Config) -> Result<Option<AccessLog>, StartError> {
    AccessLog::open(&config.access_log).map_err(|error| StartError::AccessLog {
        path: config.access_log.file.clone().unwrap_or_default(),
        error,
    })
}

/// What the workers' caches have in common.
struct Cache {
    common: Arc<Common>,
    shared: Arc<Shared>,
    disk: Option<Arc<SqliteStore>>,
}

impl Cache {
    fn new(config: &Config, clock: Arc<dyn Clock>, routes: RouteTable, drain: &Drain) -> Self {
        let (trusted, patience) = (config.trusted_proxies.clone(), Patience::new(&config.limits, drain));
        let common = Arc::new(Common { routes, trusted, patience, no_route: "".into() });
        let Stores { tiered, disk } = stores::open(config, &clock);
        let shared = Shared::new(tiered, clock);
        shared.set_content_limit(config.limits.key_bodies.bytes());
        Self { common, shared, disk }
    }

    fn figures(&self) -> Figures {
        Figures { shared: Some(Arc::clone(&self.shared)), disk: self.disk.clone(), ..Figures::default() }
    }

    fn service(&self, pool: UpstreamPool, log: Option<AccessLog>) -> CacheService<UpstreamPool> {
        CacheService {
            common: Arc::clone(&self.common),
            engine: Engine::new(Arc::clone(&self.shared), pool),
            log,
            ids: RequestIds::new(),
        }
    }
}

/// What the workers' ways to the origins have in common.
struct Ways {
    tls: UpstreamTls,
    places: Places,
    limits: crate::upstream::PoolLimits,
    way: Way,
}

/// How origins are connected to.
enum Way {
    /// Those that the configuration names.
    Configured(Names),
    /// Those that clients choose.
    Chosen(Arc<Dialer>),
}

impl Ways {
    fn new(config: &Config, way: Way) -> Result<Self, StartError> {
        let limits = profile::pool_limits(&config.limits);
        Ok(Self {
            tls: UpstreamTls::load(config.upstream_ca.as_deref())?,
            places: Places::new(config.limits.origin_connections as usize),
            limits,
            way,
        })
    }

    fn pool(&self) -> UpstreamPool {
        let pool = UpstreamPool::with_limits(self.tls.clone(), self.limits, self.places.clone());
        match &self.way {
            Way::Configured(names) => pool.resolving(names.clone()),
            Way::Chosen(dialer) => pool.dialing(Arc::clone(dialer)),
        }
    }
}
