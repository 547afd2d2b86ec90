//! Certificates of a test authority, and origins that speak TLS.


