//! `lab doctor`: what this machine can and cannot do, why, and what to do about it.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use plan::recipe;
use plan::{NetworkMode, Plan};
use report::Style;
use report::layout::{Column, Table};
use serde::Serialize;
use stack::ports;

use super::planned;
use crate::arguments::Global;
use crate::outcome::Outcome;
use crate::{hint, print};

/// What was found out about one thing.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    /// What was observed.
    seen: String,
    /// What to do; empty when there is nothing to do.
    remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Ok,
    /// The lab works, with less.
    Warn,
    /// The lab does not work.
    Fail,
}

pub(crate) fn run(global: &Global) -> anyhow::Result<Outcome> {
    let plan = global.options().plan()?;
    let mut findings = vec![system(), loopback(), clock(), stamps(), descriptors()];
    findings.push(port_findings(&plan));
    findings.extend([
        program(
            "cargo",
            "builds the hops",
            "install Rust from https://rustup.rs, or use built programs with --no-build",
        ),
        program("curl", "`lab curl`", "install it: apt install curl"),
        program("dig", "querying the name servers by hand", "install it: apt install bind9-dnsutils"),
    ]);
    findings.extend(recipes(&plan));
    findings.extend([raw_sockets(), network()]);
    let text = match global.json {
        true => serde_json::to_string_pretty(&findings)?,
        false => table(&findings, global.style(), print::text_width()),
    };
    print::result(&text)?;
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if failed { Outcome::CheckFailed } else { Outcome::Good })
}

fn ok(what: &'static str, seen: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Ok, seen: seen.into(), remedy: String::new() }
}

fn warn(what: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Warn, seen: seen.into(), remedy: remedy.into() }
}

fn fail(what: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Fail, seen: seen.into(), remedy: remedy.into() }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn system() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let release = read("/proc/sys/kernel/osrelease");
    let seen = format!("{} {release}, {cores} cores", std::env::consts::OS);
    match (cfg!(target_os = "linux"), cores) {
        (true, 2..) => ok("system", seen),
        (true, _) => {
            warn("system", seen, "all programs share one core: times are longer, counts are the same")
        }
        (false, _) => warn(
            "system",
            seen,
            "made for Linux: elsewhere programs do not die with a killed lab, and stamps are the programs' own",
        ),
    }
}

fn loopback() -> Finding {
    let addresses =
        [Ipv4Addr::new(127, 0, 53, 1), Ipv4Addr::new(127, 244, 1, 15), Ipv4Addr::new(127, 96, 50, 100)];
    match addresses.into_iter().find_map(|ip| TcpListener::bind((ip, 0)).err().map(|error| (ip, error))) {
        None => ok("loopback", "all of 127.0.0.0/8 answers: every hop has an address of its own"),
        Some((ip, error)) => fail(
            "loopback",
            format!("{ip} cannot be used: {error}"),
            format!(
                "add it (macOS: sudo ifconfig lo0 alias {ip}), or give every hop 127.0.0.1 and its own port in lab.toml"
            ),
        ),
    }
}

fn clock() -> Finding {
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    match source.as_str() {
        "" => warn("clock", "its source is not known here", "compare `lab measure` runs with care"),
        "tsc" | "kvm-clock" | "arch_sys_counter" => {
            ok("clock", format!("{source}: read without a system call"))
        }
        other => warn(
            "clock",
            format!("{other}: each stamp costs a system call or more"),
            "boot with clocksource=tsc if the processor's is stable",
        ),
    }
}

fn stamps() -> Finding {
    let seen = match hop::stamped::kernel::works() {
        Ok(true) => return ok("kernel stamps", "arrivals are stamped (SO_TIMESTAMPING): tried on loopback"),
        Ok(false) => "the kernel takes the option and stamps nothing".to_owned(),
        Err(error) => format!("SO_TIMESTAMPING: {error}"),
    };
    warn("kernel stamps", seen, "legs include the receiver's wake-up; every number says so (quality: user)")
}

