//! URL normalisation by RFC 3986 section 6.2, and nothing beyond it.
