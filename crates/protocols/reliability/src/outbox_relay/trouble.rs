//! What the relay can't do, said once and not again soon.

/// How many owners in trouble are named in one line.
const NAMED: usize = 5;
/// The same trouble is said again after so many rounds.
const REPEAT_AFTER: u32 = 60;
/// So many rounds in a row may fail in silence.
const PATIENCE: u32 = 3;

/// The owners whose messages can't be published, and what was last said of them.
#[derive(Default)]
pub(super) struct Trouble {
    now: Vec<(String, String)>,
    said: Vec<(String, String)>,
    rounds: u32,
    /// How many rounds in a row were not finished.
    unfinished: u32,
}

impl Trouble {
    /// This owner's messages are not published, and why.
    pub(super) fn of(&mut self, owner: String, text: String) {
        // Whoever wrote the name into Redis may have written anything.
        self.now.push((owner.escape_debug().to_string(), text));
    }

    /// A round is over. One that failed may be the last of an engine that starts again; several in a row are trouble.
    pub(super) fn round(&mut self, outcome: Result<(), String>) {
        self.log();
        let Err(text) = outcome else {
            self.unfinished = 0;
            return;
        };
        self.unfinished += 1;
        if self.unfinished % REPEAT_AFTER == PATIENCE {
            tracing::warn!(rounds = self.unfinished, "what was left behind is not finished: {text}");
        }
    }

    /// Once a round; what was said before is not said again soon.
    fn log(&mut self) {
        let now = std::mem::take(&mut self.now);
        self.rounds += 1;
        if now == self.said && self.rounds < REPEAT_AFTER {
            return;
        }
        if !now.is_empty() {
            let named: Vec<String> =
                now.iter().take(NAMED).map(|(owner, text)| format!("{owner}: {text}")).collect();
            tracing::warn!(owners = now.len(), "messages are not published. {}", named.join("; "));
        }
        (self.said, self.rounds) = (now, 0);
    }
}

#[cfg(test)]
mod tests;
