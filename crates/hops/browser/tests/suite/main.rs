//! The program `browser`, between a resolver and an HTTPS server of the test.

mod servers;

use std::process::{Command, Output};

use servers::Servers;

/// Runs the program to its end; what it says on stdout and on stderr.
fn browser(servers: &Servers, arguments: &[&str]) -> (Output, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_browser"));
    command
        .args(["--resolver", &servers.resolver.to_string()])
        .arg("--cacert")
        .arg(&servers.ca)
        .args(arguments);
    let output = command.output().expect("start the browser");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// The first words of the lines that tell steps.
fn steps(err: &str) -> Vec<String> {
    let known = ["DNS", "TCP", "TLS", "request", "first", "last"];
    let words = err.lines().filter_map(|line| line.split_whitespace().nth(2));
    words.filter(|word| known.contains(word)).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_takes_every_step_and_the_second_finds_them_done() {
    let servers = Servers::start().await;
    let url = format!("https://shop.test:{}/cart", servers.port);
    let (output, out, err) = browser(&servers, &[&url, "-n", "2"]);
    assert_eq!(output.status.code(), Some(0), "{err}");
    let request = ["request", "first", "last"];
    assert_eq!(steps(&err), [&["DNS", "TCP", "TLS"][..], &request, &request].concat(), "{err}");
    for word in ["A shop.test.", "TLS 1.3, TLS_", "X25519", "ALPN h2", "GET /cart", "200 OK", "in all"] {
        assert!(err.contains(word), "{word}: {err}");
    }
    assert_eq!(out, "GET /cart HTTP/2.0\n".repeat(2), "the body is on stdout");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_1_a_body_and_a_header_arrive_as_they_were_given() {
    let servers = Servers::start().await;
    let url = format!("https://shop.test:{}/cart/items?x=1", servers.port);
    let (output, out, err) = browser(&servers, &[&url, "--http1.1", "-d", "{}", "-H", "X-Word: yes"]);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(err.contains("ALPN http/1.1"), "{err}");
    assert_eq!(out, "POST /cart/items?x=1 HTTP/1.1 {} yes\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_read_a_line_of_json() {
    let servers = Servers::start().await;
    let (output, out, err) = browser(&servers, &[&format!("https://shop.test:{}/", servers.port), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{err}");
    let line: serde_json::Value = serde_json::from_str(&out).expect("a line of JSON");
    assert_eq!((&line["status"], &line["steps"][0]["step"]), (&200.into(), &"DNS".into()), "{line}");
    let steps = line["steps"].as_array().expect("a list").iter();
    let ends: Vec<u64> =
        steps.filter_map(|step| Some(step["at_ns"].as_u64()? + step["takes_ns"].as_u64()?)).collect();
    assert!(ends.len() == 6 && ends.is_sorted(), "one step after the other: {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_says_at_which_step_and_whose_fault_it_is() {
    let servers = Servers::start().await;
    let port = servers.port;
    let fails = |arguments: &[&str], code: i32, says: &[&str]| {
        let (output, _, err) = browser(&servers, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {err}");
        assert!(says.iter().all(|word| err.contains(word)), "{arguments:?}: {err}");
    };
    fails(&["http://shop.test/"], 2, &["https:// only"]);
    fails(&[&format!("https://nobody.test:{port}/")], 3, &["nobody.test", "NXDOMAIN"]);
    // The certificate is the shop's, not the address's.
    fails(&[&format!("https://127.0.0.1:{port}/")], 3, &["TLS handshake", "certificate"]);
    fails(&["https://shop.test:1/"], 3, &["shop.test is 127.0.0.1:1", "refused"]);
    let other = Servers::start().await;
    let url = format!("https://shop.test:{port}/");
    fails(&[&url, "--cacert", "/nowhere/ca.pem"], 2, &["cannot be used multiple times"]);
    let (output, _, err) = browser(&servers.trusting(&other), &[&url]);
    assert!(
        output.status.code() == Some(3) && err.contains("TLS handshake: invalid peer certificate"),
        "{err}"
    );
}
