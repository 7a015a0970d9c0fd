//! One connection of HTTP/1.1, owned by its thread.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use http::StatusCode;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};

use super::{
    super::{
        budget::{Budget, Held},
        exchange::{Broken, Progress, SendError, Trace, Wanted},
        request::EncodedRequest,
        stream::Stream,
    },
    answer::Answer,
};
use crate::model::{ErrorKind, Stage, clock};

/// Bytes read at once. Answers of an API fit into a few of these, and a user's memory is mostly
/// this.
const READ: usize = 8 * 1024;

/// How a server begins that ends an idle connection with a message (RFC 9110, 15.5.9).
const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408";

/// A connection and what was read of it but not yet used.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    input: Vec<u8>,
}

/// Says what the target did with a connection on which it was asked nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It did nothing.
    Quiet,
    /// It ended the connection.
    Closed,
    /// It said something. RFC 9112, 9.2: that is no answer to anything.
    Unsolicited,
}

/// What happened while a request was being sent.
enum Sent {
    Written(io::Result<usize>),
    /// So many bytes came, or why none can come.
    Read(io::Result<usize>),
}

impl Connection {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, input: Vec::new() }
    }

    /// Says whether a request can be sent. The system is asked, because the runtime hears of a
    /// closed connection only when it polls, and what was sent on one cannot be sent again.
    pub(crate) async fn condition(&mut self) -> Condition {
        let mut heard = [0; REQUEST_TIMEOUT.len()];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let read = recv(self.stream.socket(), &mut heard, flags).map_err(io::Error::from);
        let read = match read.map(|(read, _)| read) {
            // What has come through TLS is not yet what was said.
            Ok(1..) if self.stream.is_secure() => self.decrypted(&mut heard).await,
            read => read,
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Condition::Quiet,
            Ok(1..) if heard != REQUEST_TIMEOUT => Condition::Unsolicited,
            _ => Condition::Closed,
        }
    }

    /// Reads what has come through TLS: `WouldBlock` if that was only of TLS itself, for instance a
    /// ticket to resume a session.
    async fn decrypted(&mut self, heard: &mut [u8]) -> io::Result<usize> {
        self.stream.socket().readable().await?;
        let read = poll_fn(|context| {
            let mut buffer = ReadBuf::new(heard);
            let read = match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            };
            Poll::Ready(read)
        });
        // It must not be put off because this task has read a lot before.
        tokio::task::unconstrained(read).await
    }

    /// Sends `request` and reads the whole answer, within `budget`.
    pub(crate) async fn exchange(
        &mut self,
        request: &EncodedRequest,
        wanted: &impl Fn(StatusCode) -> Wanted,
        progress: &mut Progress,
        budget: &Budget,
    ) -> Result<Answer, Broken> {
        let mut turn = Turn {
            held: budget.hold(),
            answer: Answer::new(request.head_only),
            wanted,
            progress,
            read: 0,
            written: 0,
            sent_all: true,
        };
        match self.attempt(&request.bytes, &mut turn).await {
            Ok(()) => Ok(turn.into_answer()),
            Err(error) => {
                // A write through TLS may fail after some of it was written.
                let unsent = turn.written == 0 && turn.read == 0 && !self.stream.is_secure();
                let trace = if unsent { Trace::Unsent } else { Trace::Unknown };
                Err(Broken { error, trace })
            }
        }
    }

    async fn attempt<W: Fn(StatusCode) -> Wanted>(
        &mut self,
        request: &[u8],
        turn: &mut Turn<'_, W>,
    ) -> Result<(), SendError> {
        self.send(request, turn).await?;
        while !turn.answer.is_done() {
            self.receive(turn).await?;
        }
        if self.input.is_empty() {
            return Ok(());
        }
        let detail = format!("{} bytes after the end of the answer", self.input.len());
        Err(SendError::new(ErrorKind::Malformed, detail))
    }

    /// Sends until everything is sent, or the answer begins.
    async fn send<W: Fn(StatusCode) -> Wanted>(
        &mut self,
        request: &[u8],
        turn: &mut Turn<'_, W>,
    ) -> Result<(), SendError> {
        while turn.written < request.len() {
            let rest = &request[turn.written..];
            match poll_fn(|context| self.poll_send(context, rest)).await {
                Sent::Written(Ok(written)) => turn.written += written,
                Sent::Read(read) => {
                    self.take(read, turn)?;
                    if turn.answer.has_head() {
                        turn.sent_all = false;
                        return Ok(());
                    }
                }
                Sent::Written(Err(error)) => {
                    // A target that closes early may have said why before.
                    turn.sent_all = false;
                    let last_words = self.receive(turn).await;
                    let error = || SendError::system(&error, Stage::Head);
                    return if turn.read > 0 { last_words } else { Err(error()) };
                }
            }
        }
        if self.stream.is_secure() {
            let flushed = self.stream.flush().await;
            flushed.map_err(|error| SendError::system(&error, Stage::Head))?;
        }
        Ok(())
    }

    /// Writes some of `rest`; while nothing can be written, reads what comes.
    fn poll_send(&mut self, context: &mut Context<'_>, rest: &[u8]) -> Poll<Sent> {
        if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, rest) {
            let written = match written {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                written => written,
            };
            return Poll::Ready(Sent::Written(written));
        }
        self.make_room();
        let read = self.stream.read_buf(&mut self.input);
        std::pin::pin!(read).poll(context).map(Sent::Read)
    }

    /// Waits for bytes and takes them.
    async fn receive<W: Fn(StatusCode) -> Wanted>(
        &mut self,
        turn: &mut Turn<'_, W>,
    ) -> Result<(), SendError> {
        self.make_room();
        // This waits from time to time although there is something to read: a target that never
        // pauses must not keep this thread from its other work. And it remembers of a read that did
        // not fill the buffer that nothing is left, which saves a system call.
        let read = self.stream.read_buf(&mut self.input).await;
        self.take(read, turn)
    }

    fn make_room(&mut self) {
        if self.input.capacity() - self.input.len() < READ / 2 {
            self.input.reserve(READ);
        }
    }

    /// Uses what was read.
    fn take<W: Fn(StatusCode) -> Wanted>(
        &mut self,
        read: io::Result<usize>,
        turn: &mut Turn<'_, W>,
    ) -> Result<(), SendError> {
        match read {
            Ok(0) => turn.answer.close(),
            Ok(read) => {
                turn.note(read);
                let used = turn.answer.take(&self.input, turn.wanted)?;
                turn.progress.has_head = turn.answer.has_head();
                turn.held.grow(turn.answer.kept())?;
                self.consume(used);
                Ok(())
            }
            // The end without a word of TLS.
            Err(error)
                if error.kind() == io::ErrorKind::UnexpectedEof && !turn.answer.has_head() =>
            {
                turn.answer.close()
            }
            Err(error) => Err(SendError::system(&error, turn.stage())),
        }
    }

    fn consume(&mut self, used: usize) {
        if used == self.input.len() {
            self.input.clear();
        } else {
            self.input.drain(..used);
        }
    }
}

/// One exchange on a connection.
struct Turn<'a, W> {
    answer: Answer,
    wanted: &'a W,
    held: Held,
    progress: &'a mut Progress,
    /// Bytes of the answer so far.
    read: usize,
    /// Bytes of the request so far.
    written: usize,
    sent_all: bool,
}

impl<W> Turn<'_, W> {
    fn stage(&self) -> Stage {
        if self.answer.has_head() { Stage::Body } else { Stage::Head }
    }

    fn note(&mut self, read: usize) {
        if self.read == 0 {
            self.progress.phases.first_byte = Some(clock::now());
        }
        self.read += read;
    }

    /// Returns the answer. A connection on which a request was not sent to its end cannot carry
    /// another.
    fn into_answer(mut self) -> Answer {
        if !self.sent_all {
            self.answer.forbid_reuse();
        }
        self.answer
    }
}
