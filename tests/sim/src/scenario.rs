//! Named swarms.
