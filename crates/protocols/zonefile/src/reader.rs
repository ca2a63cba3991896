//! Entry by entry: owner, TTL, class and type, and the lines that begin with a dollar sign.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable as _, BinEncoder, NameEncoding, Restrict};

use crate::error::{Error, Problem};
use crate::lexer::{Lexer, Line};
use crate::token::Token;
use crate::{encode, types};

/// How deep files may include files.
const DEPTH: usize = 10;
/// How many files one zone may have.
const FILES: usize = 1_000;
/// The largest TTL, in seconds (RFC 2181 §8).
const LARGEST_TTL: u32 = i32::MAX.cast_unsigned();

/// A record and where it stands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record, of class IN.
    pub record: Record,
    /// The file that holds it: the zone file, or one that it includes.
    pub file: Arc<Path>,
    /// The line on which it begins, the first being 1.
    pub line: usize,
}

/// What a zone file holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// The records, in the order of the file.
    pub entries: Vec<Entry>,
    /// The files that were read: the zone file, then those that it includes.
    pub files: Vec<PathBuf>,
}

/// Reads the zone file at `path`, in which relative names end in `origin` until it says otherwise.
///
/// `$INCLUDE` takes files from the folder of the zone file and below it, by a path relative to the file
/// that includes them: so a zone can be copied with all its parts, and an editor of a part cannot make the
/// server read other files of the machine.
///
/// # Errors
/// The first thing that is wrong, with its file and line, the token, and what was expected there.
pub fn read(path: &Path, origin: &Name) -> Result<Contents, Error> {
    Reader::run(path, origin, true)
}

/// The zone file at `path` and the files that it includes, as [`read`] finds them; what their records say is
/// not looked at.
///
/// # Errors
/// A file cannot be read or taken apart, or must not be included.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    Reader::run(path, &Name::root(), false).map(|contents| contents.files)
}

/// What a line may leave out, because a line before it has said it.
#[derive(Clone)]
struct Context {
    origin: Name,
    owner: Option<Name>,
    /// From `$TTL` (RFC 2308 §4).
    ttl: Option<u32>,
    /// The TTL last stated with a record, which holds where there is no `$TTL` (RFC 1035 §5.1).
    last_ttl: Option<u32>,
}

struct Reader<'a> {
    folder: &'a Path,
    /// The files being read, each included by the one before it.
    open: Vec<PathBuf>,
    contents: Contents,
    /// Are records wanted, or only the names of the files?
    records: bool,
}

impl Reader<'_> {
    fn run(path: &Path, origin: &Name, records: bool) -> Result<Contents, Error> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut reader = Reader { folder, open: Vec::new(), contents: Contents::default(), records };
        let mut context = Context { origin: origin.clone(), owner: None, ttl: None, last_ttl: None };
        context.origin.set_fqdn(true);
        reader.file(path, context)?;
        Ok(reader.contents)
    }

    /// Reads one file. What it says of origin, owner and TTL ends with it (RFC 1035 §5.1).
    fn file(&mut self, path: &Path, mut context: Context) -> Result<(), Error> {
        let whole = |problem: String| Error { file: path.to_owned(), line: None, problem };
        let text = std::fs::read(path).map_err(|error| whole(format!("read it: {error}")))?;
        self.open.push(path.to_owned());
        self.contents.files.push(path.to_owned());
        let file: Arc<Path> = path.into();
        let mut lexer = Lexer::new(&text);
        let at = |problem: Problem| Error {
            file: path.to_owned(),
            line: Some(problem.line),
            problem: problem.text,
        };
        while let Some(line) = lexer.next_line().map_err(at)? {
            match directive(&line) {
                Some("$INCLUDE") => {
                    let (part, origin) = self.include(path, &line, &context).map_err(at)?;
                    self.file(&part, Context { origin, ..context.clone() })?;
                }
                _ if !self.records => {}
                Some(word) => follow(word, &line, &mut context).map_err(at)?,
                None => {
                    let record = record(&line, &mut context).map_err(at)?;
                    self.contents.entries.push(Entry { record, file: Arc::clone(&file), line: line.number });
                }
            }
        }
        self.open.pop();
        Ok(())
    }

    /// `$INCLUDE FILE [ORIGIN]`.
    fn include(&self, from: &Path, line: &Line, context: &Context) -> Result<(PathBuf, Name), Problem> {
        let [_, file, rest @ ..] = line.tokens.as_slice() else {
            return Err(Problem {
                line: line.number,
                text: "$INCLUDE: expected a file name after it".into(),
            });
        };
        let origin = match rest {
            [] => context.origin.clone(),
            [origin] => origin.name(&context.origin)?,
            [_, more, ..] => return Err(more.expected("the end of the line")),
        };
        let name = String::from_utf8(file.string()?).map_err(|_| file.expected("a file name in UTF-8"))?;
        let part = from.parent().unwrap_or(Path::new("")).join(&name);
        let is_plain = Path::new(&name)
            .components()
            .all(|step| matches!(step, Component::Normal(_) | Component::CurDir));
        // A link may lead out, too.
        let inside =
            |part: PathBuf| std::fs::canonicalize(self.folder).is_ok_and(|folder| part.starts_with(folder));
        if name.is_empty() || !is_plain || std::fs::canonicalize(&part).is_ok_and(|part| !inside(part)) {
            return Err(file.expected("a file beside the zone file or in a folder below it"));
        }
        if let Err(error) = std::fs::metadata(&part) {
            return Err(file.expected(&format!("a file that can be read at {} ({error})", part.display())));
        }
        if self.open.iter().any(|open| std::fs::canonicalize(open).ok() == std::fs::canonicalize(&part).ok())
        {
            return Err(file.expected("a file that does not include itself"));
        }
        if self.open.len() >= DEPTH {
            return Err(file.expected(&format!("at most {DEPTH} files that include each other")));
        }
        if self.contents.files.len() >= FILES {
            return Err(file.expected(&format!("at most {FILES} files in a zone")));
        }
        Ok((part, origin))
    }
}

