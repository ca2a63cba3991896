//! `lab certs`: what is there, until when; again with `--renew`.

use anyhow::Context as _;
use plan::workspace::shown as shown_path;
use report::layout::{Column, Table, wrap};
use stack::certs::{CertificateFile, Certs};

use super::planned;
use crate::arguments::Global;
use crate::outcome::Outcome;
use crate::print;

pub(crate) fn run(global: &Global, renew: bool) -> anyhow::Result<Outcome> {
    let plan = global.options().plan()?;
    let now = hop::clock::now();
    let (certs, shown) = Certs::ensure(&plan.certs_folder(), &plan, now, renew)?;
    let text = if global.json {
        serde_json::to_string_pretty(&shown)?
    } else {
        table(&certs, &shown, now, print::text_width())
    };
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

fn table(certs: &Certs, shown: &[CertificateFile], now: u64, width: usize) -> String {
    let mut table = Table::new(2, [Column::left(""), Column::right("")]);
    for shown in shown {
        let days = shown.validity.not_after.saturating_sub(now / 1_000_000_000) / 86_400;
        let file = shown.file.file_name().unwrap_or_default().to_string_lossy();
        let new = if shown.renewed { " (new)" } else { "" };
        table.row_with([file.into_owned(), format!("{days} days left{new}")], shown.names.join(", "));
    }
    let key = ["jwt.key".to_owned(), String::new()];
    table.row_with(key, "signs bearer tokens; jwt.pub verifies them");
    let (folder, authority) = (shown_path(certs.folder()), shown_path(&certs.authority()));
    let below = wrap(&format!("trust it in one program only: `curl --cacert {authority}`"), width);
    format!("in {folder}\n{}{below}", table.fit(width))
}
