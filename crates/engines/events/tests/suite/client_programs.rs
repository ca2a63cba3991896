//! Consumer groups and transactions are refused in a way that every client takes for final: it ends with an error
//! instead of asking again for ever. The clients themselves, as users have them; `.ci/readers` installs those that
//! are not programs of their own. What each says is in docs/data-tier.md.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};

use crate::client::name;
use crate::engines::did_not_run;
use crate::process::Events;

/// sarama tries five times whatever the error, two seconds apart; the others once. A client that waits for ever is
/// told apart from these.
const LIMIT: Duration = Duration::from_secs(50);

fn installed(name: &str) -> String {
    format!("{}/../../../target/readers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What a client printed, all of it, once it has ended.
fn said(program: &str, arguments: &[&str]) -> Result<String, String> {
    let begun = hop::clock::monotonic();
    let mut command = Command::new("timeout");
    command.args(["60", program]).args(arguments).stdin(std::process::Stdio::null());
    let output = command.output().map_err(|error| format!("start timeout: {error}"))?;
    if output.status.code() == Some(127) {
        return Err(format!("{program} is missing: .ci/run and .ci/readers install it"));
    }
    let text = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    let took = hop::clock::since(begun);
    assert!(took < LIMIT, "{program} {arguments:?} was still waiting after {took:?}: {text}");
    Ok(text)
}

#[tokio::test]
async fn every_client_fails_at_once_when_it_wants_a_group_or_a_transaction() {
    let data = tempfile::tempdir().expect("a folder");
    let events = Events::start(data.path(), &[]);
    // franz-go joins no group for a topic that does not exist.
    let topic = MetadataRequestTopic::default().with_name(Some(name("topic")));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    let _: MetadataResponse = events.connect().await.call(9, &request).await;
    let address = events.address.to_string();
    let (python, go) = (installed("bin/python3"), installed("groups"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/readers/groups.py");
    let script = script.to_str().expect("a path in UTF-8");
    let incompatible = "sent to an incompatible broker. See the broker logs";
    let cases: [(&str, &[&str], &str); 7] = [
        (
            "kcat",
            &["-b", &address, "-G", "group", "topic"],
            "assign partitions instead of subscribing, or use Apache Kafka",
        ),
        (&python, &[script, "group", &address], "failed: InvalidRequestError"),
        (&python, &[script, "transaction", &address], "failed: KafkaError('Could not find a coordinator"),
        (&go, &["franz", "group", &address], incompatible),
        (&go, &["franz", "transaction", &address], "failed: producer ID has a fatal, unrecoverable error"),
        (&go, &["sarama", "group", &address], incompatible),
        (&go, &["sarama", "transaction", &address], "failed: kafka server: The client is not authorized"),
    ];
    let (mut groups, mut transactions) = (false, false);
    for (program, arguments, expected) in cases {
        match said(program, arguments) {
            Ok(text) => {
                assert!(text.contains(expected), "{program} {arguments:?}: {text}");
                let of_transactions = arguments.contains(&"transaction");
                (groups, transactions) = (groups || !of_transactions, transactions || of_transactions);
            }
            Err(why) => did_not_run(&format!("{program} {arguments:?}"), &why),
        }
    }
    let said = events.said();
    assert!(!groups || said.contains("consumer groups are not supported by this broker"), "{said}");
    assert!(!transactions || said.contains("transactions are not supported by this broker"), "{said}");
    assert!(said.matches("a client was refused").count() <= 20, "one line for many requests: {said}");
}
