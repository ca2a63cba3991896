//! What `browser` does with its arguments: sends, and shows the steps.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use crate::arguments::Arguments;
use crate::browser::Browser;
use crate::request::Response;
use crate::steps::{self, Step};

/// Wrong usage.
const MISUSE: u8 = 2;
/// There was no response.
const NOTHING: u8 = 3;

/// Sends what the arguments say, and shows it.
pub fn run(arguments: &Arguments) -> ExitCode {
    hop::start::abort_on_panic();
    let (config, request) = match arguments.meaning() {
        Ok(meaning) => meaning,
        Err(error) => return failed(&error, MISUSE),
    };
    let all = async {
        let mut browser = Browser::new(config)?;
        for _ in 0..arguments.number {
            let response = browser.send(&request).await?;
            show(&response, arguments.json).context("write to the terminal")?;
        }
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(all)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, NOTHING),
    }
}

fn failed(error: &anyhow::Error, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "browser: {error:#}");
    ExitCode::from(code)
}

fn show(response: &Response, as_json: bool) -> io::Result<()> {
    let steps = steps::of(response);
    let mut out = io::stdout().lock();
    if as_json {
        let body = String::from_utf8_lossy(&response.body);
        let line = json!({ "status": response.status.as_u16(), "steps": steps, "body": body });
        return writeln!(out, "{line}");
    }
    lines(&steps, response.total_ns)?;
    out.write_all(&response.body)?;
    if !response.body.is_empty() && !response.body.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn lines(steps: &[Step], total_ns: u64) -> io::Result<()> {
    let mut out = io::stderr().lock();
    writeln!(out, "{:>10}  {:>10}", "at ms", "takes ms")?;
    let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    for Step { step, at_ns, takes_ns, detail } in steps {
        let (at, takes) = (milliseconds(*at_ns), milliseconds(*takes_ns));
        writeln!(out, "{at:>10.3}  {takes:>10.3}  {step:<11} {detail}")?;
    }
    writeln!(out, "{:>10.3}  {:>10}  in all", milliseconds(total_ns), "")
}
