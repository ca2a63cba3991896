//! Placeholder
pub(crate) async fn warnings(_plan: &crate::plan::Plan) -> Vec<String> {
    Vec::new()
}
