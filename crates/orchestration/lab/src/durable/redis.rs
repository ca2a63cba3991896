//! What Redis says about its settings: `CONFIG GET` (<https://redis.io/commands/config-get>).

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{Settings, value};
use crate::plan::{Hop, Runs};

/// A reply is never longer.
const LONGEST: usize = 1 << 16;

pub(super) fn verdict(settings: &Settings) -> Option<String> {
    match (value(settings, "appendonly"), value(settings, "appendfsync")) {
        ("yes", "always") => None,
        ("yes", sync) => Some(format!(
            "appendfsync is {sync}: what it acknowledged in the last moments is lost with the machine"
        )),
        ("", _) => Some("it has no setting `appendonly`: it may lose what it acknowledges".to_owned()),
        (append, _) => Some(format!("appendonly is {append}: what it acknowledges is lost when it dies")),
    }
}

pub(super) async fn settings(hop: &Hop) -> Result<Settings, String> {
    let text = |error: std::io::Error| error.to_string();
    let stream = TcpStream::connect(hop.listen).await.map_err(text)?;
    let mut stream = BufReader::new(stream);
    if let Runs::External(url) = &hop.runs
        && let Some(login) = login(url)
    {
        let words: Vec<&str> = ["AUTH"].into_iter().chain(login).collect();
        ask(&mut stream, &words).await?;
    }
    let mut settings = Settings::new();
    for name in ["appendonly", "appendfsync"] {
        let reply = ask(&mut stream, &["CONFIG", "GET", name]).await?;
        let mut reply = reply.into_iter();
        while let (Some(name), Some(value)) = (reply.next(), reply.next()) {
            settings.push((name, value));
        }
    }
    Ok(settings)
}

/// `redis://[user][:password]@…`: what AUTH wants, the user first if there is one.
fn login(url: &str) -> Option<Vec<&str>> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next()?;
    let (login, _) = authority.rsplit_once('@')?;
    let (user, password) = login.split_once(':').unwrap_or(("", login));
    Some([user, password].into_iter().filter(|word| !word.is_empty()).collect())
}

/// Sends a command as an array of bulk strings and reads the reply's strings.
async fn ask(stream: &mut BufReader<TcpStream>, words: &[&str]) -> Result<Vec<String>, String> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(command.as_bytes()).await.map_err(|error| error.to_string())?;
    reply(stream).await
}

/// A RESP2 reply: an array of bulk strings, or one simple string
/// (<https://redis.io/docs/latest/develop/reference/protocol-spec>).
async fn reply(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<String>, String> {
    let head = line(stream).await?;
    let count = |text: &str| text.parse::<usize>().ok().filter(|count| *count <= LONGEST);
    match head.split_at_checked(1) {
        Some(("+", text)) => Ok(vec![text.to_owned()]),
        Some(("-", text)) => Err(format!("it says `{text}`")),
        Some(("*", text)) => {
            let mut strings = Vec::new();
            for _ in 0..count(text).ok_or_else(|| strange(&head))? {
                let head = line(stream).await?;
                let length = head.strip_prefix('$').and_then(count).ok_or_else(|| strange(&head))?;
                let mut bytes = vec![0; length + 2];
                stream.read_exact(&mut bytes).await.map_err(|error| error.to_string())?;
                strings.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
            Ok(strings)
        }
        _ => Err(strange(&head)),
    }
}

fn strange(head: &str) -> String {
    format!("it answers {head:?}, which is not Redis's protocol")
}

async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<String, String> {
    let mut line = Vec::new();
    let read = stream.take(LONGEST as u64).read_until(b'\n', &mut line).await;
    match read.map_err(|error| error.to_string())? {
        0 => Err("it closed the connection".to_owned()),
        _ => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins() {
        assert_eq!(login("redis://127.0.0.1:6379/1"), None);
        assert_eq!(login("redis://:secret@127.0.0.1:6379"), Some(vec!["secret"]));
        assert_eq!(login("redis://anna:se@cret@127.0.0.1:6379"), Some(vec!["anna", "se@cret"]));
    }

    #[tokio::test]
    async fn replies() {
        for (bytes, expected) in [
            ("*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n", Ok(vec!["appendonly".to_owned(), "no".to_owned()])),
            ("*0\r\n", Ok(Vec::new())),
            ("+OK\r\n", Ok(vec!["OK".to_owned()])),
            ("-ERR unknown command\r\n", Err("it says `ERR unknown command`".to_owned())),
            ("*99999999999\r\n", Err(strange("*99999999999"))),
            ("HTTP/1.1 400\r\n", Err(strange("HTTP/1.1 400"))),
            ("", Err("it closed the connection".to_owned())),
        ] {
            assert_eq!(reply(&mut bytes.as_bytes()).await, expected, "{bytes:?}");
        }
    }
}
