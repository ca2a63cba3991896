//! A process of its own, because these labs take no turn: they would disturb what the suite measures.
//!
//! Labs as integration tests use them: several at once, each with ports and a folder of its own.

use std::time::Duration;

use lab::plan::{Plan, Role};
use lab::{Lab, Options, measure};

async fn start(name: &str, offset: u16, folder: &tempfile::TempDir) -> Lab {
    let options = Options::new().name(name).port_offset(offset).state(folder.path());
    Lab::start(options).await.expect("it starts")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn a_journey_is_whole_and_survives_a_dead_store() {
    let folder = folder();
    let lab = start("side-a", 11_000, &folder).await;
    measure_whole_journeys(&lab).await;

    let before = lab.pid("redis");
    lab.kill("redis").expect("it runs");
    lab.ready_again("redis", before).await.expect("it comes back");
    let status = lab.statuses().into_iter().find(|status| status.name == "redis").expect("it is planned");
    assert_eq!(status.restarts, 1);
    measure_whole_journeys(&lab).await;
    assert!(lab.log("redis").contains("ready"), "both lives write to one log");
    lab.stop().await;
}

async fn measure_whole_journeys(lab: &Lab) {
    let (target, options) = (lab.target().expect("a target"), measure::Options::default());
    let measured = measure::run(&target, lab.collector(), &options, |_, _| {}).await.expect("it measures");
    for journey in measured.journeys() {
        assert!(
            journey.sealed() && journey.status == Some(201),
            "{}",
            lab::report::journey(journey, "", lab::report::Style::parts())
        );
    }
}

#[tokio::test]
async fn a_pod_that_is_not_ready_gets_no_connections() {
    let folder = folder();
    let lab = start("side-b", 12_000, &folder).await;
    let plan: &Plan = lab.plan();
    let service = plan.find("cart-service").and_then(|hop| hop.admin).expect("its admin endpoint");
    let pod = plan.first(Role::Cart).expect("a pod");
    let listed = async || {
        let reply = hop::admin::client::get(service, "/endpoints").await.expect("it answers");
        String::from_utf8_lossy(&reply.body).contains(&pod.listen.to_string())
    };
    assert!(listed().await);
    let before = lab.pid(&pod.name);
    lab.kill(&pod.name).expect("it runs");
    hop::wait::until("the pod to leave its Service", Duration::from_secs(5), async || {
        (!listed().await).then_some(())
    })
    .await
    .expect("it leaves");
    lab.ready_again(&pod.name, before).await.expect("it comes back");
    hop::wait::until("the pod to return", Duration::from_secs(5), async || listed().await.then_some(()))
        .await
        .expect("it returns");
}

#[tokio::test]
async fn a_lab_of_the_same_name_is_refused_and_dropping_gives_all_back() {
    let folder = folder();
    let lab = start("side-c", 13_000, &folder).await;
    let options = Options::new().name("side-c").port_offset(14_000).state(folder.path());
    let error = Lab::start(options).await.err().expect("it is refused");
    assert!(error.is::<lab::state::AlreadyRuns>(), "{error:#}");
    let options = Options::new().name("side-d").port_offset(13_000).state(folder.path());
    let error = format!("{:#}", Lab::start(options).await.err().expect("its ports are taken"));
    assert!(error.contains("hop.resolver.listen") && error.contains("taken"), "{error}");
    drop(lab);
    start("side-c", 13_000, &folder).await.stop().await;
}
