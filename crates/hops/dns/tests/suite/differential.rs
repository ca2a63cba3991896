//! The same zone files in our server, in NSD and in Knot; the same questions; the same answers.
//!
//! Where NSD and Knot differ from each other, either is right. What both refuse to load, we refuse.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dns::respond::respond;
use dns::zone::{Zone, Zones};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};
use journey::Transport;

use crate::generated;

const LIMIT: Duration = Duration::from_secs(30);
/// Zones that we answer otherwise than both, with the reason.
const OTHERWISE: [(&str, &str); 3] = [
    ("ttl-none", "without any TTL both take 3600 seconds; we take the SOA's negative TTL, as BIND does"),
    ("ttl-last", "RFC 1035 §5.1: an omitted TTL is the one last stated; both take 3600 seconds"),
    ("ttl-mixed", "RFC 2181 §5.2: a set has one TTL; both leave it to the client, or take the last"),
];
/// Zones that we load and both refuse, with the reason.
const LOOSER: [(&str, &str); 2] = [
    ("form-bom", "some editors begin a text with a byte order mark"),
    ("origin-relative", "RFC 1035 §5.1 lets an origin be relative"),
];

/// What is compared of a response.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    code: u8,
    authoritative: bool,
    answers: Vec<Line>,
    /// Without the NS records of the zone itself, which some add to every answer.
    authorities: Vec<Line>,
    /// Addresses, in referrals only: elsewhere they are a courtesy.
    glue: Vec<Line>,
}

impl Said {
    /// Reads a response. Not by hickory: what it cannot decode is compared, too.
    fn new(bytes: &[u8], apex: &Name) -> Said {
        let count = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let mut at = 12;
        for _ in 0..count(4) {
            name(bytes, &mut at);
            at += 4;
        }
        let mut section =
            |from: usize| (0..count(from)).map(|_| Line::read(bytes, &mut at)).collect::<Vec<_>>();
        let (answers, authorities, additionals) = (section(6), section(8), section(10));
        let authoritative = bytes[2] & 0x04 != 0;
        let referral = !authoritative && answers.is_empty();
        let apex = apex.to_ascii().to_lowercase();
        let courtesy = |line: &Line| line.kind == RecordType::NS && line.name == apex;
        let sorted = |lines: Vec<Line>, keep: &dyn Fn(&Line) -> bool| {
            let mut lines: Vec<_> = lines.into_iter().filter(keep).collect();
            lines.sort();
            lines
        };
        Said {
            code: bytes[3] & 0x0f,
            authoritative,
            answers: sorted(answers, &|_| true),
            authorities: sorted(authorities, &|line| !courtesy(line)),
            glue: sorted(additionals, &|_| referral),
        }
    }
}

/// A record. Names in it are in lower case and not compressed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    name: String,
    kind: RecordType,
    ttl: u32,
    data: Vec<u8>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} {}", self.name, self.ttl, self.kind, self.data.escape_ascii())
    }
}

impl Line {
    fn read(bytes: &[u8], at: &mut usize) -> Line {
        let owner = name(bytes, at);
        let fixed: [u8; 10] = bytes[*at..*at + 10].try_into().unwrap();
        let kind = RecordType::from(u16::from_be_bytes([fixed[0], fixed[1]]));
        let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        *at += 10;
        let end = *at + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        // Bytes before the first name, and how many names there are.
        let (before, names) = match u16::from(kind) {
            2..=5 | 7..=9 | 12 | 39 => (0, 1),
            15 | 18 | 21 | 36 | 107 => (2, 1),
            6 | 14 | 17 => (0, 2),
            26 => (2, 2),
            33 => (6, 1),
            46 | 24 => (18, 1),
            47 => (0, 1),
            _ => (0, 0),
        };
        let mut data = bytes[*at..*at + before].to_vec();
        *at += before;
        for _ in 0..names {
            data.extend(name(bytes, at).into_bytes());
        }
        data.extend(&bytes[*at..end]);
        *at = end;
        Line { name: owner, kind, ttl, data }
    }
}

/// The name at a place of a message, which moves behind it.
fn name(bytes: &[u8], at: &mut usize) -> String {
    let mut decoder = BinDecoder::new(bytes).clone(u16::try_from(*at).unwrap());
    let name = Name::read(&mut decoder).unwrap();
    *at = decoder.index();
    name.to_ascii().to_lowercase()
}

