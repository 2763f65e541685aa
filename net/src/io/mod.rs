//! What one wants on top of futures-io's traits: whole reads and writes, buffers, lines, copying.
//!
//! The traits themselves are those of the `futures-io` crate, re-exported here. [`AsyncReadExt`], [`AsyncWriteExt`] and
//! [`AsyncBufReadExt`] add methods to everything that implements them; [`BufReader`] and [`BufWriter`] put a buffer in between;
//! [`copy()`] and [`copy_bidirectional`] move bytes from here to there.
//!
//! Everything here works over any implementation, lenio's or another's, and names under *Cancel safety* what is lost if its future is
//! dropped halfway.

mod buf_read;
mod buf_reader;
mod buf_writer;
mod copy;
mod copy_bidirectional;
mod read;
mod read_to_end;
mod take;
mod write;

pub use buf_read::{AsyncBufReadExt, Lines, ReadLine, ReadUntil};
pub use buf_reader::BufReader;
pub use buf_writer::BufWriter;
pub use copy::copy;
pub use copy_bidirectional::copy_bidirectional;
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
pub use read::{AsyncReadExt, Read, ReadExact};
pub use read_to_end::{ReadToEnd, ReadToString};
pub use take::Take;
pub use write::{AsyncWriteExt, Close, Flush, Write, WriteAll, WriteVectored};

/// The size of a buffer unless one asks for another.
const BUFFER: usize = 8 * 1024;
