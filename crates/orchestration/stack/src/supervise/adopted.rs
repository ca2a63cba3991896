//! Who has lost its parent while the lab runs: found once a second, told once, ended with the lab.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::guard;
use super::leftovers::{self, Leftover, Leftovers};
use super::processes::{self, Process};
use super::status::{Event, Status};

/// Between two looks at the lab's children.
const INTERVAL: Duration = Duration::from_secs(1);
/// Whose they are when nothing tells.
const SOMEBODY: &str = "one of the programs";

/// A hop as its left-over processes are looked for.
pub(super) struct Hop {
    pub(super) leftovers: Leftovers,
    pub(super) status: Arc<Mutex<Status>>,
}

/// Looks for adopted processes, for ever.
pub(super) async fn follow(hops: Vec<Hop>, events: mpsc::UnboundedSender<Event>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut adopted = Adopted {
        hops,
        firsts: HashSet::new(),
        seen: HashSet::new(),
        told: HashMap::new(),
        strangers: HashSet::new(),
    };
    loop {
        ticks.tick().await;
        adopted.look(&events);
    }
}

/// Ends whoever was adopted and belongs to nobody that can be told; names them.
pub(super) async fn end() -> Vec<Leftover> {
    let of_labs: Vec<Process> =
        children().into_iter().filter(|child| !child.zombie && leftovers::is_of_a_lab(child)).collect();
    if of_labs.is_empty() { Vec::new() } else { leftovers::end(&of_labs).await }
}

struct Adopted {
    hops: Vec<Hop>,
    /// Every first process that a hop has had.
    firsts: HashSet<u32>,
    /// Children of the last look: who is only just being started is there for the first time.
    seen: HashSet<u32>,
    told: HashMap<u32, Process>,
    /// Children of the last look that no hop has started: whose they are is a scan of /proc, made once.
    strangers: HashSet<u32>,
}

impl Adopted {
    fn look(&mut self, events: &mpsc::UnboundedSender<Event>) {
        self.firsts.extend(self.hops.iter().filter_map(|hop| hop.status.lock().pid));
        let children = children();
        let now: HashSet<u32> = children.iter().map(|child| child.pid).collect();
        for child in children {
            let new = !self.seen.contains(&child.pid);
            if self.firsts.contains(&child.pid) || new {
                continue;
            }
            if child.zombie {
                let of_a_hop = self.told.contains_key(&child.pid) || self.firsts.contains(&child.group);
                if of_a_hop || leftovers::is_of_a_lab(&child) {
                    leftovers::reap(&child);
                }
            } else if !self.told.contains_key(&child.pid) && !self.strangers.contains(&child.pid) {
                self.tell(child, events);
            }
        }
        self.strangers.retain(|pid| now.contains(pid));
        self.seen = now;
        self.told.retain(|_, process| process.lives());
        for hop in &self.hops {
            hop.status.lock().left.retain(|left| self.told.contains_key(&left.pid));
        }
    }

    fn tell(&mut self, child: Process, events: &mpsc::UnboundedSender<Event>) {
        let owner = self.hops.iter().find(|hop| hop.leftovers.owns(&child, true));
        if owner.is_none() && !leftovers::is_of_a_lab(&child) {
            self.strangers.insert(child.pid);
            return;
        }
        if let Some(guard) = guard::guard().filter(|_| child.group == child.pid) {
            guard.watch(child.group);
        }
        let left = Leftover::from(&child);
        let name = owner.map_or_else(|| SOMEBODY.to_owned(), |hop| hop.status.lock().name.clone());
        if let Some(hop) = owner {
            hop.status.lock().left.push(left.clone());
        }
        let _ = events.send(Event::Left(name, left));
        self.told.insert(child.pid, child);
    }
}

/// This process's children.
fn children() -> Vec<Process> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists: Option<Vec<String>> =
        tasks.map(|task| std::fs::read_to_string(task.path().join("children")).ok()).collect();
    match lists {
        Some(lists) => {
            let pids = lists.iter().flat_map(|list| list.split_whitespace());
            pids.filter_map(|pid| Process::of(pid.parse().ok()?)).collect()
        }
        // A kernel without CONFIG_PROC_CHILDREN.
        None => processes::all().into_iter().filter(|process| process.parent == std::process::id()).collect(),
    }
}
