//! What a Kafka broker says about its settings: Metadata (3) for its number, then DescribeConfigs (32), in the
//! oldest versions that every broker still speaks (<https://kafka.apache.org/protocol>).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Settings, value};
use crate::plan::Hop;

/// An answer is never longer.
const LONGEST: usize = 1 << 20;
const METADATA: (i16, i16) = (3, 1);
const DESCRIBE_CONFIGS: (i16, i16) = (32, 1);
/// The resource type of a broker.
const BROKER: i8 = 4;
const FLUSH: &str = "log.flush.interval.messages";
const COPIES: &str = "min.insync.replicas";

/// On disk before the acknowledgement, or with more than one broker by then: either will do.
pub(super) fn verdict(settings: &Settings) -> Option<String> {
    let copies = value(settings, COPIES).parse::<u32>().unwrap_or(1);
    let flush = value(settings, FLUSH);
    (flush != "1" && copies < 2).then(|| {
        let flush = if flush.is_empty() { "not set" } else { flush };
        format!("{FLUSH} is {flush} and {COPIES} is {copies}: what it acknowledges is lost with the machine")
    })
}

pub(super) async fn settings(hop: &Hop) -> Result<Settings, String> {
    let mut stream = TcpStream::connect(hop.listen).await.map_err(|error| error.to_string())?;
    // No topics: all that is wanted are the brokers.
    let answer = exchange(&mut stream, METADATA, &0_i32.to_be_bytes()).await?;
    let node = this_broker(&answer, hop).ok_or("it names no broker")?.to_string();
    let mut question = 1_i32.to_be_bytes().to_vec();
    question.extend(BROKER.to_be_bytes());
    put(&mut question, &node);
    question.extend(2_i32.to_be_bytes());
    put(&mut question, FLUSH);
    put(&mut question, COPIES);
    question.push(0); // without synonyms
    let answer = exchange(&mut stream, DESCRIBE_CONFIGS, &question).await?;
    read_configs(&answer).ok_or("its answer to DescribeConfigs cannot be read")?
}

/// The number of the broker that listens where we asked, else of the first one.
fn this_broker(answer: &[u8], hop: &Hop) -> Option<i32> {
    let mut reader = Reader(answer);
    let brokers: Vec<(i32, i32)> = (0..reader.int()?)
        .map_while(|_| {
            let node = reader.int()?;
            reader.text()?;
            let port = reader.int()?;
            reader.text()?;
            Some((node, port))
        })
        .collect();
    let here = brokers.iter().find(|(_, port)| *port == i32::from(hop.listen.port()));
    here.or(brokers.first()).map(|(node, _)| *node)
}

/// The settings in a response to DescribeConfigs version 1, or the error that is in it.
fn read_configs(answer: &[u8]) -> Option<Result<Settings, String>> {
    let mut reader = Reader(answer);
    reader.int()?; // throttled for
    let mut settings = Settings::new();
    for _ in 0..reader.int()? {
        let error = reader.short()?;
        let message = reader.text()?;
        if error != 0 {
            return Some(Err(format!("it says error {error} {}", message.unwrap_or_default())));
        }
        reader.take(1)?; // the resource's type
        reader.text()?;
        for _ in 0..reader.int()? {
            let (name, value) = (reader.text()??, reader.text()?);
            reader.take(3)?; // read-only, source, sensitive
            for _ in 0..reader.int()? {
                reader.text()?; // a synonym's name and value
                reader.text()?;
                reader.take(1)?;
            }
            settings.extend(value.map(|value| (name, value)));
        }
    }
    Some(Ok(settings))
}

/// Sends a request and returns the response behind its header.
async fn exchange(
    stream: &mut TcpStream,
    (api, version): (i16, i16),
    body: &[u8],
) -> Result<Vec<u8>, String> {
    let mut request = Vec::new();
    request.extend(api.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(0_i32.to_be_bytes()); // correlation
    put(&mut request, "lab");
    request.extend(body);
    let text = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => error.to_string(),
    };
    stream.write_all(&(request.len() as i32).to_be_bytes()).await.map_err(text)?;
    stream.write_all(&request).await.map_err(text)?;
    let length = stream.read_i32().await.map_err(text)?;
    let length = usize::try_from(length).ok().filter(|length| (4..=LONGEST).contains(length));
    let mut answer = vec![0; length.ok_or("what it answers is not Kafka's protocol")?];
    stream.read_exact(&mut answer).await.map_err(text)?;
    Ok(answer.split_off(4))
}

fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as i16).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// Reads the protocol's primitive types; `None` where the bytes end too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn int(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A string that may be null.
    fn text(&mut self) -> Option<Option<String>> {
        match self.short()? {
            -1 => Some(None),
            length => {
                let bytes = self.take(usize::try_from(length).ok()?)?;
                Some(Some(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
    }
}
