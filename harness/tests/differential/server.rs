//! A server that does what was drawn for each request, and writes down what it read and said.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::net::Shutdown;
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::mpsc,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    behaviour::{
        End, Http1, Http2, Meaning, Method, Protocol, Say, Script, Step, WINDOW, unlimited,
    },
    course::{Course, Place},
    frames::{self, ACK, END_STREAM},
    oracle::Done,
};

/// What happened on a connection, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// This request was read, on this stream.
    Received(Place, u32),
    /// These bytes are about to be written.
    Said(Vec<u8>),
    /// The same, too late to belong to the answer.
    SaidLate,
    /// This frame is about to be written, or the connection to end.
    Done(Done),
}

/// Everything that happened in one course: the number of a connection, and an event on it.
pub(crate) type Ledger = Vec<(usize, Event)>;

#[derive(Default)]
struct Noted {
    ledgers: HashMap<usize, Ledger>,
    connections: usize,
    /// Connections that are not over.
    open: usize,
}

pub(crate) struct Server {
    pub(crate) protocol: Protocol,
    address: SocketAddr,
    /// The root that its certificate stands on.
    pub(crate) roots: String,
    noted: Arc<Mutex<Noted>>,
    _runtime: Runtime,
}

/// One connection.
struct Connection {
    number: usize,
    courses: Arc<Vec<Course>>,
    noted: Arc<Mutex<Noted>>,
    /// The course whose requests it carries.
    course: Option<usize>,
    attempts: Arc<Mutex<HashMap<(usize, Place), usize>>>,
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

type Stream = Box<dyn Socket>;

impl Server {
    pub(crate) fn start(protocol: Protocol, courses: Arc<Vec<Course>>) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let noted = Arc::<Mutex<Noted>>::default();
        let (acceptor, roots) = acceptor(protocol);
        let (all, attempts) = (Arc::clone(&noted), Arc::default());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut noted = all.lock().unwrap();
                    noted.connections += 1;
                    noted.open += 1;
                    noted.connections
                };
                let connection = Connection {
                    number,
                    courses: Arc::clone(&courses),
                    noted: Arc::clone(&all),
                    course: None,
                    attempts: Arc::clone(&attempts),
                };
                let (acceptor, all) = (acceptor.clone(), Arc::clone(&all));
                tokio::spawn(async move {
                    let _ended = connection.serve(protocol, acceptor, stream).await;
                    all.lock().unwrap().open -= 1;
                });
            }
        });
        Self { protocol, address, roots, noted, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.protocol.is_secure() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// Returns what happened, once every client is gone and everything that it sent was read.
    pub(crate) fn ledgers(&self) -> HashMap<usize, Ledger> {
        loop {
            let noted = self.noted.lock().unwrap();
            if noted.open == 0 {
                return noted.ledgers.clone();
            }
            drop(noted);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn acceptor(protocol: Protocol) -> (TlsAcceptor, String) {
    let keys = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(keys.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![keys.cert.der().clone()], key)
        .unwrap();
    let name = if protocol == Protocol::Http2 { "h2" } else { "http/1.1" };
    config.alpn_protocols = vec![name.as_bytes().to_vec()];
    (TlsAcceptor::from(Arc::new(config)), keys.cert.pem())
}

impl Connection {
    async fn serve(
        mut self,
        protocol: Protocol,
        acceptor: TlsAcceptor,
        stream: TcpStream,
    ) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let stream: Stream = match protocol {
            Protocol::Http1 => Box::new(stream),
            _ => Box::new(acceptor.accept(stream).await?),
        };
        match protocol {
            Protocol::Http2 => Streams::new(self, stream).serve().await,
            _ => self.http1(stream).await,
        }
    }

    fn note(&self, event: Event) {
        let Some(course) = self.course else { return };
        let mut noted = self.noted.lock().unwrap();
        noted.ledgers.entry(course).or_default().push((self.number, event));
    }

    /// Notes a request that was read, and says what is done with it if it is processed.
    fn received(&mut self, path: &str, id: u32, processed: bool) -> Option<(Step, Script)> {
        let (course, place) = Place::parse(path)?;
        self.course = Some(course);
        self.note(Event::Received(place, id));
        if !processed {
            return None;
        }
        let mut attempts = self.attempts.lock().unwrap();
        let number = attempts.entry((course, place)).or_default();
        let course = &self.courses[course];
        let scripts = &course.operation(place)?.attempts;
        let script = scripts[(*number).min(scripts.len() - 1)].clone();
        *number += 1;
        Some((course.steps[place.step], script))
    }

    async fn http1(&mut self, mut stream: Stream) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        let mut ended = false;
        loop {
            let Some(path) = request(&mut stream, &mut buffer).await? else { return Ok(()) };
            let found = self.received(&path, 0, !ended);
            let Some((step, Script::Http1(script))) = found else { continue };
            self.answer(&mut stream, &script, step, &path).await?;
            if script.end != End::Keep {
                self.note(Event::Done(Done::Ended(script.end)));
                if !end(&mut stream, script.end).await? {
                    return Ok(());
                }
                ended = true;
            }
        }
    }

    async fn answer(
        &self,
        stream: &mut Stream,
        script: &Http1,
        step: Step,
        path: &str,
    ) -> std::io::Result<()> {
        let (says, late) = script.says(step, path);
        for (pause, part) in says {
            pause_for(pause).await;
            if !part.is_empty() {
                self.note(Event::Said(part.clone()));
                stream.write_all(&part).await?;
                stream.flush().await?;
            }
        }
        if let Some(pause) = late {
            pause_for(pause).await;
            self.note(Event::SaidLate);
            stream.write_all(b"!").await?;
            stream.flush().await?;
        }
        pause_for(script.linger).await;
        Ok(())
    }
}

async fn pause_for(millis: u64) {
    if millis > 0 {
        sleep(Duration::from_millis(millis)).await;
    }
}

/// Ends a connection, and says whether what still comes is to be read.
async fn end(stream: &mut Stream, end: End) -> std::io::Result<bool> {
    match end {
        End::Keep => {}
        End::Fin => stream.shutdown().await?,
        End::Silent => rustix::net::shutdown(stream.tcp(), Shutdown::Write)?,
        End::Close => return Ok(false),
        End::Reset => {
            stream.tcp().set_zero_linger()?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads a request with its body, and returns its path.
async fn request(stream: &mut Stream, buffer: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let end = end + 4 + length.map_or(0, |length| length.parse().unwrap());
            if buffer.len() >= end {
                buffer.drain(..end);
                return Ok(head.split(' ').nth(1).map(str::to_owned));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// A connection of HTTP/2.
struct Streams {
    connection: Connection,
    stream: Stream,
    /// What is done with requests that are not complete.
    waiting: HashMap<u32, Http2>,
    /// What was asked on each stream.
    known: HashMap<u32, (Step, String)>,
    /// What the scripts of streams say: nothing is the end of the script.
    sender: mpsc::UnboundedSender<(u32, Turn)>,
    turns: mpsc::UnboundedReceiver<(u32, Turn)>,
    /// The last stream that is processed.
    last: u32,
    /// Whether new streams have no window for their bodies.
    without_window: bool,
    ended: bool,
}

enum Turn {
    Say(Say),
    End(End),
    Grant,
    Unlimited,
}

impl Streams {
    fn new(connection: Connection, stream: Stream) -> Self {
        let (sender, turns) = mpsc::unbounded_channel();
        Self {
            connection,
            stream,
            waiting: HashMap::new(),
            known: HashMap::new(),
            sender,
            turns,
            last: u32::MAX >> 1,
            without_window: false,
            ended: false,
        }
    }

    async fn serve(mut self) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        while buffer.len() < frames::PREFACE.len() {
            if self.stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.drain(..frames::PREFACE.len());
        self.write(&frames::frame(frames::SETTINGS, 0, 0, &[])).await?;
        loop {
            while let Some(frame) = frames::take(&mut buffer) {
                self.read(frame).await?;
            }
            tokio::select! {
                read = self.stream.read_buf(&mut buffer) => if read? == 0 { return Ok(()) },
                Some((id, turn)) = self.turns.recv() => if !self.turn(id, turn).await? {
                    return Ok(());
                },
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if !self.ended {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await?;
        }
        Ok(())
    }

    async fn read(&mut self, frame: frames::Frame) -> std::io::Result<()> {
        let frames::Frame { kind, flags, stream: id, payload } = frame;
        match kind {
            frames::SETTINGS | frames::PING if flags & ACK == 0 => {
                let payload = if kind == frames::PING { payload } else { Vec::new() };
                self.write(&frames::frame(kind, ACK, 0, &payload)).await?;
            }
            frames::HEADERS => {
                let path = frames::path(&payload).expect("a path of digits and slashes");
                let processed = !self.ended && id <= self.last;
                let found = self.connection.received(&path, id, processed);
                let Some((step, Script::Http2(script))) = found else { return Ok(()) };
                self.known.insert(id, (step, path));
                if flags & END_STREAM != 0 || script.early {
                    self.begin(id, script);
                } else {
                    if self.without_window {
                        self.later(id, Turn::Grant);
                    }
                    self.waiting.insert(id, script);
                }
            }
            frames::DATA if flags & END_STREAM != 0 => {
                if let Some(script) = self.waiting.remove(&id) {
                    self.begin(id, script);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn later(&self, id: u32, turn: Turn) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(2)).await;
            let _gone = sender.send((id, turn));
        });
    }

    /// Answers a request.
    fn begin(&mut self, id: u32, script: Http2) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            for say in script.says {
                if let Say::Pause(millis) = say {
                    sleep(Duration::from_millis(millis)).await;
                }
                let _gone = sender.send((id, Turn::Say(say)));
                if let Say::Limit(_, millis) = say {
                    sleep(Duration::from_millis(millis)).await;
                    let _gone = sender.send((id, Turn::Unlimited));
                }
            }
            let _gone = sender.send((id, Turn::End(script.end)));
        });
    }

    /// Does what is next; says whether the connection goes on.
    async fn turn(&mut self, id: u32, turn: Turn) -> std::io::Result<bool> {
        if self.ended {
            return Ok(true);
        }
        match turn {
            Turn::End(End::Keep) => {}
            Turn::End(end) => return self.end(end).await,
            Turn::Unlimited => self.write(&unlimited()).await?,
            // It was promised that this stream is not processed.
            _ if id > self.last => {}
            Turn::Grant => {
                let by = 65_535_u32.to_be_bytes();
                self.write(&frames::frame(frames::WINDOW_UPDATE, 0, id, &by)).await?;
            }
            Turn::Say(say) => {
                let (step, path) = self.known[&id].clone();
                let (says, meaning) = say.frame(step, &path, id, self.last);
                if let Meaning::GoAway { last } = meaning {
                    self.last = last;
                }
                if let Say::Settings(WINDOW, size) = say {
                    self.without_window = size == 0;
                }
                self.connection.note(Event::Done(Done::Said(id, meaning)));
                self.write(&says).await?;
                if say == Say::Part {
                    // Nothing fits in after it but the end.
                    return self.end(End::Fin).await;
                }
            }
        }
        Ok(true)
    }

    async fn end(&mut self, how: End) -> std::io::Result<bool> {
        self.connection.note(Event::Done(Done::Ended(how)));
        self.ended = true;
        end(&mut self.stream, how).await
    }
}

/// The words of a scenario for a method.
pub(crate) fn verb(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Head => "head",
        Method::Post => "post",
    }
}
