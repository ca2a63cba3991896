//! Does the lab stay a good citizen when things go wrong? Killed programs, garbage on every port, wrong
//! settings, taken ports; and the promises that documents make about the code.
//!
//! | module | holds the lab to |
//! |---|---|
//! | `kill` | a killed program is reported and comes back, and nothing acknowledged is lost |
//! | `full_disk` | no program ends because it can't say something |
//! | `restart` | a program that is told to end and comes back fails no request |
//! | `floods` | the lab's own memory is bounded, whoever sends how much, and comes back |
//! | `slow` | who is slow, in whatever, holds nobody else up |
//! | `orphans` | no program outlives its lab, however that ends; labs side by side |
//! | `wrong_plan` | every mistake in lab.toml or an option is explained, and nothing is started |
//! | `wrong_programs` | a wrong program is told what is wrong, and nothing of it is left |
//! | `starting` | what cannot start says why, and leaves nothing behind |
//! | `recipes` | real programs by name: listed, missing, mistyped |
//! | `garbage` | no bytes on any port bring a program down or blow it up |
//! | `smuggling` | no bytes are one request to the load balancer and two to what is behind it |
//! | `standard` | h2spec, and clients of others that use what HTTP lets pass |
//! | `command_line` | what scripts rely on: exit codes, stdout, JSON |
//! | `terminal` | what a terminal shows: 80 columns, colours there alone, progress |
//! | `certificates` | secrets are secret, and the authority can sign for nobody else |
//! | `map` | the rules of the house: layers, circles, lengths, places, names |
//! | `documents` | what documents point to is there |
//! | `course` | the chapters of docs/course have their parts, and the lines to change are there |
//! | `contract` | the names of spans stand in one place, and what reads them knows no stack |
//!
//! `process`, `program` and `spot` are tools: a process that is told apart from a later one of the same
//! number, the `lab` program as a user starts it, and a place where it can run.

mod certificates;
mod command_line;
mod contract;
mod course;
mod documents;
mod faults;
mod floods;
mod full_disk;
mod garbage;
mod kill;
mod map;
mod orphans;
mod process;
mod program;
mod real_network;
mod recipes;
mod restart;
mod slow;
mod smuggling;
mod spot;
mod standard;
mod starting;
mod terminal;
mod wrong_plan;
mod wrong_programs;
