//! A running stack as what is measured: where the browser begins, who listens where, who passes requests on to whom.

use anyhow::Context as _;
use journey::Stage;
use measure::{Entry, Flush, Recorders, Target, TargetHop, browser};
use plan::{NetworkMode, Role, Runs, Settings};
use stack::View;

/// Its token is fresh, good for an hour.
///
/// # Errors
/// The signing key cannot be read.
pub(crate) fn target(stack: &View) -> anyhow::Result<Target> {
    let (plan, certs, statuses) = (stack.plan(), stack.certs(), stack.statuses());
    let resolver = plan.first(Role::Resolver).context("a plan has a resolver")?;
    let lb = plan.first(Role::Lb).context("a plan has an lb")?;
    let hops = plan.hops().map(|(_, hop)| {
        let mut listen = vec![hop.listen];
        if let Settings::Resolver { doh, .. } = &hop.settings {
            listen.push(*doh);
        }
        // Instances of these roles are hops of their own; all others share the work of one.
        let role = match hop.role() {
            Role::Dns | Role::Clusterip => hop.name.clone(),
            role => role.to_string(),
        };
        let pid = statuses.iter().find(|status| status.name == hop.name).and_then(|status| status.pid);
        let onward = match &hop.settings {
            Settings::Lb { upstreams, .. } => upstreams.clone(),
            Settings::Ingress { rules, default } => {
                rules.iter().map(|rule| rule.service).chain(*default).collect()
            }
            Settings::Clusterip { endpoints, .. } => endpoints.clone(),
            // Its store and its broker get no trace context: nobody waits for their spans.
            Settings::Cart { inventory, .. } => vec![*inventory],
            _ => Vec::new(),
        };
        let onward = onward.into_iter().map(|id| plan.hop(id).name.clone()).collect();
        // The browser connects to the lb, and the cart's is the response that it waits for.
        let begins = match hop.role() {
            Role::Lb => Some(Stage::ToPod),
            Role::Cart => Some(Stage::Application),
            _ => None,
        };
        let recorder = plan.recorder(hop);
        TargetHop {
            name: hop.name.clone(),
            role,
            pid,
            opaque: !hop.reports,
            recorder,
            begins,
            listen,
            onward,
        }
    });
    let hops: Vec<TargetHop> = hops.collect();
    let browser = browser::Config {
        resolver: resolver.listen,
        host: plan.host.clone(),
        port: lb.listen.port(),
        ca: certs.authority(),
        token: Some(certs.token(&plan.host, &plan.user, hop::clock::now())?),
        http: browser::HttpVersion::Http2,
        known: hops.iter().flat_map(|hop| hop.listen.iter().copied()).collect(),
    };
    let flush = match resolver.admin.filter(|_| resolver.runs == Runs::Own) {
        Some(admin) => Flush::Endpoint { admin, secret: stack.secret().clone() },
        None => Flush::Command { words: stack.flush().to_vec(), path: plan::programs::search_path() },
    };
    Ok(Target {
        browser,
        flush,
        hops,
        entry: stack.browser_host().cloned().map(|host| Entry::new(move || host.enter())).unwrap_or_default(),
        network: match plan.mode {
            NetworkMode::Loopback => "loopback".to_owned(),
            NetworkMode::Real => "real".to_owned(),
        },
        build: stack::binaries::PROFILE.to_owned(),
    })
}

/// The programs that keep what they did until somebody asks.
///
/// # Errors
/// As [`target`].
pub(crate) fn recorders(stack: &View) -> anyhow::Result<Recorders> {
    let target = target(stack)?;
    let hops = target.hops.iter().filter_map(|hop| Some((hop.name.clone(), hop.recorder?)));
    Ok(Recorders::new(target.roster(), stack.secret().clone(), hops))
}
