use proptest::prelude::*;

use super::*;

type Command = Vec<Vec<u8>>;

/// Feeds pieces and takes the commands of each, up to the first error.
fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Command>, Option<ProtocolError>, u64) {
    let (mut parser, mut commands) = (Parser::default(), Vec::new());
    for piece in pieces {
        parser.spare(0).extend_from_slice(piece);
        let mut outcome = Ok(true);
        while outcome == Ok(true) {
            outcome = parser.advance();
        }
        let taken = parser.take();
        commands.extend(copies(&taken));
        parser.recycle(taken);
        if let Err(problem) = outcome {
            return (commands, Some(problem), parser.offset());
        }
    }
    (commands, None, parser.offset())
}

fn copies(commands: &Commands) -> Vec<Command> {
    let copy = |at: usize| {
        let mut words = Vec::new();
        commands.read(at, &mut words);
        assert_eq!(words[0], commands.name(at));
        words.into_iter().map(<[u8]>::to_vec).collect()
    };
    (0..commands.len()).map(copy).collect()
}

fn encode(command: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for argument in command {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

#[test]
fn inline_commands_are_split_like_a_shell_line() {
    let cases: [(&str, &[&str]); 6] = [
        ("PING\r\n", &["PING"]),
        ("  set  a\tb \n", &["set", "a", "b"]),
        ("ECHO \"a\\x41\\n\\\"\"\r\n", &["ECHO", "aA\n\""]),
        ("ECHO 'it\\'s' ''\r\n", &["ECHO", "it's", ""]),
        ("ECHO a\"b c\"\r\n", &["ECHO", "ab c"]),
        ("\r\n\r\nPING\r\n", &["PING"]),
    ];
    for (line, words) in cases {
        let (commands, problem, offset) = parse([line.as_bytes()]);
        assert_eq!(problem, None, "{line:?}");
        assert_eq!(
            commands,
            [words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>()],
            "{line:?}"
        );
        assert_eq!(offset, line.len() as u64);
    }
}

#[test]
fn nonsense_gets_the_errors_of_redis() {
    let long = "1".repeat(LINE_LIMIT + 1);
    let cases = [
        ("*x\r\n".to_owned(), "invalid multibulk length"),
        ("*1048577\r\n".to_owned(), "invalid multibulk length"),
        ("*1\r\nfoo\r\n".to_owned(), "expected '$', got 'f'"),
        ("*1\r\n$x\r\n".to_owned(), "invalid bulk length"),
        ("*1\r\n$-1\r\n".to_owned(), "invalid bulk length"),
        ("*1\r\n$16777217\r\n".to_owned(), "invalid bulk length"),
        ("*1\r\n$1\r\nabc".to_owned(), "expected CRLF after bulk string"),
        ("PING \"a\r\n".to_owned(), "unbalanced quotes in request"),
        ("PING \"a\"b\r\n".to_owned(), "unbalanced quotes in request"),
        (long.clone(), "too big inline request"),
        (format!("*{long}"), "too big mbulk count string"),
        (format!("*1\r\n${long}"), "too big bulk count string"),
    ];
    for (bytes, expected) in cases {
        let (commands, problem, _) = parse([bytes.as_bytes()]);
        assert_eq!(commands, Vec::<Command>::new());
        assert_eq!(problem, Some(ProtocolError(format!("ERR Protocol error: {expected}"))), "{:.40}", bytes);
    }
}

#[test]
fn announced_sizes_cost_nothing_until_the_bytes_come() {
    let mut parser = Parser::default();
    parser.spare(0).extend_from_slice(b"*1048576\r\n$16777216\r\nabc");
    assert_eq!(parser.advance(), Ok(false));
    assert!(parser.buffer.capacity() < 1024);
    assert_eq!(parser.commands, Commands::default());
}

#[test]
fn a_command_has_a_largest_size() {
    let argument = encode(&[vec![b'x'; ARGUMENT_LIMIT]])[4..].to_vec();
    let pieces = std::iter::once(&b"*9\r\n"[..]).chain(std::iter::repeat_n(&argument[..], 5));
    let (commands, problem, _) = parse(pieces);
    assert!(commands.is_empty());
    assert_eq!(problem, Some(ProtocolError("ERR Protocol error: too big request".into())));
}

/// Whatever is taken off, replaced or cut, the other commands stay what they were.
#[test]
fn commands_are_taken_replaced_and_cut() {
    let of = |texts: &[&str]| {
        let mut commands = Commands::default();
        texts.iter().for_each(|text| commands.push(text.split(' ').map(str::as_bytes)));
        commands
    };
    let mut commands = of(&["SET a 1", "XREAD STREAMS s $", "PING", "GET a"]);
    commands.take(1);
    commands.replace_first(&of(&["XREAD STREAMS s 1-1"]));
    assert_eq!(commands, of(&["XREAD STREAMS s 1-1", "PING", "GET a"]));
    commands.take(1);
    commands.truncate(1);
    assert_eq!(copies(&commands), copies(&of(&["PING"])));
    commands.add_word(b"GET");
    let mut unfinished = commands.split_unfinished();
    assert_eq!(copies(&commands), copies(&of(&["PING"])));
    unfinished.add_word(b"b");
    unfinished.end_command();
    assert_eq!(unfinished, of(&["GET b"]));
    commands.clear();
    assert!(commands.is_empty() && commands.capacity() > 0);
}

proptest! {
    #[test]
    fn any_bytes_never_panic_and_splits_change_nothing(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            // Bytes that look like the protocol go deeper.
            prop::collection::vec(prop::sample::select(b"*$\r\n0123-\"'\\x a".to_vec()), 0..300),
            "(\\*[0-3]\r\n|\\$[0-4]\r\n|ab\r\n|PING\r\n){0,40}".prop_map(String::into_bytes),
        ],
        at in any::<prop::sample::Index>(),
    ) {
        let whole = parse([&bytes[..]]);
        prop_assert_eq!(&parse(bytes.chunks(1)), &whole);
        let (head, tail) = bytes.split_at(at.index(bytes.len() + 1));
        prop_assert_eq!(&parse([head, tail]), &whole);
    }

    #[test]
    fn commands_come_out_as_they_went_in(
        commands in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 0..8),
        size in 1usize..50,
    ) {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
        let (parsed, problem, offset) = parse(bytes.chunks(size));
        prop_assert_eq!(problem, None);
        prop_assert_eq!(parsed, commands);
        prop_assert_eq!(offset, bytes.len() as u64);
    }
}
