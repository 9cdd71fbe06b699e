//! Bytes a second, as the program's own options take them.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, ensure};
use bytesize::ByteSize;

/// Bytes a second, more than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(u64);

impl Rate {
    pub(crate) const fn new(bytes_per_second: u64) -> Self {
        Self(bytes_per_second)
    }

    pub(crate) const fn bytes_per_second(self) -> u64 {
        self.0
    }
}

/// A size, with or without `/s`. A single K, M, G or T counts in 1,024s, as the `headwater` program has it.
impl FromStr for Rate {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let size = text.strip_suffix("/s").unwrap_or(text);
        let is_short = size.ends_with(|last: char| "kmgt".contains(last.to_ascii_lowercase()));
        let size = format!("{size}{}", if is_short { "iB" } else { "" });
        let size: ByteSize = size
            .parse()
            .map_err(anyhow::Error::msg)
            .context("not a rate; write for example 500K or 2MiB/s")?;
        ensure!(size.as_u64() > 0, "nothing can move at rate 0");
        Ok(Self(size.as_u64()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_the_program_reads_them() {
        let rates = ["2MiB/s", "2M", "2m/s", "2097152", "500K", "1.5K", "1MB/s"];
        let bytes = [2 << 20, 2 << 20, 2 << 20, 2 << 20, 512_000, 1536, 1_000_000];
        let read = rates.map(|rate| rate.parse::<Rate>().unwrap().bytes_per_second());
        assert_eq!(read, bytes);
        assert_eq!(Rate::new(2 << 20).to_string(), "2.0 MiB/s");
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "0", "0M/s", "/s", "fast", "2X", "-1", "M"] {
            assert!(text.parse::<Rate>().is_err(), "{text:?}");
        }
    }
}