/// Another name server, with all zones of a folder. It ends with this value.
struct Server {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    fn nsd(folder: &Path, zones: &[String]) -> Server {
        let address = free_address();
        let at = folder.display();
        let mut config = format!(
            "server:\n ip-address: {}\n port: {}\n username: \"\"\n chroot: \"\"\n zonesdir: \"{at}\"\n \
             pidfile: \"\"\n database: \"\"\n xfrdfile: \"\"\n xfrdir: \"{at}\"\n zonelistfile: \"{at}/nsd.list\"\n \
             logfile: \"{at}/nsd.log\"\n server-count: 1\n verbosity: 1\nremote-control:\n control-enable: no\n",
            address.ip(),
            address.port()
        );
        for zone in zones {
            let _ = write!(config, "zone:\n name: \"{zone}.test\"\n zonefile: \"{zone}.zone\"\n");
        }
        let file = folder.join("nsd.conf");
        std::fs::write(&file, config).unwrap();
        Server::start("nsd", "nsd", &["-d", "-c", file.to_str().unwrap()], address, folder)
    }

    fn knot(folder: &Path, zones: &[String]) -> Server {
        let address = free_address();
        let at = folder.display();
        let mut config = format!(
            "server:\n  rundir: \"{at}/knot\"\n  listen: {}@{}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             log:\n  - target: \"{at}/knot.log\"\n    any: info\ndatabase:\n  storage: \"{at}/knot\"\n\
             template:\n  - id: default\n    storage: \"{at}\"\n    file: \"%s.zone\"\n    semantic-checks: off\n    \
             journal-content: none\n    zonefile-sync: -1\nzone:\n",
            address.ip(),
            address.port()
        );
        for zone in zones {
            let _ = write!(config, "  - domain: {zone}.test\n    file: \"{zone}.zone\"\n");
        }
        std::fs::create_dir_all(folder.join("knot")).unwrap();
        let file = folder.join("knot.conf");
        std::fs::write(&file, config).unwrap();
        Server::start("knot", "knotd", &["-c", file.to_str().unwrap()], address, folder)
    }

    fn start(name: &'static str, program: &str, args: &[&str], address: SocketAddr, folder: &Path) -> Server {
        let output = std::fs::File::create(folder.join(format!("{name}.out"))).unwrap();
        // Debian keeps daemons where only root's PATH leads.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let child = Command::new(program)
            .args(args)
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("start {program}: {error}\n  what to do: apt-get install {name}"));
        Server { name, child, address, stream: None }
    }

    /// Waits until it answers; says what it wrote when it does not.
    async fn ready(&mut self, folder: &Path) {
        let probe = question(&"probe.test.".parse().unwrap(), RecordType::SOA);
        let ready =
            hop::wait::until("the server to answer", LIMIT, async || self.try_query(&probe).ok()).await;
        assert!(ready.is_ok(), "{} does not answer:\n{}", self.name, self.said(folder));
    }

    /// What it wrote so far.
    fn said(&self, folder: &Path) -> String {
        let log =
            |end| std::fs::read_to_string(folder.join(format!("{}.{end}", self.name))).unwrap_or_default();
        log("out") + &log("log")
    }

    fn query(&mut self, query: &Message) -> Vec<u8> {
        self.try_query(query).unwrap_or_else(|error| panic!("{}: {query}: {error}", self.name))
    }

    fn try_query(&mut self, query: &Message) -> std::io::Result<Vec<u8>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address)?,
        };
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(&dnswire::framed(&query.to_vec().unwrap()).unwrap())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut bytes)?;
        self.stream = Some(stream);
        Ok(bytes)
    }
}

/// An address that is free on UDP and TCP at this moment.
fn free_address() -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    drop(UdpSocket::bind(address).unwrap());
    address
}

fn question(name: &Name, kind: RecordType) -> Message {
    let mut query = Message::query();
    query.add_query(Query::query(name.clone(), kind));
    query
}

/// The questions about a zone: each name for each type there is in it and a few more; a name beside each, and
/// one below.
fn questions(origin: &Name, zone: &Zone) -> Vec<(Name, RecordType)> {
    let child = |below: &str, name: &Name| below.parse::<Name>().unwrap().append_domain(name).ok();
    let mut questions = Vec::new();
    for (name, node) in zone.nodes() {
        let name = Name::from_bytes(name).unwrap();
        let few = [RecordType::A, RecordType::TXT, RecordType::CNAME, RecordType::DS, RecordType::NS];
        let kinds = node.sets().iter().map(|set| set.kind).filter(|kind| !few.contains(kind)).chain(few);
        questions.extend(kinds.map(|kind| (name.clone(), kind)));
        let below = [child("absent", &name), child("x.y", &name)].into_iter().flatten();
        questions
            .extend(below.flat_map(|name| [RecordType::A, RecordType::TXT].map(|kind| (name.clone(), kind))));
    }
    questions.extend(child("absent", origin).map(|name| (name, RecordType::HTTPS)));
    questions
}

