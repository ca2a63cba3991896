//! What programs say and what packets say, side by side, for people.

use std::fmt::Write as _;

use tap::compare::{Compared, HopCompared, LegCompared};

use measure::packets::Tap;

/// The width of the column that names a leg or a program.
const WHO: usize = 40;

/// What the tap saw, and where it disagrees with the programs.
pub fn table(tap: &Tap) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Packets on loopback: {} seen, {} lost, {} flows{}; medians, in µs",
        tap.packets,
        tap.lost,
        tap.flows,
        match tap.anchored {
            0 => String::new(),
            some => format!(" ({some} began before the capture: their bytes are counted as the programs do)"),
        },
    );
    for (kind, compared) in [("cold", &tap.cold), ("warm", &tap.warm)] {
        if let Some(compared) = compared {
            series(&mut out, kind, compared);
        }
    }
    out
}

fn series(out: &mut String, kind: &str, compared: &Compared) {
    let title = format!("legs, {} {kind}", compared.journeys);
    let _ = writeln!(
        out,
        "  {title:<WHO$} {:>9} {:>9} {:>9} {:>11} {:>9} {:>9}",
        "messages", "inside", "tap", "inside-tap", "write", "wake-up"
    );
    for leg in &compared.legs {
        leg_row(out, leg);
    }
    out.push_str("    write: from the stamp before the write to the packet's leaving; wake-up: from its arrival to the read\n");
    if compared.legs.iter().any(|leg| leg.woken) {
        out.push_str("    * ends with the read, and so contains the wake-up\n");
    }
    let title = format!("programs, {} {kind}", compared.journeys);
    let _ =
        writeln!(out, "  {title:<WHO$} {:>9} {:>9} {:>9} {:>12}", "journeys", "inside", "tap", "inside-tap");
    for hop in &compared.hops {
        hop_row(out, hop);
    }
    for hop in &compared.hops {
        if let Some(why) = &hop.misreports {
            let _ = writeln!(out, "  ! {} misreports: {why}", hop.hop);
        }
        if hop.unseen > 0 {
            let _ = writeln!(
                out,
                "  ! {}: {} of its {} stamps speak of bytes that the tap did not see",
                hop.hop, hop.unseen, hop.stamps
            );
        }
    }
}

fn leg_row(out: &mut String, leg: &LegCompared) {
    let who = format!("  {} → {}", leg.from, leg.to);
    let star = if leg.woken { "*" } else { " " };
    let _ = writeln!(
        out,
        "  {who:<WHO$} {:>9} {:>9}{star}{:>9} {:>11} {:>9} {:>9}",
        leg.messages,
        micros(leg.inside_ns),
        micros(leg.tap_ns),
        signed(leg.disagreement_ns),
        signed(leg.sent_ns),
        micros(leg.wake_ns),
    );
}

fn hop_row(out: &mut String, hop: &HopCompared) {
    let who = format!("  {}", hop.hop);
    let line = format!(
        "  {who:<WHO$} {:>9} {:>9} {:>9} {:>11}  {}",
        hop.journeys,
        micros(hop.inside_ns),
        micros(hop.tap_ns),
        signed(hop.disagreement_ns),
        match (&hop.misreports, hop.opaque) {
            (Some(_), _) => "misreports",
            (None, true) => "reports nothing",
            (None, false) => "",
        },
    );
    let _ = writeln!(out, "{}", line.trim_end());
}

fn micros(nanoseconds: Option<u64>) -> String {
    nanoseconds.map_or_else(|| "-".to_owned(), |ns| format!("{:.1}", ns as f64 / 1e3))
}

fn signed(nanoseconds: Option<i64>) -> String {
    nanoseconds.map_or_else(|| "-".to_owned(), |ns| format!("{:+.1}", ns as f64 / 1e3))
}
