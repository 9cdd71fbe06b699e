//! The command line. Completions and man pages come from this same definition.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser};

use headwater_metainfo::HostPort;
use headwater_session::SessionBuilder;

use crate::units;
use crate::verbs::Verb;

/// Download, seed, check and make torrents.
///
/// Results go to standard output; progress and messages go to standard error.
///
/// Exit codes: 0 done; 1 failure; 2 the command line is wrong; 3 data does not match the torrent;
/// 4 timed out, or no metadata came; 5 disk full or not permitted; 7 interrupted before everything was done; 130 interrupted twice.
#[derive(Debug, Parser)]
#[command(
    name = "headwater",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options that every verb has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options everywhere")]
pub(crate) struct Global {
    /// Print no progress and no messages but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Tell more of what happens; -vv and -vvv tell even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Print results as JSON, one object a line, each with an "event"
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Colour the output
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
}

/// Where data lies.
#[derive(Debug, Clone, Args)]
pub(crate) struct Dir {
    /// The folder in which the torrent's file or folder lies, or is to lie
    #[arg(
        short,
        long = "dir",
        short_alias = 'o',
        alias = "download-dir",
        value_name = "DIR",
        default_value = "."
    )]
    pub(crate) dir: PathBuf,
}

/// How peers are reached.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Network options")]
pub(crate) struct Network {
    /// Listen on this port; 0 lets the system choose [default: the first free one of 6881 to 6891]
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Listen on this address of the machine only, and connect from it; repeatable
    #[arg(long, value_name = "ADDR")]
    pub(crate) bind: Vec<IpAddr>,
    /// Connect to this peer at once; repeatable
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) peer: Vec<SocketAddr>,
    /// Ask no trackers
    #[arg(long)]
    pub(crate) no_trackers: bool,
    /// Do not look for peers in the distributed hash table (DHT), and be none of its nodes
    #[arg(long, conflicts_with = "dht_bootstrap")]
    pub(crate) no_dht: bool,
    #[command(flatten)]
    pub(crate) entrance: Entrance,
    /// Do not let peers tell each other of peers
    #[arg(long)]
    pub(crate) no_pex: bool,
    /// Do not look for peers on the local network
    #[arg(long)]
    pub(crate) no_lsd: bool,
    /// Do not ask the gateway to let peers in
    #[cfg(feature = "portmap")]
    #[arg(long)]
    pub(crate) no_portmap: bool,
    /// Connect to so many peers at most, for each torrent [default: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_peers: Option<u16>,
    /// Receive no more than this a second, such as 500K or 2M
    #[arg(long, value_name = "RATE", value_parser = units::parse_rate)]
    pub(crate) max_down: Option<u64>,
    /// Send no more than this a second
    #[arg(long, value_name = "RATE", value_parser = units::parse_rate)]
    pub(crate) max_up: Option<u64>,
}

/// How other nodes of the DHT are found.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Network options")]
pub(crate) struct Entrance {
    /// Enter the DHT through this node, not through the usual ones; repeatable
    #[arg(long, value_name = "ADDR:PORT")]
    dht_bootstrap: Vec<HostPort>,
}

impl Entrance {
    /// Has a session take it.
    pub(crate) fn lead(&self, builder: SessionBuilder) -> SessionBuilder {
        if self.dht_bootstrap.is_empty() {
            builder
        } else {
            builder.dht_bootstrap(self.dht_bootstrap.iter().cloned())
        }
    }
}

impl Cli {
    /// The command line of this run, or the exit code of a run that ends here: with help, the version, or a usage error.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        let command = Self::command().color(wanted_color(std::env::args_os()));
        let parsed = command
            .try_get_matches()
            .and_then(|matches| Self::from_arg_matches(&matches));
        parsed.map_err(|error| {
            // Nobody is left to be told when help cannot be printed.
            let _ = error.print();
            ExitCode::from(error.exit_code() as u8)
        })
    }
}

/// `--color` as far as help and usage errors need it, which are printed before the line is understood.
fn wanted_color(arguments: impl Iterator<Item = std::ffi::OsString>) -> ColorChoice {
    let mut arguments = arguments.map(|it| it.to_string_lossy().into_owned());
    let mut color = None;
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("--color") {
            Some("") => color = arguments.next(),
            Some(value) => color = value.strip_prefix('=').map(str::to_owned),
            None => {}
        }
    }
    color
        .and_then(|value| value.parse().ok())
        .unwrap_or(ColorChoice::Auto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn color_is_found_before_parsing() {
        let color = |line: &str| wanted_color(line.split(' ').map(Into::into));
        assert_eq!(color("headwater --color never --help"), ColorChoice::Never);
        assert_eq!(color("headwater show --color=always"), ColorChoice::Always);
        assert_eq!(color("headwater show --color"), ColorChoice::Auto);
        assert_eq!(color("headwater --colour"), ColorChoice::Auto);
    }
}
