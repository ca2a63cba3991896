//! Every mistake in a plan is explained: where, which key, what is wrong, what to do. Nothing is started.

use std::path::{Path, PathBuf};

use lab::plan::DEFAULT;
use tempfile::TempDir;

use super::program::{self, Ended};

/// A mistake in lab.toml.
struct Mistake {
    /// What lab.toml says.
    from: &'static str,
    /// What it says instead.
    to: &'static str,
    /// A text in the line that the error must name.
    at: &'static str,
    /// The key that it must name.
    key: &'static str,
    /// What else it must say.
    says: &'static str,
}

const MISTAKES: [Mistake; 16] = [
    Mistake { from: "balance = \"", to: "balance = = \"", at: "balance = =", key: "", says: "not TOML" },
    Mistake { from: "[hop.lb]", to: "[hop.lb", at: "[hop.lb", key: "", says: "not TOML" },
    Mistake {
        from: "balance = ",
        to: "blance = ",
        at: "blance = ",
        key: "hop.lb.blance",
        says: "did you mean `balance`?",
    },
    Mistake {
        from: "[network]",
        to: "[netwrok]",
        at: "[netwrok]",
        key: "netwrok",
        says: "did you mean `network`?",
    },
    Mistake {
        from: "port_offset = 0",
        to: "port_offset = \"0\"",
        at: "port_offset = \"0\"",
        key: "network.port_offset",
        says: "expected a whole number",
    },
    Mistake {
        from: "workers = 200",
        to: "workers = true",
        at: "workers = true",
        key: "hop.cart-pod-abc12.workers",
        says: "boolean",
    },
    Mistake {
        from: "role = \"lb\"",
        to: "role = \"bl\"",
        at: "role = \"bl\"",
        key: "hop.lb.role",
        says: "did you mean role = \"lb\"?",
    },
    Mistake {
        from: "[\"ingress\"]",
        to: "[\"ingres\"]",
        at: "[\"ingres\"]",
        key: "hop.lb.upstreams",
        says: "did you mean `ingress`?",
    },
    Mistake {
        from: "[\"ingress\"]",
        to: "[\"redis\"]",
        at: "[\"redis\"]",
        key: "hop.lb.upstreams",
        says: "name one of: ingress",
    },
    Mistake {
        from: "127.0.1.100:8080",
        to: "127.0.113.50:8443",
        at: "[hop.ingress]",
        key: "hop.ingress.listen",
        says: "127.0.113.50:8443 is already hop.lb.listen",
    },
    Mistake {
        from: "127.0.113.50:8443",
        to: "192.0.2.1:8443",
        at: "192.0.2.1:8443",
        key: "hop.lb.listen",
        says: "127.0.0.0/8",
    },
    Mistake {
        from: "127.0.113.50:8443",
        to: "127.0.113.50:0",
        at: "127.0.113.50:0",
        key: "hop.lb.listen",
        says: "port from 1024",
    },
    Mistake {
        from: "127.0.113.50:8443",
        to: "localhost:https",
        at: "localhost:https",
        key: "hop.lb.listen",
        says: "IP:PORT",
    },
    Mistake {
        from: "upstreams = [\"ingress\"]\n",
        to: "",
        at: "[hop.lb]",
        key: "hop.lb.upstreams",
        says: "needs `upstreams`",
    },
    Mistake {
        from: "ready_seconds = 10.0",
        to: "ready_seconds = -1.0",
        at: "ready_seconds = -1.0",
        key: "supervise.ready_seconds",
        says: "write seconds",
    },
    Mistake {
        from: "endpoints = [\"inventory-pod-jkl78\", \"inventory-pod-mno90\"]",
        to: "endpoints = [\"cart-pod-abc12\"]",
        at: "",
        key: "hop",
        says: "cart-pod-abc12 → inventory-service → cart-pod-abc12",
    },
];

/// A folder with a plan in it, and a folder of states that must stay empty.
struct Tried {
    folder: TempDir,
}

