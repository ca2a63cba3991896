//! What the bytes behind the last sound batch can be: a write that never ended, or damage with sound batches behind it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use crate::batch::{BatchHeader, HEADER};
use crate::limits::{MAX_BATCH, MAX_RECORDS};

/// Bytes read at once.
pub(super) const WINDOW: usize = 1 << 20;
/// So many zeros at the end are blocks that were never written: the smallest piece in which disks write. Fewer may
/// be the end of a record.
const SECTOR: u64 = 512;

/// The end of a segment's file, from the first byte that is not what was written.
pub(super) struct Tail<'a> {
    pub(super) file: &'a File,
    pub(super) position: u64,
    /// The offset that is due at `position`.
    pub(super) offset: i64,
    /// The file's length.
    pub(super) length: u64,
    /// Records before this offset were acknowledged, if that is known.
    pub(super) acknowledged: Option<i64>,
}

impl Tail<'_> {
    /// Where sound batches go on, and the offset of the first.
    pub(super) fn sound_rest(&self) -> io::Result<Option<(u64, i64)>> {
        let mut front = [0; HEADER];
        let claimed = match self.length.checked_sub(self.position) {
            Some(left) if left >= HEADER as u64 => {
                self.file.read_exact_at(&mut front, self.position)?;
                BatchHeader::parse(&front).map(|header| self.position + header.length as u64)
            }
            _ => return Ok(None),
        };
        // Where the damaged one says that it ends, if that can be believed.
        if let Some(end) = claimed
            && let Some(header) = self.sound_at(end)?
            && self.may_follow(end, header.base_offset)
        {
            return Ok(Some((end, header.base_offset)));
        }
        let mut window = Vec::new();
        let mut at = self.position;
        while at + HEADER as u64 <= self.length {
            let size = usize::try_from(self.length - at).unwrap_or(usize::MAX).min(WINDOW);
            window.resize(size, 0);
            self.file.read_exact_at(&mut window, at)?;
            let starts = size - HEADER + 1;
            for start in 0..starts {
                let fits = BatchHeader::parse(&window[start..])
                    .is_some_and(|header| header.base_offset > self.offset && header.length <= MAX_BATCH);
                let position = at + start as u64;
                if fits && let Some((offset, end)) = self.sound_to_the_end(position)? {
                    // Without a byte in between it is the offset that may be damaged: then nothing ends where it should.
                    let ends_as_known = self.acknowledged == Some(end);
                    if self.may_follow(position, offset) || (position == self.position && ends_as_known) {
                        return Ok(Some((position, offset)));
                    }
                }
            }
            at += starts as u64;
        }
        Ok(None)
    }

    /// Whether the bytes before `position` can have held the records before `offset`.
    fn may_follow(&self, position: u64, offset: i64) -> bool {
        let lost = offset.saturating_sub(self.offset);
        position > self.position && lost > 0 && lost <= most_records(position - self.position)
    }

    /// The offsets of the batch at `position` and behind the last one, if sound batches without a gap fill the file from there on. A record
    /// may contain batches of another log: those end before their record does.
    fn sound_to_the_end(&self, position: u64) -> io::Result<Option<(i64, i64)>> {
        let (mut at, mut first, mut expected) = (position, None, None);
        while at < self.length {
            let sound = self.sound_at(at)?;
            let fits = |header: &BatchHeader| expected.is_none_or(|offset| offset == header.base_offset);
            let Some(header) = sound.filter(fits) else { return Ok(None) };
            first = first.or(Some(header.base_offset));
            expected = Some(header.next_offset());
            at += header.length as u64;
        }
        Ok(first.zip(expected))
    }

    fn sound_at(&self, position: u64) -> io::Result<Option<BatchHeader>> {
        if position.saturating_add(HEADER as u64) > self.length {
            return Ok(None);
        }
        let mut batch = vec![0; HEADER];
        self.file.read_exact_at(&mut batch, position)?;
        let fits = |header: &BatchHeader| {
            header.length <= MAX_BATCH && header.length as u64 <= self.length - position
        };
        let Some(header) = BatchHeader::parse(&batch).filter(fits) else { return Ok(None) };
        batch.resize(header.length, 0);
        self.file.read_exact_at(&mut batch[HEADER..], position + HEADER as u64)?;
        Ok(header.checksum_holds(&batch).then_some(header))
    }

    /// Whether the rest of the file is the beginning of a batch whose end was never written.
    pub(super) fn is_unfinished(&self) -> io::Result<bool> {
        let left = self.length - self.position;
        let size = usize::try_from(left).unwrap_or(usize::MAX);
        if size > MAX_BATCH {
            // No batch is so long. Several of one write may be, when none of their blocks was written.
            return self.ends_in_zeros(left);
        }
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, self.position)?;
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count() as u64;
        if zeros == left || zeros >= SECTOR {
            return Ok(true);
        }
        // What was written first: the offset that was due, a length beyond the end, the format.
        let due = self.offset.to_be_bytes();
        let offset_fits = bytes.iter().zip(&due).all(|(found, due)| found == due);
        let length = bytes.get(8..12).map(|field| field.try_into().map_or(0, i32::from_be_bytes));
        let length_fits = length.is_none_or(|length| {
            usize::try_from(length).is_ok_and(|length| (size + 1..=MAX_BATCH).contains(&(length + 12)))
        });
        let format_fits = bytes.get(16).is_none_or(|magic| *magic == 2);
        // All there by its checksum, which does not cover the length: then only that field is wrong.
        let whole = bytes.len() >= HEADER && {
            let stated = u32::from_be_bytes([bytes[17], bytes[18], bytes[19], bytes[20]]);
            crc32c::crc32c(&bytes[21..]) == stated
        };
        Ok(offset_fits && length_fits && format_fits && !whole)
    }

    fn ends_in_zeros(&self, at_least: u64) -> io::Result<bool> {
        let mut reader = self.file;
        reader.seek(SeekFrom::Start(self.length - at_least.min(self.length)))?;
        let mut chunk = vec![0; WINDOW];
        loop {
            let count = reader.read(&mut chunk)?;
            if count == 0 {
                return Ok(true);
            }
            if chunk[..count].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
        }
    }
}

/// As many records as so many bytes can ever have held.
pub(super) fn most_records(bytes: u64) -> i64 {
    let batches = i64::try_from(bytes / HEADER as u64 + 1).unwrap_or(i64::MAX);
    batches.saturating_mul(i64::from(MAX_RECORDS))
}
