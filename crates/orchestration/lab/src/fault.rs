//! At which hop a request fails: each is sent what it is there for, by itself.

use measure::browser::Request;
use stack::Failed;

use crate::viewer::Viewer;

/// The hops that respond wrongly, deepest first; `None` when each by itself responds as it should.
pub(crate) async fn found(viewer: &Viewer) -> Option<String> {
    let options = measure::Options::default();
    let request = Request::add_item(&options.product, options.quantity);
    let token = viewer.target().ok().and_then(|target| target.browser.token).unwrap_or_default();
    let item = String::from_utf8_lossy(&request.body);
    let failed = Failed { token: &token, product: &options.product, item: &item };
    let suspects = viewer.stack.suspects(&failed).await;
    let (first, others) = suspects.split_first()?;
    let others = others.iter().map(|other| format!("\n  and so does {}: {}", other.name, other.refusal));
    Some(others.fold(first.to_string(), |text, other| text + &other))
}
