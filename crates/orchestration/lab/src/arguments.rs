//! The command line: every command and option, with its help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

mod check;
mod compare;
mod diff;
mod format;
mod global;
mod load;
mod measure;
mod shell;
mod texts;
mod values;

pub(crate) use check::{CheckArguments, FEWEST};
pub(crate) use compare::CompareArguments;
pub(crate) use diff::{DiffArguments, DiffFormat, VerdictArguments};
pub(crate) use format::Format;
pub(crate) use global::Global;
pub(crate) use measure::MeasureArguments;
pub(crate) use shell::ShellArguments;

use shell::SHELL;
use texts::{ABOUT, AFTER, LONG_ABOUT};

/// Everything that can be typed.
#[derive(Parser, Debug)]
#[command(name = "lab", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER)]
pub(crate) struct Cli {
    /// Stop after the two journeys are printed
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What can be done besides starting everything. What every command takes comes last, also in the help.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Measure journeys: on the running lab, or on one that is started for this and stopped afterwards
    #[command(after_help = "\
Examples:
  lab measure                         one cold journey, one warm
  lab measure -n 500 --warm --parts   500 warm ones: percentiles of every part, and who takes how much at p50
  lab measure -n 1000 --warm --format json --out before.json       then: lab diff before.json after.json
                                      or, with a verdict: lab compare
  lab measure --rate 200 --duration 10        200 requests per second for 10 s, whatever the answers do
  lab measure -n 500 --warm --overhead        what measuring itself costs, too
  lab measure --tap -n 100 --warm     what the packets on loopback say of it, beside what the programs say
  lab measure --tap --pcap journey.pcap --keys journey.keys      then: wireshark -o tls.keylog_file:journey.keys journey.pcap
  lab measure -n 200 --format html --out journey.html      a page to look at, and to share
  lab measure --cold -n 20 --swap lb=haproxy --swap resolver=unbound
  lab measure --swap lb='haproxy -db -f {CONFIG}' --set hop.lb.config=my/haproxy.cfg

Cold: empty DNS caches and a new connection. Warm: everything was used before.
With --rate (an open loop) a request's time counts from when it was due: a stack that stalls cannot hold
back the requests that would have shown it.")]
    Measure {
        #[command(flatten)]
        measure: MeasureArguments,
        #[command(flatten)]
        global: Global,
    },
    /// Turn a saved measurement (journey/1) into a page, a HAR, a Perfetto trace or a table
    #[command(after_help = "\
Examples:
  lab measure -n 200 --json --out journey.json
  lab export journey.json --out journey.html            a page: waterfalls, distributions, the table
  lab export journey.json --format har --out journey.har       developer tools, Network: import HAR file
  lab export journey.json --format perfetto --out journey.trace.json      ui.perfetto.dev: Open trace file
  lab measure --json | lab export - --format table")]
    Export {
        /// What `lab measure --json` wrote; - reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// How it is written
        #[arg(long, value_enum, default_value_t = Format::Html)]
        format: Format,
        /// Write to this file instead of stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        global: Global,
    },
    /// Measure, and compare with the budget in lab.toml; ends with 1 when a hop is over
    #[command(after_help = "\
The median of cold journeys is compared with each line of [budget]: a phase, what one hop does itself, or
what all hops of a role do. A line is over (or within) when the median's whole interval is; all intervals together
have 95 %. When the limit lies inside the interval, the line is inconclusive: it is shown, and counts as good
unless --strict. One start of the programs says nothing of another: --runs makes several, in turn.

  lab check                           20 journeys
  lab check --runs 5                  5 starts with 20 journeys each, held against how starts scatter
  lab check -n 100 --json             for a script
  lab check --junit budget.xml        a report for a CI system; written also when nothing can be measured
  lab check --set budget.total=50.0   a stricter limit, this once

Exit codes: 0 within; 1 over (with --strict also inconclusive); 3 could not be measured.")]
    Check {
        #[command(flatten)]
        check: CheckArguments,
        #[command(flatten)]
        global: Global,
    },
    /// Start two variants in turn, measure each, and say what is faster, slower or no different
    #[command(after_help = "\
The first variant is the plan; the second is the plan with what is typed behind `compare`. What is typed before
it holds for both.

  lab compare --swap ingress=nginx                 is nginx faster than ours, and where?
  lab compare --swap ingress=nginx --warm --enough 2        as exactly as ± 2 % of the total
  lab compare --set hop.cart-pod-abc12.workers=1 --rate 200 --duration 5
  lab compare --config other.toml --time 300 --fail-on-slower      for a script, at most five minutes
  lab --set lab.name=two --set network.port_offset=100 compare --swap store=redis-server      beside a running lab
  lab compare --swap lb=haproxy --out runs         keeps every run: lab diff --paired --before runs/a-* --after runs/b-*

Each run is a start of the programs of its own, in an empty folder. Runs go in pairs, one of each variant; which
is first is drawn each time (A B B A B A …). What a start decides (where memory lies, which connections are
used), its journeys share, so the run is the unit. Six pairs tell how many it takes until the interval of each
total is narrow enough (--enough); so many are made, up to --runs, and the verdict is read once, at the end: who
looks after each run, and stops when he sees a difference, sees many that are not there. All rows of a kind
together have 95 % (Bonferroni).

Exit codes: 0 compared; 1 a total is slower (--fail-on-slower), or undecided (and --strict); 2 wrong usage or
plan; 3 could not be measured.")]
    Compare {
        #[command(flatten)]
        global: Global,
        #[command(flatten)]
        compare: CompareArguments,
    },
    /// Compare measurements: what became faster, what slower, and what cannot be said
    #[command(after_help = "\
Examples:
  lab diff before.json after.json                 what differs; two runs are too few for a verdict
  lab diff --before a1.json a2.json a3.json --after b1.json b2.json b3.json
  lab diff --before a*.json --after b*.json --fail-on-slower       for a script: 1 when a total is slower

Each file is `lab measure --json --out FILE` of another start of the programs: files of one start count as one
run. A verdict is about the medians of runs, its interval comes from how they scatter; the last line says by which
statistic. Make all of them on the same machine, soon after each other, the sides in turn. `lab compare` does
all of that.")]
    Diff {
        #[command(flatten)]
        diff: DiffArguments,
        #[command(flatten)]
        global: Global,
    },
    /// Which rows of the chapter's table agree with each other, and which cannot: by counted round trips
    #[command(after_help = "\
Counts, on the running lab or on one that is started for this: DNS queries when the browser, the resolver
or nobody knows the name; the segments of a TCP handshake; the round trips of TLS 1.2, of TLS 1.3 and of a
request. They are the same on every machine. Each row of the chapter's table then says how long a round trip
would be if it were right. (The [budget] of lab.toml is another one: `lab check`.)

