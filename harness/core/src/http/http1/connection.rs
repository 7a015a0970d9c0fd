//! One connection, owned by its thread.

use std::io;

use http::StatusCode;
use rustix::net::{RecvFlags, recv};
use tokio::{
    io::{AsyncReadExt as _, Interest},
    net::TcpStream,
};

use super::{
    super::{
        ErrorKind, Phases, SendError, Stage,
        budget::{Budget, Held},
        clock,
    },
    answer::{Answer, Wanted},
    site::Wire,
};

/// Bytes read at once. Answers of an API fit into a few of these, and a user's memory is mostly
/// this.
const READ: usize = 8 * 1024;

/// How a server begins that ends an idle connection with a message (RFC 9110, 15.5.9).
const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408";

/// A connection and what was read of it but not yet used.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    used: bool,
}

/// What the target did with a connection on which it was asked nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    Quiet,
    /// It ended the connection.
    Closed,
    /// It said something. RFC 9112, 9.2: that is no answer to anything.
    Spoken,
}

/// An exchange that came to nothing.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) error: SendError,
    /// Whether a connection that had been used before was closed without a byte of an answer: the
    /// target gave the connection up before it saw the request.
    pub(crate) stale: bool,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, input: Vec::new(), used: false }
    }

    /// Whether a request can be sent. `surely` asks the system; else what the runtime has heard so
    /// far must do, which costs nothing.
    pub(crate) fn condition(&self, surely: bool) -> Condition {
        let mut heard = [0; REQUEST_TIMEOUT.len()];
        let read = if surely {
            let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            recv(&self.stream, &mut heard, flags).map(|(read, _)| read).map_err(io::Error::from)
        } else {
            self.stream.try_read(&mut heard)
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Condition::Quiet,
            Ok(1..) if heard != REQUEST_TIMEOUT => Condition::Spoken,
            _ => Condition::Closed,
        }
    }

    /// Sends `wire` and reads the whole answer, within `budget`. `phases` is told of the first
    /// byte.
    pub(crate) async fn exchange(
        &mut self,
        wire: &Wire,
        wanted: &impl Fn(StatusCode) -> Wanted,
        phases: &mut Phases,
        budget: &Budget,
    ) -> Result<Answer, Broken> {
        let mut turn = Turn {
            held: budget.hold(),
            answer: Answer::new(wire.head_only),
            wanted,
            phases,
            read: 0,
            sent_all: true,
            was_used: self.used,
        };
        self.used = true;
        match self.attempt(&wire.bytes, &mut turn).await {
            Ok(()) => Ok(turn.into_answer()),
            Err(error) => {
                let stale = turn.was_used && turn.read == 0 && error.kind == ErrorKind::Reset;
                Err(Broken { error, stale })
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
        Err(SendError { kind: ErrorKind::Malformed, detail })
    }

    /// Sends until everything is sent, or the answer begins.
    async fn send<W: Fn(StatusCode) -> Wanted>(
        &mut self,
        mut request: &[u8],
        turn: &mut Turn<'_, W>,
    ) -> Result<(), SendError> {
        while !request.is_empty() {
            match self.stream.try_write(request) {
                Ok(sent) => request = &request[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.until_writable(turn).await?;
                    if turn.answer.has_head() {
                        turn.sent_all = false;
                        return Ok(());
                    }
                }
                Err(error) => {
                    // A target that closes early may have said why before.
                    turn.sent_all = false;
                    let last_words = self.receive(turn).await;
                    let error = || SendError::system(&error, Stage::Head);
                    return if turn.read > 0 { last_words } else { Err(error()) };
                }
            }
        }
        Ok(())
    }

    /// Waits until more can be sent, and reads what comes meanwhile.
    async fn until_writable<W: Fn(StatusCode) -> Wanted>(
        &mut self,
        turn: &mut Turn<'_, W>,
    ) -> Result<(), SendError> {
        let both = Interest::READABLE | Interest::WRITABLE;
        let ready = self
            .stream
            .ready(both)
            .await
            .map_err(|error| SendError::system(&error, Stage::Head))?;
        if ready.is_readable() {
            self.make_room();
            let read = self.stream.try_read_buf(&mut self.input);
            self.take(read, turn)?;
        }
        Ok(())
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
                turn.held.grow(turn.answer.kept())?;
                self.consume(used);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
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
    phases: &'a mut Phases,
    /// Bytes of the answer so far.
    read: usize,
    sent_all: bool,
    was_used: bool,
}

impl<W> Turn<'_, W> {
    fn stage(&self) -> Stage {
        if self.answer.has_head() { Stage::Body } else { Stage::Head }
    }

    fn note(&mut self, read: usize) {
        if self.read == 0 {
            self.phases.first_byte = Some(clock::now());
        }
        self.read += read;
    }

    /// A connection on which a request was not sent to its end cannot carry another.
    fn into_answer(mut self) -> Answer {
        if !self.sent_all {
            self.answer.forbid_reuse();
        }
        self.answer
    }
}
