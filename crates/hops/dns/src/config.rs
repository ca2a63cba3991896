//! What a name server is told: where to listen and which zones it answers for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use hickory_proto::rr::Name;

use crate::zone::{Zone, Zones};

/// An authoritative name server: answers for its own zones, refers to others, and refuses the rest.
///
/// SIGHUP reads the zone files again.
#[derive(clap::Parser, Clone, Debug)]
#[command(version)]
pub struct Settings {
    /// Where to answer, on UDP and on TCP
    #[arg(long, env = "LISTEN", value_name = "IP:PORT", default_value = "127.0.53.3:5300")]
    pub listen: SocketAddr,

    /// The zones and their files, such as com.=zones/com.zone, one a line; the flag may be repeated
    #[arg(long = "zone", env = "ZONES", value_name = "ZONE=FILE", required = true)]
    pub zones: Vec<ZoneFiles>,

    #[command(flatten)]
    pub common: hop::Common,
}

impl Settings {
    /// Reads every zone file.
    ///
    /// # Errors
    /// The first that is broken, with its path, and the line if it can be told.
    pub fn load_zones(&self) -> anyhow::Result<Zones> {
        let files = self.zones.iter().flat_map(|lines| &lines.0);
        let zones = files.map(|file| Zone::load(&file.origin, &file.path));
        let zones = zones.collect::<Result<Vec<_>, _>>()?;
        for warning in zones.iter().flat_map(Zone::warnings) {
            tracing::warn!("{warning}");
        }
        Zones::new(zones).map_err(anyhow::Error::msg)
    }
}

/// Lines of zones and their files: a path may have any other character, a comma or a blank, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFiles(pub Vec<ZoneFile>);

impl FromStr for ZoneFiles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.lines().filter(|line| !line.is_empty()).map(str::parse).collect::<Result<_, _>>().map(ZoneFiles)
    }
}

/// One zone and the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFile {
    /// The zone's topmost name.
    pub origin: Name,
    /// An RFC 1035 §5 master file.
    pub path: PathBuf,
}

impl FromStr for ZoneFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || format!("{text:?}: expected ZONE=FILE, such as com.=zones/com.zone");
        let (origin, path) =
            text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(expected)?;
        let mut origin = Name::from_ascii(origin).map_err(|error| format!("{origin:?}: {error}"))?;
        origin.set_fqdn(true);
        Ok(ZoneFile { origin, path: path.into() })
    }
}
