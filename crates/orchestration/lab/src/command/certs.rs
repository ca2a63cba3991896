//! `lab certs`: what is there, until when; again with `--renew`.

use std::fmt::Write as _;

use anyhow::Context as _;
use stack::certs::{CertificateFile, Certs};

use super::planned;
use crate::arguments::Global;
use crate::outcome::Outcome;
use crate::print;

pub(crate) fn run(global: &Global, renew: bool) -> anyhow::Result<Outcome> {
    let plan = global.options().plan()?;
    let now = hop::clock::now();
    let (certs, shown) = Certs::ensure(&plan.certs_folder(), &plan, now, renew)?;
    let text = if global.json { serde_json::to_string_pretty(&shown)? } else { table(&certs, &shown, now) };
    print::result(&text).context("write to stdout")?;
    if shown.iter().any(|shown| shown.renewed)
        && let Some(run) = planned::running(&plan)
    {
        print::note(format_args!(
            "the running lab (pid {}) still uses the old ones: `lab stop`, and start it again",
            run.pid
        ));
    }
    Ok(Outcome::Good)
}

/// A bearer token for the shop, for whoever sends requests without `lab curl`.
pub(crate) fn token(global: &Global) -> anyhow::Result<Outcome> {
    let plan = global.options().plan()?;
    let now = hop::clock::now();
    let (certs, _) = Certs::ensure(&plan.certs_folder(), &plan, now, false)?;
    print::result(&certs.token(&plan.host, &plan.user, now)?).context("write to stdout")?;
    Ok(Outcome::Good)
}

fn table(certs: &Certs, shown: &[CertificateFile], now: u64) -> String {
    let mut out = format!("in {}\n", plan::workspace::shown(certs.folder()));
    for shown in shown {
        let days = shown.validity.not_after.saturating_sub(now / 1_000_000_000) / 86_400;
        let file = shown.file.file_name().unwrap_or_default().to_string_lossy();
        let new = if shown.renewed { " (new)" } else { "" };
        let _ = writeln!(out, "  {file:<14} {days:>4} days left{new}  {}", shown.names.join(", "));
    }
    let _ = writeln!(out, "  {:<14} signs bearer tokens; jwt.pub verifies them", "jwt.key");
    let _ = writeln!(
        out,
        "trust it in one program only: curl --cacert {}",
        plan::workspace::shown(&certs.authority())
    );
    out
}
