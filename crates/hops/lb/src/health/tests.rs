use std::time::Duration;

use super::*;

fn settings() -> HealthSettings {
    HealthSettings {
        health_path: "/healthz".to_owned(),
        health_interval: Duration::from_secs(1),
        health_timeout: Duration::from_secs(1),
        health_rise: 2,
        health_fall: 3,
        eject_after: 2,
    }
}

fn checks(health: &mut Health, outcomes: &str) -> Vec<Option<Change>> {
    outcomes.chars().map(|outcome| health.checked(outcome == '+', &settings())).collect()
}

#[test]
fn the_first_success_counts_at_once_and_later_ones_need_to_be_several() {
    let mut health = Health::default();
    assert!(!health.is_up(), "unknown is not healthy");
    assert_eq!(checks(&mut health, "--+"), [None, None, Some(Change::Up)]);
    assert_eq!(checks(&mut health, "--+---"), [None, None, None, None, None, Some(Change::Down)]);
    assert_eq!(checks(&mut health, "+-++"), [None, None, None, Some(Change::Up)]);
}

#[test]
fn refused_connections_in_a_row_eject_and_checks_bring_back() {
    let mut health = Health::default();
    checks(&mut health, "+");
    assert_eq!(health.refused(&settings()), None);
    health.connected();
    assert_eq!(health.refused(&settings()), None);
    assert_eq!(health.refused(&settings()), Some(Change::Down));
    assert!(!health.is_up());
    assert_eq!(health.refused(&settings()), None, "it is out already");
    assert_eq!(checks(&mut health, "++"), [None, Some(Change::Up)]);
}