/// The word that makes a line an instruction to the reader.
fn directive(line: &Line) -> Option<&'static str> {
    let first = line.tokens.first().filter(|first| !first.quoted && !line.indented)?;
    if first.raw.first() != Some(&b'$') {
        return None;
    }
    ["$INCLUDE", "$ORIGIN", "$TTL"].into_iter().find(|word| first.is(word)).or(Some(""))
}

fn follow(word: &str, line: &Line, context: &mut Context) -> Result<(), Problem> {
    let value = match (word, line.tokens.as_slice()) {
        ("", [first, ..]) => {
            return Err(first.expected("$ORIGIN, $TTL or $INCLUDE (a name that begins with $ as \\$)"));
        }
        (_, [_, value]) => value,
        (_, [_, _, more, ..]) => return Err(more.expected("the end of the line")),
        _ => return Err(Problem { line: line.number, text: format!("{word}: expected a value after it") }),
    };
    if word == "$ORIGIN" {
        context.origin = value.name(&context.origin)?;
    } else {
        context.ttl = Some(ttl(value)?);
    }
    Ok(())
}

fn ttl(token: &Token) -> Result<u32, Problem> {
    token.seconds().filter(|ttl| *ttl <= LARGEST_TTL).ok_or_else(|| {
        token.expected("a TTL in seconds, at most 2147483647 (RFC 2181 §8), or with units as in 1h30m")
    })
}

/// `[OWNER] [TTL] [CLASS] TYPE DATA`, TTL and class in either order (RFC 1035 §5.1).
fn record(line: &Line, context: &mut Context) -> Result<Record, Problem> {
    let mut tokens = line.tokens.iter();
    if !line.indented {
        let owner = tokens.next().map(|first| first.name(&context.origin)).transpose()?;
        context.owner = owner;
    }
    let problem = |text: &str| Problem { line: line.number, text: text.to_owned() };
    let Some(owner) = context.owner.clone() else {
        return Err(problem(
            "expected a name at the beginning of the line: there is none before it to repeat",
        ));
    };
    let (mut stated, mut class) = (None, None);
    let kind = loop {
        let Some(token) = tokens.next() else {
            return Err(problem("the line ends too soon: expected a TTL, a class or a record type"));
        };
        if stated.is_none() && token.raw.first().is_some_and(u8::is_ascii_digit) {
            stated = Some(ttl(token)?);
        } else if let Some(found) = class_of(token).filter(|_| class.is_none()) {
            class = Some(found);
            if found != DNSClass::IN {
                return Err(token.expected("class IN, the only one that is served"));
            }
        } else {
            break token.record_type().map(|kind| (kind, token))?;
        }
    };
    let (kind, token) = kind;
    if types::is_meta(kind) {
        return Err(token.expected("a type that can be stored: this one exists in messages only"));
    }
    if let Some(ttl) = stated {
        context.last_ttl = Some(ttl);
    }
    let rest = &line.tokens[line.tokens.len() - tokens.len()..];
    let end = rest.last().map_or(token.line, |last| last.line);
    let wire = encode::encode(kind, rest, end, &context.origin)?;
    if kind == RecordType::SOA && stated.or(context.ttl).or(context.last_ttl).is_none() {
        // Without any TTL the negative TTL of the SOA, its last field, is the best that is known.
        context.last_ttl = wire.last_chunk::<4>().map(|minimum| u32::from_be_bytes(*minimum));
    }
    let ttl = stated.or(context.ttl).or(context.last_ttl);
    let ttl = ttl.ok_or_else(|| problem("no TTL: write one, or $TTL above it (RFC 2308 §4)"))?;
    Ok(Record::from_rdata(owner, ttl, record_data(kind, wire)))
}

fn class_of(token: &Token) -> Option<DNSClass> {
    let known =
        [("IN", DNSClass::IN), ("CH", DNSClass::CH), ("HS", DNSClass::HS), ("CS", DNSClass::Unknown(2))];
    if let Some((_, class)) = known.into_iter().find(|(word, _)| token.is(word)) {
        return Some(class);
    }
    let number: u16 = token.word()?.to_ascii_uppercase().strip_prefix("CLASS")?.parse().ok()?;
    Some(DNSClass::from(number))
}

/// Reads record data from its wire form. What hickory would write differently, or does not know, is kept as
/// opaque bytes: served as written, whatever it is.
fn record_data(kind: RecordType, wire: Vec<u8>) -> RData {
    if wire.is_empty() {
        return RData::Update0(kind); // hickory's name for no data at all
    }
    let length = u16::try_from(wire.len()).unwrap_or(u16::MAX);
    if let Ok(known) = RData::read(&mut BinDecoder::new(&wire), kind, Restrict::new(length)) {
        let mut bytes = Vec::new();
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_name_encoding(NameEncoding::Uncompressed);
        if known.emit(&mut encoder).is_ok() && bytes == wire {
            return known;
        }
    }
    RData::Unknown { code: kind, rdata: NULL::with(wire) }
}
