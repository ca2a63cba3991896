use super::*;

/// A disk with room for so many bytes.
struct Disk {
    free: usize,
    written: Vec<u8>,
}

impl Write for &mut Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.free);
        self.free -= fits;
        self.written.extend(&bytes[..fits]);
        if fits == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(fits) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn what_cannot_be_written_is_no_error_and_is_counted() {
    let (mut disk, lost) = (Disk { free: 6, written: Vec::new() }, AtomicU64::new(0));
    let say = |disk: &mut Disk, event: &str| {
        let mut log = BestEffort { to: disk, lost: &lost };
        log.write_all(event.as_bytes()).and_then(|()| log.flush()).expect("never an error");
    };
    for event in ["one\n", "two\n", "three\n"] {
        say(&mut disk, event);
    }
    disk.free = 1000;
    say(&mut disk, "four\n");
    say(&mut disk, "five\n");
    let text = String::from_utf8(disk.written).expect("text");
    assert_eq!(text, "one\ntw(2 log events before this one could not be written)\nfour\nfive\n");
}

#[test]
fn the_variable_selects_by_level_and_by_target() {
    use tracing::Level;
    let passes = |variable, target: &str, level| selected(variable, "info").would_enable(target, &level);
    assert!(passes(None, "lb", Level::INFO) && !passes(None, "lb", Level::DEBUG));
    assert!(passes(Some("warn,lb=debug"), "lb::balance", Level::DEBUG));
    assert!(!passes(Some("warn,lb=debug"), "h2", Level::INFO));
    for unreadable in ["", " ", "lb=loud"] {
        assert!(passes(Some(unreadable), "lb", Level::INFO), "{unreadable:?}");
    }
}
