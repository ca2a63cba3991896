//! The commands, one file each.

pub(crate) mod budget;
pub(crate) mod certs;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod curl;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod export;

pub(crate) mod measure;
mod outside;
mod planned;
pub(crate) mod recipes;
pub(crate) mod run;
mod session;
pub(crate) mod shell;
mod signals;
mod starts;
pub(crate) mod status;