  lab budget
  lab budget --json")]
    Budget {
        #[command(flatten)]
        global: Global,
    },
    /// What runs, where, since when, how much memory and CPU
    Status {
        #[command(flatten)]
        global: Global,
    },
    /// Stop the running lab, and wait until it is gone
    Stop {
        #[command(flatten)]
        global: Global,
    },
    /// curl, with the lab's name resolution, its certificate authority and a bearer token
    #[command(
        disable_help_flag = true,
        after_help = "\
Examples:
  lab curl -i /cart
  lab curl -s /cart/items -d '{\"productId\":\"PROD-123\",\"quantity\":1}' -H 'content-type: application/json'
  lab curl -v https://api.myshop.com:8443/cart -H 'Authorization:'      without the token

All arguments are curl's; the lab's own stand before: lab --set lab.name=two curl /cart
Added before them: --cacert with the lab's CA, --resolve with the address that
the lab's resolver answers, and an Authorization header unless you give one (an empty one sends none).
An argument that begins with / becomes https://api.myshop.com:8443/… wherever it stands, unless its first folder is
one of this machine (-o /tmp/x, -o /dev/null); another value that begins with / is attached to its option: -d/x"
    )]
    Curl {
        /// Whatever curl understands
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<String>,
    },
    /// The shop's events, read from Kafka: in order per cart, each once, with the trace that caused it
    #[command(after_help = "\
Examples:
  lab events                       all that Kafka has, the oldest first
  lab events --follow              and what comes, as it comes, until Ctrl-C
  lab events --json | jq .traceId  one JSON object a line

A line: when (UTC), what, whose cart, which line of it, which product, how many; in a terminal of 120 columns also the trace, which --json always has.
Kafka may hold an event twice, when a pod died at the wrong moment: it has the same eventId then and
is printed once (among the last 100,000). --follow waits for a Kafka that is gone, and goes on.")]
    Events {
        /// Print what comes, too, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
        /// Another topic [default: the one in the plan's kafka:// URL, else cart-events]
        #[arg(long, value_name = "NAME")]
        topic: Option<String>,
        #[command(flatten)]
        global: Global,
    },
    /// Show the lab's certificates and until when they are valid; issue them (again)
    Certs {
        /// Issue everything again: the authority, the certificates, the token's key
        #[arg(long)]
        renew: bool,
        /// Print a bearer token instead, good for an hour: curl -H "authorization: Bearer $(lab certs --token)"
        #[arg(long, conflicts_with = "renew")]
        token: bool,
        #[command(flatten)]
        global: Global,
    },
    /// Real programs that fit the slots: which, whether they are installed, what to install
    #[command(after_help = "\
A recipe starts a real program in a slot, with the settings that make it fit:
  lab --swap store=redis-server --swap ingress=nginx     for one run
  recipe = \"nginx\"                                      for good, below [hop.ingress] in lab.toml")]
    Recipes {
        #[command(flatten)]
        global: Global,
    },
    /// A shell, or a command, on a host of a lab that runs in a network of its own (lab --net real)
    #[command(after_help = SHELL)]
    Shell {
        #[command(flatten)]
        shell: ShellArguments,
        #[command(flatten)]
        global: Global,
    },
    /// Make a network of its own and nothing else: whether that works here
    #[command(hide = true, name = crate::private::TRY)]
    TryNetwork {
        #[command(flatten)]
        global: Global,
    },
    /// What this machine can and cannot do, why, and what to do about it
    Doctor {
        #[command(flatten)]
        global: Global,
    },
}

impl Cli {
    /// The options before the command alone.
    pub(crate) fn before(&self) -> Global {
        self.global.clone()
    }

    /// Options that are known better than they were typed.
    pub(crate) fn amend(&mut self) -> &mut Global {
        &mut self.global
    }

    /// The options of every command, from before it and from behind it.
    pub(crate) fn global(&self) -> Global {
        let later = match &self.command {
            Some(
                Command::Measure { global, .. }
                | Command::Export { global, .. }
                | Command::Check { global, .. }
                | Command::Compare { global, .. }
                | Command::Diff { global, .. }
                | Command::Budget { global }
                | Command::Status { global }
                | Command::Stop { global }
                | Command::Events { global, .. }
                | Command::Certs { global, .. }
                | Command::Recipes { global }
                | Command::Shell { global, .. }
                | Command::TryNetwork { global }
                | Command::Doctor { global },
            ) => global,
            // Everything behind `curl` is curl's.
            Some(Command::Curl { .. }) | None => return self.global.clone(),
        };
        self.global.clone().and(later)
    }
}

#[cfg(test)]
mod tests;
