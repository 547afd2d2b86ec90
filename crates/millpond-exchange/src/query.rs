//! Per-route rules for the query of a key. What must not live here: normalisation that applies to everyone (`url`).

use crate::url::split_query;
use std::borrow::Cow;

/// What a route does to the query before it becomes part of a key. Off by default: RFC 3986 gives the order and the
/// presence of parameters no meaning of its own, so only someone who knows the origin may ignore them.
///
/// Applied to a query already in normal form. Names are compared exactly; one that ends in `*` stands for every name
/// with that beginning, as in `utm_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryRules {
    /// Sort parameters by name; those of the same name keep their order.
    pub sort: bool,
    /// Names to leave out.
    pub drop: Vec<String>,
    /// When present, only these names are kept (and of them, not those in `drop`).
    pub keep: Option<Vec<String>>,
}

impl QueryRules {
    /// True when the rules change nothing.
    pub fn is_noop(&self) -> bool {
        !self.sort && self.drop.is_empty() && self.keep.is_none()
    }

    /// `path_and_query` with the rules applied to its query; a query left without parameters goes, `?` included.
    /// Allocates only when there are both rules and a query.
    pub fn apply<'a>(&self, path_and_query: &'a str) -> Cow<'a, str> {
        let (path, query) = split_query(path_and_query);
        let Some(query) = query.strip_prefix('?').filter(|_| !self.is_noop()) else {
            return Cow::Borrowed(path_and_query);
        };
        let mut kept: Vec<&str> = query.split('&').filter(|parameter| self.keeps(name(parameter))).collect();
        if self.sort {
            kept.sort_by_key(|parameter| name(parameter));
        }
        let mut out = String::with_capacity(path_and_query.len());
        out.push_str(path);
        for (at, parameter) in kept.into_iter().enumerate() {
            out.push(if at == 0 { '?' } else { '&' });
            out.push_str(parameter);
        }
        Cow::Owned(out)
    }

    fn keeps(&self, name: &str) -> bool {
        let listed = |list: &[String]| list.iter().any(|pattern| matches(pattern, name));
        self.keep.as_deref().is_none_or(listed) && !listed(&self.drop)
    }
}

/// The name of one `name=value` parameter.
fn name(parameter: &str) -> &str {
    parameter.split('=').next().unwrap_or(parameter)
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}
