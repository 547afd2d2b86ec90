//! Options that would change a verdict, found by trying each.

use millpond_policy::Profile;
use std::time::Duration;

/// Lengths of time that are tried, the shortest first: the first that helps is named.
const TRIED: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(24 * 3600),
    Duration::from_secs(30 * 24 * 3600),
];

/// An option with a value: one departure from the profile in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `policy.default_ttl`.
    DefaultTtl(Duration),
    /// `policy.negative_ttl` for one status.
    NegativeTtl(u16, Duration),
    /// `policy.stale_while_revalidate`.
    StaleWhileRevalidate(Duration),
    /// `policy.ignore_client_reload`, on.
    IgnoreClientReload,
    /// `policy.refuse_set_cookie`, off.
    AllowSetCookie,
    /// `policy.force_cache`.
    ForceCache(Duration),
    /// `offline`, on.
    Offline,
}

impl Change {
    /// `profile` with this option.
    fn applied(self, profile: &Profile) -> Profile {
        let mut profile = profile.clone();
        match self {
            Self::DefaultTtl(ttl) => profile.default_ttl = Some(ttl),
            Self::NegativeTtl(status, ttl) => {
                profile.negative_ttl.retain(|(named, _)| *named != status);
                profile.negative_ttl.push((status, ttl));
            }
            Self::StaleWhileRevalidate(ttl) => profile.stale_while_revalidate = Some(ttl),
            Self::IgnoreClientReload => profile.ignore_client_reload = true,
            Self::AllowSetCookie => profile.refuse_set_cookie = false,
            Self::ForceCache(ttl) => profile.force_cache = Some(ttl),
            Self::Offline => profile.offline = true,
        }
        profile
    }
}

/// The options of which each by itself makes `helps` true, the mildest first, and of each the shortest time that does.
/// `statuses` are those of the responses concerned.
pub(super) fn that_help(profile: &Profile, statuses: &[u16], helps: impl Fn(Profile) -> bool) -> Vec<Change> {
    let shortest = |change: &dyn Fn(Duration) -> Change| {
        TRIED.iter().map(|ttl| change(*ttl)).find(|change| helps(change.applied(profile)))
    };
    let switch = |change: Change| Some(change).filter(|change| helps(change.applied(profile)));
    let mut errors: Vec<u16> = statuses.iter().copied().filter(|status| *status >= 400).collect();
    errors.sort_unstable();
    errors.dedup();
    let negative = errors.into_iter().map(|status| shortest(&|ttl| Change::NegativeTtl(status, ttl)));
    [shortest(&Change::DefaultTtl)]
        .into_iter()
        .chain(negative)
        .chain([
            shortest(&Change::StaleWhileRevalidate),
            switch(Change::IgnoreClientReload),
            switch(Change::AllowSetCookie),
            shortest(&Change::ForceCache),
            switch(Change::Offline),
        ])
        .flatten()
        .collect()
}
