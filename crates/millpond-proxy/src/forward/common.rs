//! What the workers of a forward proxy have in common: rules, the way outside, and how tunnels are opened.

use super::counters::Tunnels;
use super::dialer::Dialer;
use super::guard::{Guard, Refused};
use super::target::Target;
use crate::profile;
use crate::server::StartError;
use crate::tunnel::Patience;
use millpond_config::{Config, HostPattern};
use millpond_engine::Clock;
use millpond_front::{Drain, FrontLimits};
use millpond_intercept::{Authority, Interceptor, Options, Refusals, Remembered};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Shared by all workers.
pub(crate) struct Common {
    /// The rules, where anything may be asked for from outside at all.
    pub(super) guard: Option<Arc<Guard>>,
    /// The way outside; `None` where nothing may be fetched.
    pub(super) outside: Option<Arc<Dialer>>,
    pub(super) opening: Option<Opening>,
    pub(super) limits: Arc<FrontLimits>,
    pub(super) connect: Duration,
    pub(super) patience: Patience,
    pub(super) tunnels: Arc<Tunnels>,
    /// For what is logged without a route; shared, because it is always the same.
    pub(super) no_route: Arc<str>,
}

/// How TLS is opened, and for whom.
pub(super) struct Opening {
    pub interceptor: Interceptor,
    /// Hosts whose clients did not accept our certificates.
    pub refusals: Refusals,
    hosts: Vec<HostPattern>,
    all: bool,
    tunnel: Vec<HostPattern>,
    /// Whether hosts whose clients go on refusing our certificates are tunnelled for a while. Never with tapes: what is
    /// tunnelled is on none, and nobody would notice.
    gives_way: bool,
}

/// What becomes of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Its inside is read.
    Open,
    /// It goes unread.
    Closed,
}

impl Common {
    /// Of a cache. Without a way `outside` nothing is fetched.
    pub fn new(
        config: &Config,
        guard: Option<Arc<Guard>>,
        outside: Option<Arc<Dialer>>,
        clock: &Arc<dyn Clock>,
        drain: &Drain,
    ) -> Result<Self, StartError> {
        let intercept = &config.intercept;
        let wanted = intercept.all || !intercept.hosts.is_empty();
        let opening = wanted.then(|| Opening::new(config, intercept.all, true, clock)).transpose()?;
        Ok(Self::with(config, guard, outside, opening, drain))
    }

    /// Of a recording, or without a way `outside` of a replay: what is not opened cannot be on a tape, so that everything is
    /// but for the hosts that are to be tunnelled.
    pub fn for_tape(
        config: &Config,
        outside: Option<Arc<Dialer>>,
        clock: &Arc<dyn Clock>,
        drain: &Drain,
    ) -> Result<Self, StartError> {
        let opening = Some(Opening::new(config, true, false, clock)?);
        let guard = outside.as_ref().map(|dialer| Arc::clone(dialer.guard()));
        Ok(Self::with(config, guard, outside, opening, drain))
    }

    fn with(
        config: &Config,
        guard: Option<Arc<Guard>>,
        outside: Option<Arc<Dialer>>,
        opening: Option<Opening>,
        drain: &Drain,
    ) -> Self {
        Self {
            guard,
            outside,
            opening,
            limits: Arc::new(profile::front_limits(&config.limits)),
            connect: config.limits.connect_timeout.duration(),
            patience: Patience::new(&config.limits, drain),
            tunnels: Arc::default(),
            no_route: "".into(),
        }
    }

    /// What tunnels did.
    pub fn tunnels(&self) -> Arc<Tunnels> {
        Arc::clone(&self.tunnels)
    }

    /// True when the host of `authority` may be asked for, as far as its name goes.
    pub(super) fn allows(&self, authority: &str) -> bool {
        self.guard.as_ref().is_none_or(|guard| guard.allows(authority))
    }

    /// The target of a CONNECT, if it may be one.
    pub(super) fn tunnel_target(&self, authority: &str) -> Result<Target, Refused> {
        let target = Target::parse(authority, None).ok_or(Refused::Malformed)?;
        match &self.guard {
            Some(guard) => guard.check_tunnel(&target).map(|()| target),
            None => Ok(target),
        }
    }

    /// What becomes of a tunnel to `host`.
    pub(super) fn way(&self, host: &str) -> Way {
        let Some(opening) = &self.opening else { return Way::Closed };
        // A replay has nothing to tunnel to: what it cannot open it cannot answer.
        let opens = self.outside.is_none() || opening.opens(host);
        if opens { Way::Open } else { Way::Closed }
    }
}

impl Opening {
    fn new(config: &Config, all: bool, gives_way: bool, clock: &Arc<dyn Clock>) -> Result<Self, StartError> {
        let dir = config.ca_dir().ok_or(StartError::NoAuthorityDir)?;
        let clock = Arc::clone(clock);
        let now = move || time_of(&*clock);
        let authority = Authority::load_or_create(&dir, now())?;
        let interceptor = Interceptor::new(Arc::new(authority), Options::new(Arc::new(now)))?;
        Ok(Self {
            interceptor,
            refusals: Refusals::default(),
            hosts: config.intercept.hosts.clone(),
            all,
            tunnel: config.intercept.tunnel.clone(),
            gives_way,
        })
    }

    fn opens(&self, host: &str) -> bool {
        is_chosen(host, self.all, &self.hosts, &self.tunnel)
            && !(self.gives_way && self.refusals.should_tunnel(host, Instant::now()))
    }

    /// A client did not accept our certificate for `host`; `bare` is how the log names it, which it does when that begins and
    /// when it has consequences.
    pub(super) fn note_refused(&self, host: &str, bare: &str, alert: &str) {
        match self.refusals.note_refused(host, Instant::now()) {
            Remembered::First => tracing::warn!(
                host = bare,
                alert,
                "a client does not accept our certificate for {bare}: have it trust the authority (millpond ca show), or \
                 leave the connections of this host closed with --tunnel {bare} (intercept.tunnel)"
            ),
            Remembered::TunnelFrom if self.gives_way => tracing::warn!(
                host = bare,
                "clients go on refusing our certificate for {bare}: its connections are tunnelled for a while; \
                 --tunnel {bare} (intercept.tunnel) says so for good"
            ),
            _ => {}
        }
    }
}

/// True when the configuration has the TLS of `host` opened: as one of `all` or of `hosts`, and none of those that stay closed.
pub(crate) fn is_chosen(host: &str, all: bool, hosts: &[HostPattern], closed: &[HostPattern]) -> bool {
    let named = |list: &[HostPattern]| list.iter().any(|pattern| pattern.matches(host));
    (all || named(hosts)) && !named(closed)
}

fn time_of(clock: &dyn Clock) -> SystemTime {
    let millis = u64::try_from(clock.now().as_millis()).unwrap_or(0);
    UNIX_EPOCH + Duration::from_millis(millis)
}