/// Compares the three; returns what is wrong, a line each.
async fn compare(folder: &Path, zones: &[String]) -> Vec<String> {
    let mut others = [Server::nsd(folder, zones), Server::knot(folder, zones)];
    for server in &mut others {
        server.ready(folder).await;
    }
    let mut wrong = Vec::new();
    let mut compared = BTreeMap::new();
    for zone in zones {
        let origin: Name = format!("{zone}.test.").parse().unwrap();
        let soa = question(&origin, RecordType::SOA);
        let mut loaded: Vec<&mut Server> = others
            .iter_mut()
            .filter_map(|server| (server.query(&soa)[3] & 0x0f == 0).then_some(server))
            .collect();
        let by = loaded.iter().map(|server| server.name).collect::<Vec<_>>().join(" and ");
        match Zone::load(&origin, &folder.join(format!("{zone}.zone"))) {
            Ok(_) if loaded.is_empty() && !LOOSER.iter().any(|(name, _)| name == zone) => {
                let whole = others.iter().map(|server| server.said(folder)).collect::<Vec<_>>().join("\n");
                let about = |line: &&str| line.contains(&format!("{zone}.zone"));
                let reasons: Vec<_> = whole.lines().filter(about).take(4).collect();
                wrong.push(format!(
                    "{zone}: loaded, although NSD and Knot refuse it:\n{}",
                    reasons.join("\n")
                ));
            }
            Ok(loaded_zone) => {
                let questions = questions(&origin, &loaded_zone);
                compared.insert(zone, questions.len());
                let ours = Zones::new([loaded_zone]).unwrap();
                for (name, kind) in questions {
                    let query = question(&name, kind);
                    let bytes = respond(&ours, &query.to_vec().unwrap(), Transport::Tcp).unwrap().bytes;
                    let ours = Said::new(&bytes, &origin);
                    let theirs: Vec<Said> =
                        loaded.iter_mut().map(|server| Said::new(&server.query(&query), &origin)).collect();
                    let known = OTHERWISE.iter().any(|(name, _)| name == zone);
                    if !loaded.is_empty() && !theirs.contains(&ours) && !known {
                        wrong.push(format!("{zone}: {name} {kind}\n  we    {ours:?}\n  {by} {theirs:?}"));
                    }
                }
            }
            Err(error) => {
                assert!(!error.problem.is_empty());
                if loaded.len() == 2 {
                    wrong.push(format!("{error}: refused, although {by} load it"));
                }
            }
        }
    }
    if compared.len() * 3 < zones.len() {
        wrong.push(format!("too few zones were loaded: {compared:?}"));
    }
    wrong
}

/// A folder with copies of all corpus files, and the names of their zones.
fn corpus(folder: &Path) -> Vec<String> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut zones = Vec::new();
    std::fs::create_dir(folder.join("parts")).unwrap();
    for part in ["", "parts"] {
        for file in std::fs::read_dir(from.join(part)).unwrap() {
            let file = file.unwrap().path();
            if file.is_file() {
                std::fs::copy(&file, folder.join(part).join(file.file_name().unwrap())).unwrap();
            }
            if file.extension().is_some_and(|end| end == "zone") {
                zones.push(file.file_stem().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    zones.sort();
    zones
}

#[tokio::test]
async fn the_corpus_is_served_as_nsd_and_knot_serve_it() {
    let folder = tempfile::tempdir().unwrap();
    let zones = corpus(folder.path());
    assert!(zones.len() > 100, "the corpus is there");
    let wrong = compare(folder.path(), &zones).await;
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn generated_zones_are_served_as_nsd_and_knot_serve_them() {
    let folder = tempfile::tempdir().unwrap();
    let zones: Vec<String> = (0..40).map(|seed| format!("generated-{seed}")).collect();
    for (seed, zone) in (0..).zip(&zones) {
        std::fs::write(folder.path().join(format!("{zone}.zone")), generated::zone(seed)).unwrap();
    }
    let wrong = compare(folder.path(), &zones).await;
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