impl Tried {
    fn new() -> Self {
        Tried { folder: tempfile::tempdir().expect("create a folder") }
    }

    fn states(&self) -> PathBuf {
        self.folder.path().join("states")
    }

    fn write(&self, text: &str) -> PathBuf {
        let file = self.folder.path().join("broken.toml");
        std::fs::write(&file, text).expect("write the plan");
        file
    }

    /// Runs `lab` with these arguments, its states in the folder.
    async fn lab(&self, arguments: &[&str]) -> Ended {
        let states = format!("lab.state={}", serde_json::Value::from(self.states().to_string_lossy()));
        let ended = program::lab(arguments.iter().copied().chain(["--set", &states])).await;
        assert!(!self.states().exists(), "{arguments:?}: something was begun");
        assert_eq!(ended.stdout, "", "{arguments:?}: no result, so nothing on stdout");
        ended
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[tokio::test]
async fn a_mistake_in_the_file_is_explained_and_nothing_is_started() {
    let tried = Tried::new();
    for Mistake { from, to, at, key, says } in MISTAKES {
        assert!(DEFAULT.contains(from), "{from:?} is no longer in lab.toml: mend this test");
        let text = DEFAULT.replacen(from, to, 1);
        let line = text[..text.find(at).expect("it is in the text")].matches('\n').count() + 1;
        let file = tried.write(&text);
        let place = format!("{}:{line}: ", shown(&file));
        let ended = tried.lab(&["--config", shown(&file), "--no-build"]).await;
        eprintln!("--- {to:?}\n{}", ended.stderr);
        ended.code(2).says(&[&place, key, says, "what to do: "]);
    }
}

#[tokio::test]
async fn every_command_refuses_a_wrong_plan_alike() {
    let tried = Tried::new();
    let file = tried.write(&DEFAULT.replacen("balance = ", "blance = ", 1));
    for command in ["measure", "check", "status", "stop", "certs", "doctor"] {
        let ended = tried.lab(&[command, "--config", shown(&file)]).await;
        ended.code(2).says(&["hop.lb.blance", "did you mean `balance`?"]);
    }
    let ended = tried.lab(&["--config", shown(&file), "curl", "/cart"]).await;
    drop(ended);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_a_wrong_use() {
    let tried = Tried::new();
    let file = tried.folder.path().join("nowhere.toml");
    tried.lab(&["--config", shown(&file)]).await.code(2).says(&[shown(&file), "No such file"]);
    tried.lab(&["--config", shown(tried.folder.path())]).await.code(2).says(&[shown(tried.folder.path())]);
}

#[tokio::test]
async fn a_wrong_option_is_quoted_and_explained() {
    let tried = Tried::new();
    for (option, value, says) in [
        ("--set", "network.port_offset", "expected KEY=VALUE"),
        ("--set", "network.port_ofset=1", "did you mean `port_offset`?"),
        ("--set", "network.port_offset=many", "expected a whole number"),
        ("--set", "hop.lb.balance=fast", "least-connections"),
        ("--set", "hop.lbb.listen=127.0.0.1:1", "no role `lbb`"),
        ("--set", "budget.totl=1.0", "did you mean `total`?"),
        ("--swap", "ingress", "expected NAME_OR_ROLE=RECIPE_OR_COMMAND"),
        ("--swap", "ingres=nginx", "did you mean `ingress`?"),
        ("--swap", "ingress=", "no command"),
        ("--swap", "ingress=nginx 'a", "never closed"),
    ] {
        let ended = tried.lab(&[option, value]).await;
        eprintln!("--- {option} {value}\n{}", ended.stderr);
        ended.code(2).says(&[&format!("{option} {value}: "), says, "what to do: "]);
    }
}

#[tokio::test]
async fn what_is_no_option_is_refused() {
    let tried = Tried::new();
    for arguments in
        [&["--nonsense"][..], &["measrue"], &["measure", "-n", "0"], &["measure", "--cold", "--warm"]]
    {
        tried.lab(arguments).await.code(2).says(&["error: ", "--help"]);
    }
}
