//! Who did what, as the first column of a table says it.

use journey::{Line, PartKind};

/// The width of the column that says where the time went.
pub(super) const WHERE: usize = 56;

/// `hop what`, indented by how deep the call is.
pub(super) fn label(row: &Line) -> String {
    let indent = "  ".repeat(usize::from(row.depth).min(6) + 1);
    let what = match row.name.as_str() {
        "" => row.hop.clone(),
        name if row.kind == PartKind::Leg && name.contains('→') => name.to_owned(),
        name => format!("{}: {name}", row.hop),
    };
    let text = format!("{indent}{what}");
    if text.chars().count() <= WHERE { text } else { text.chars().take(WHERE - 1).chain(['…']).collect() }
}
