//! The I/O half: listens and serves connections, within bounds.

use super::admission::{Admission, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS};
use super::answer::{self, Answer, Head, World, answer};
use super::connection::TimedStream;
use super::{Config, encoding, events};
use crate::base::episode::Once;
use crate::base::runtime::{self, now};
use crate::control::ControlRequest;
use crate::model::{Outcome, Reply};
use crate::output::devices::Devices;
use crate::output::event_log::EventLogs;
use crate::output::registry::{BatteryRegistry, Views};
use crate::output::timeseries::Courses;
use crate::recording::flight_recorder;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Maximum event streams among the connections, to leave room for other requests.
const MAX_STREAMS: usize = 16;
/// Timeout for a head, for the next request, and for a body.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum head and body, bytes.
const MAX_HEAD_BYTES: usize = 8 * 1024;
const MAX_BODY_BYTES: usize = 4 * 1024;
const MAX_HEADERS: usize = 64;
/// A wrong token is answered after this time.
const WRONG_TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// Header lines used for access control.
const SINGLE_HEADERS: [HeaderName; 3] = [header::HOST, header::ORIGIN, header::AUTHORIZATION];
/// Retry interval for the port.
const MIN_BIND_PAUSE: Duration = Duration::from_secs(1);
const MAX_BIND_PAUSE: Duration = Duration::from_secs(60);

/// Shared state of all requests.
struct Shared {
    config: Config,
    registry: BatteryRegistry,
    views: watch::Receiver<Views>,
    devices: watch::Receiver<Devices>,
    kept: Kept,
    streams: Arc<Semaphore>,
}

/// What is kept of the batteries' past.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The course of their values.
    pub courses: Courses,
    /// Their event logs.
    pub logs: EventLogs,
    /// The folder with the flight recorder's files.
    pub recordings: PathBuf,
}

/// Serves forever. Retries a port in use; errors of a connection only end that connection.
pub async fn serve(config: Config, registry: BatteryRegistry, kept: Kept) {
    let (views, devices) = (registry.subscribe(), registry.devices().subscribe());
    let admission = Admission::default();
    let listen = config.listen;
    let router = router(Shared { config, registry, views, devices, kept, streams: Arc::new(Semaphore::new(MAX_STREAMS)) });
    let (mut rest, mut logged) = (MIN_BIND_PAUSE, Once::default());
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                log::info!("dashboard at http://{listen}/");
                rest = MIN_BIND_PAUSE;
                logged.reset();
                let error = accept(&listener, &admission, &router).await;
                log::warn!("the web server stopped: {error}; restarting it");
            }
            Err(error) => {
                if logged.first() {
                    log::warn!("cannot serve the dashboard at {listen}: {error}; set `web.listen` to another port. Retrying");
                }
            }
        }
        runtime::sleep_until(now().at.after(rest)).await;
        rest = rest.saturating_mul(2).min(MAX_BIND_PAUSE);
    }
}

/// All requests have one handler, because [`answer`] has the routes: access is decided there, for all of them at once.
fn router(shared: Shared) -> Router {
    Router::new().fallback(respond).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(Arc::new(shared))
}

/// Accepts connections until the listener itself fails.
async fn accept(listener: &TcpListener, admission: &Admission, router: &Router) -> io::Error {
    loop {
        let (stream, from) = match listener.accept().await {
            Ok((stream, from)) => (stream, from.ip()),
            // The client gave up, or we are out of file descriptors: both are temporary.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return error,
        };
        let Some(admitted) = admission.admit(from) else {
            log::debug!(
                "more than {MAX_CONNECTIONS} web connections, or more than {MAX_CONNECTIONS_PER_ADDRESS} from {from}: connection refused"
            );
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, router).await {
                log::debug!("a web connection ended: {error}");
            }
            drop(admitted);
        });
    }
}

/// Serves one connection. `axum::serve` has no limits for the head and for writing, so hyper is used directly.
async fn converse(stream: TcpStream, router: Router) -> hyper::Result<()> {
    // Send small events at once; a failure only delays them.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TimedStream::new(stream), TowerToHyperService::new(router))
        .await
}

impl Shared {
    /// The answer with what is known now.
    fn answer(&self, head: &Head<'_>) -> Answer {
        let (views, devices, now) = (self.views.borrow().clone(), self.devices.borrow().clone(), now());
        let Kept { courses, logs, .. } = &self.kept;
        let world = World {
            config: &self.config,
            views: &views,
            devices: &devices,
            now: now.at,
            history: &|id, range| courses.json(id, range, now),
            cells: &|id| courses.cells(id, now),
            log: &|query| logs.json(query, now),
            limited: &|id| logs.limited(id, now),
        };
        answer(head, &world)
    }
}

