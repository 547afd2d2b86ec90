//! What differs between two requests, as data and in words.

use std::fmt;

/// One thing in which two requests differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The method.
    Method {
        /// As recorded.
        recorded: String,
        /// As asked.
        asked: String,
    },
    /// The scheme.
    Scheme {
        /// As recorded.
        recorded: String,
        /// As asked.
        asked: String,
    },
    /// The host, with its port where it is not the default one.
    Host {
        /// As recorded.
        recorded: String,
        /// As asked.
        asked: String,
    },
    /// The path.
    Path {
        /// As recorded.
        recorded: String,
        /// As asked.
        asked: String,
    },
    /// A parameter of the query, as `name=value`; `None` where one of the two has it not.
    Query {
        /// As recorded.
        recorded: Option<String>,
        /// As asked.
        asked: Option<String>,
    },
    /// The same parameters in another order.
    QueryOrder,
    /// A request field that counts.
    Field {
        /// Its name.
        name: String,
    },
    /// A member of a JSON body, by the names that lead to it.
    Member {
        /// The names, with dots between them.
        name: String,
    },
    /// A parameter of a form.
    FormParameter {
        /// Its name.
        name: String,
    },
    /// The body, which is nothing that can be told more of.
    Body {
        /// Bytes as recorded; `None` without a body.
        recorded: Option<u64>,
        /// Bytes as asked.
        asked: Option<u64>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut two = |what: &str, recorded: &str, asked: &str| {
            write!(f, "the recorded request has {what} {recorded}, this one {asked}")
        };
        match self {
            Self::Method { recorded, asked } => two("method", recorded, asked),
            Self::Scheme { recorded, asked } => two("scheme", recorded, asked),
            Self::Host { recorded, asked } => two("host", recorded, asked),
            Self::Path { recorded, asked } => two("path", recorded, asked),
            Self::Query { recorded: Some(recorded), asked: Some(asked) } => {
                two("query parameter", recorded, asked)
            }
            Self::Query { recorded: Some(recorded), .. } => {
                write!(
                    f,
                    "the recorded request has query parameter {recorded}, this one has none of that name"
                )
            }
            Self::Query { asked, .. } => {
                let asked = asked.as_deref().unwrap_or_default();
                write!(f, "this request has query parameter {asked}, the recorded one has none of that name")
            }
            Self::QueryOrder => f.write_str("the query parameters are in another order"),
            Self::Field { name } => write!(f, "the field {name} differs"),
            Self::Member { name } => write!(f, "the member {name} of the JSON body differs"),
            Self::FormParameter { name } => write!(f, "the parameter {name} of the form differs"),
            Self::Body { recorded: Some(_), asked: None } => {
                f.write_str("the recorded request has a body, this one has none")
            }
            Self::Body { recorded: None, .. } => {
                f.write_str("this request has a body, the recorded one has none")
            }
            Self::Body { recorded: Some(recorded), asked: Some(asked) } if recorded == asked => {
                f.write_str("the bodies differ")
            }
            Self::Body { recorded: Some(recorded), asked: Some(asked) } => {
                two("a body of", &format!("{recorded} bytes"), &format!("of {asked}"))
            }
        }
    }
}

impl Difference {
    /// How far apart it puts two requests.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Host { .. } => 40,
            Self::Path { .. } => 30,
            Self::Method { .. } => 20,
            Self::Body { .. } => 6,
            Self::Scheme { .. } => 4,
            Self::Query { recorded: None, .. } | Self::Query { asked: None, .. } => 3,
            Self::Query { .. } | Self::Member { .. } | Self::FormParameter { .. } | Self::Field { .. } => 2,
            Self::QueryOrder => 1,
        }
    }
}
