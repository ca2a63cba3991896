//! The table of all commands.

use std::sync::LazyLock;

use super::spec::{Spec, Table};
use super::{
    connection, hashes, keys, numbers, server, stream_add, stream_info, streams, strings, transactions,
};

static FAMILIES: [&[Spec]; 10] = [
    connection::COMMANDS,
    server::COMMANDS,
    keys::COMMANDS,
    strings::COMMANDS,
    numbers::COMMANDS,
    hashes::COMMANDS,
    streams::COMMANDS,
    stream_add::COMMANDS,
    stream_info::COMMANDS,
    transactions::COMMANDS,
];

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&FAMILIES));