/// Carries out what [`answer`] says.
async fn respond(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Payload) -> Response {
    // A proxy may interpret duplicate headers differently (RFC 9112, 3.2).
    if SINGLE_HEADERS.iter().any(|name| headers.get_all(name).iter().count() > 1) {
        return Answer::refusal(400, "a header occurs twice that may occur only once").into_response();
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // The host in an absolute target takes precedence (RFC 9112, 3.2.2).
    let host = uri.authority().map(|authority| authority.as_str()).or(text(header::HOST));
    let head = Head {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        host,
        origin: text(header::ORIGIN),
        authorization: text(header::AUTHORIZATION),
        if_none_match: text(header::IF_NONE_MATCH),
        body: &body.0,
    };
    let answer = shared.answer(&head);
    if answer.status == 401 {
        // Guessing is slow, and hinders nobody else.
        runtime::sleep_until(now().at.after(WRONG_TOKEN_PAUSE)).await;
    }
    let compressed =
        encoding::accepts_gzip(headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()));
    match answer.body {
        answer::Body::Constant(_) | answer::Body::Text(_) if compressed => encoding::compressed(answer).into_response(),
        answer::Body::Constant(_) | answer::Body::Text(_) | answer::Body::Compressed(_) => answer.into_response(),
        answer::Body::Recordings => {
            let folder = shared.kept.recordings.clone();
            // Batteries must not wait for a slow disk.
            let files = runtime::blocking(move || flight_recorder::list(&folder)).await.unwrap_or_default();
            Answer::of_recordings(&files).into_response()
        }
        answer::Body::Recording(file) => {
            let folder = shared.kept.recordings.clone();
            let text = runtime::blocking(move || flight_recorder::read(&folder, &file)).await.ok().flatten();
            let answer = Answer::of_recording(text);
            (if compressed { encoding::compressed(answer) } else { answer }).into_response()
        }
        answer::Body::Events => match shared.streams.clone().try_acquire_owned() {
            Ok(permit) => {
                let events = events::pieces(shared.views.clone(), shared.devices.clone(), permit);
                answer.into_response().map(|_| Body::from_stream(events))
            }
            Err(_) => Answer::refusal(503, "too many pages are open").into_response(),
        },
        answer::Body::Generator(by_hand) => Answer::of_generator(shared.registry.ask_generator(by_hand)).into_response(),
        answer::Body::Request { id, request } => Answer::of(&ask(&shared.registry, &id, request).await).into_response(),
    }
}

/// Sends a request to a battery.
async fn ask(registry: &BatteryRegistry, id: &str, request: ControlRequest) -> Reply {
    match registry.handle(id) {
        Some(handle) => handle.send(request, "the dashboard".to_owned()).await,
        None => Outcome::NotSupported.into(),
    }
}

/// The body of a request that may change something.
struct Payload(Bytes);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Answer;

    async fn from_request(request: Request, state: &S) -> Result<Self, Answer> {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(Self(Bytes::new()));
        }
        match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
            Ok(Ok(body)) => Ok(Self(body)),
            Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Answer::refusal(413, "the request is too long"))
            }
            Ok(Err(_)) => Err(Answer::refusal(400, "the request broke off")),
            Err(_) => Err(Answer::refusal(408, "the request did not arrive in time")),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let cache = if self.tag.is_some() { "no-cache" } else { "no-store" };
        let encoding = matches!(self.body, answer::Body::Compressed(_)).then_some([(header::CONTENT_ENCODING, "gzip")]);
        let body = match self.body {
            answer::Body::Constant(bytes) => Body::from(bytes),
            answer::Body::Text(text) => Body::from(text),
            answer::Body::Compressed(bytes) => Body::from(bytes),
            // `respond` has their content.
            answer::Body::Recordings
            | answer::Body::Recording(_)
            | answer::Body::Events
            | answer::Body::Request { .. }
            | answer::Body::Generator(_) => Body::empty(),
        };
        (
            status,
            [(header::CONTENT_TYPE, self.content_type), (header::CACHE_CONTROL, cache), (header::VARY, "accept-encoding")],
            self.tag.map(|tag| [(header::ETAG, tag)]),
            self.allow.map(|methods| [(header::ALLOW, methods)]),
            encoding,
            SECURITY,
            body,
        )
            .into_response()
    }
}

/// The page may load only our own files, and no other page may frame it or read our answers.
const SECURITY: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];
