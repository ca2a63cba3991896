use std::collections::BTreeSet;

use super::{attribute, name, stamp};

/// The namespaces of OpenTelemetry that are in use; everything else must be under our own prefix.
const OPENTELEMETRY: [&str; 11] =
    ["service", "server", "network", "error", "enduser", "tls", "http", "url", "db", "messaging", "dns"];

#[test]
fn a_key_is_opentelemetrys_or_begins_with_our_prefix() {
    for key in attribute::ALL.iter().chain(stamp::ALL) {
        let namespace = key.split('.').next().unwrap_or_default();
        assert!(namespace == "journey" || OPENTELEMETRY.contains(&namespace), "{key}");
    }
    // OpenTelemetry's registry has no other attribute for queries.
    let dns: Vec<_> = attribute::ALL.iter().filter(|key| key.starts_with("dns.")).collect();
    assert_eq!(dns, [&attribute::DNS_QUESTION_NAME]);
}

#[test]
fn no_two_constants_mean_the_same_name() {
    for names in [attribute::ALL, name::ALL, stamp::ALL] {
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
