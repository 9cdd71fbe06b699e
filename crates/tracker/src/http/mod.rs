//! The HTTP tracker protocol without sockets: queries to send, answers to understand.

mod query;
mod response;
#[cfg(test)]
mod tests;

pub use self::query::{announce_query, scrape_query};
pub use self::response::{decode_announce, decode_scrape};
pub(crate) use self::response::{excerpt, is_web_page};