fn descriptors() -> Finding {
    let limits = read("/proc/self/limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let soft = line.split_whitespace().nth(3).and_then(|number| number.parse::<u64>().ok());
    match soft {
        Some(soft @ ..1024) => warn(
            "open files",
            format!("{soft} per program"),
            "ulimit -n 4096, for more than a few hundred connections",
        ),
        Some(soft) => ok("open files", format!("{soft} per program")),
        None => ok("open files", "no limit is known"),
    }
}

fn port_findings(plan: &Plan) -> Finding {
    if let Some(run) = planned::running(plan) {
        return ok("ports", format!("held by the running lab \"{}\" (pid {})", plan.name, run.pid));
    }
    if plan.mode == NetworkMode::Real {
        return ok("ports", "each host has its own: no other program can hold one");
    }
    let taken = ports::taken(plan);
    let count: usize = plan.hops().map(|(_, hop)| hop.binds().len()).sum();
    if taken.is_empty() {
        return ok("ports", format!("all {count} addresses of the plan are free"));
    }
    let list: Vec<String> = taken.iter().map(ToString::to_string).collect();
    fail("ports", list.join("; "), "stop those programs, or --set network.port_offset=100")
}

fn program(name: &'static str, what_for: &str, remedy: &str) -> Finding {
    match plan::programs::find(name) {
        Some(path) => ok(name, path.display().to_string()),
        None => warn(name, format!("not found; it is for {what_for}"), remedy),
    }
}

/// What the recipes of this plan need.
fn recipes(plan: &Plan) -> Vec<Finding> {
    let missing = plan.hops().filter_map(|(_, hop)| {
        let recipe = hop.missing()?;
        let seen = format!("hop.{} needs {}, which is not installed", hop.name, recipe.program);
        Some(fail("recipe", seen, recipe.install.clone()))
    });
    let mut findings: Vec<Finding> = missing.collect();
    let (here, all) =
        (recipe::all().iter().filter(|recipe| recipe.installed().is_some()), recipe::all().len());
    let seen =
        format!("the programs of {} out of {all} are installed; `lab recipes` lists them", here.count());
    findings.push(ok("recipes", seen));
    findings
}

/// May packets be captured, for `lab measure --tap`?
fn raw_sockets() -> Finding {
    match measure::packets::allowed() {
        Ok(()) => ok("tap", "packets on loopback can be captured: `lab measure --tap` works"),
        Err(error) => {
            let text = error.to_string();
            let (seen, remedy) = text.split_once("\n  what to do: ").unwrap_or((&text, ""));
            warn("tap", seen, format!("{remedy}; without it everything but `lab measure --tap` works"))
        }
    }
}

/// Is there a network of its own to be had? Tried, in a process of its own.
fn network() -> Finding {
    let what = "network";
    let tried = std::env::current_exe().and_then(|lab| Command::new(lab).arg(crate::private::TRY).output());
    let tried = match tried {
        Ok(tried) => tried,
        Err(error) => return warn(what, format!("it cannot be tried: {error}"), "not needed on loopback"),
    };
    if tried.status.success() {
        return ok(what, "hosts with addresses of their own can be had: `lab --net real` works");
    }
    let text = String::from_utf8_lossy(&tried.stderr).trim().trim_start_matches("error: ").to_owned();
    let (seen, remedy) = text.split_once("\n  what to do: ").unwrap_or((&text, ""));
    warn(what, seen.split_whitespace().collect::<Vec<_>>().join(" "), {
        let remedy = remedy.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{remedy}; without it everything but `lab --net real` works")
    })
}

fn table(findings: &[Finding], style: Style, width: usize) -> String {
    let mut table = Table::new(0, [Column::left(""), Column::left("")]);
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Ok => style.good("ok"),
            Verdict::Warn => style.notable("warn"),
            Verdict::Fail => style.bad("FAIL"),
        };
        let remedy =
            if finding.remedy.is_empty() { String::new() } else { format!("\n→ {}", finding.remedy) };
        let text = hint::typed(&format!("{}{remedy}", finding.seen));
        table.row_with([verdict, finding.what.to_owned()], text);
    }
    table.fit(width)
}
