//! The half that does I/O: listens, and lets each connection be answered, within bounds.

use super::answer::{Answer, Body, Head, World, answer};
use super::connection::{Content, Line};
use super::{Config, events};
use crate::commands::Wish;
use crate::history::Histories;
use crate::house::{House, Views};
use crate::model::Outcome;
use crate::runtime::{self, now};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioTimer;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

/// Connections at the same time; a browser keeps two or three.
const CONNECTIONS: usize = 32;
/// Streams of events among them, so that there is room for other requests.
const STREAMS: usize = 16;
/// How long a client may take for a head, also until the next one, and for a body.
const HEAD_TIME: Duration = Duration::from_secs(20);
const BODY_TIME: Duration = Duration::from_secs(5);
/// The longest head and body, bytes.
const LONGEST_HEAD: usize = 8 * 1024;
const LONGEST_BODY: usize = 4 * 1024;
const MOST_HEADERS: usize = 64;
/// Between two tries to get the port.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// What all connections share.
struct Shared {
    config: Config,
    house: House,
    views: watch::Receiver<Views>,
    histories: Histories,
    streams: Arc<Semaphore>,
}

/// Serves for ever. A port that is taken is tried again; trouble with single connections ends those.
pub async fn serve(config: Config, house: House, histories: Histories) {
    let views = house.subscribe();
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let listen = config.listen;
    let shared = Arc::new(Shared { config, house, views, histories, streams: Arc::new(Semaphore::new(STREAMS)) });
    let (mut rest, mut said) = (FIRST_REST, false);
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                log::info!("the web page is at http://{listen}/");
                (rest, said) = (FIRST_REST, false);
                let error = accept(&listener, &connections, &shared).await;
                log::warn!("the web server stopped: {error}; starting it again");
            }
            Err(error) => {
                if !std::mem::replace(&mut said, true) {
                    log::warn!(
                        "the web page cannot be served at {listen}: {error}; set `web.listen` to another port. Trying again"
                    );
                }
            }
        }
        runtime::sleep_until(now().at.after(rest)).await;
        rest = rest.saturating_mul(2).min(LONGEST_REST);
    }
}

/// Takes in connections until the listener itself fails.
async fn accept(listener: &TcpListener, connections: &Arc<Semaphore>, shared: &Arc<Shared>) -> io::Error {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // The client gave up, or we have no more files: both may pass.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return error,
        };
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            log::debug!("more than {CONNECTIONS} connections to the web server: one is refused");
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, shared).await {
                log::debug!("a web connection ended: {error}");
            }
            drop(permit);
        });
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) -> hyper::Result<()> {
    // Small events are to leave at once; without it they are late, nothing more.
    let _ = stream.set_nodelay(true);
    let respond = service_fn(move |request| respond(request, shared.clone()));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(Line::new(stream), respond)
        .await
}

async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Content>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match head.method.as_str() {
        "GET" | "HEAD" => Ok(Vec::new()),
        _ => match tokio::time::timeout(BODY_TIME, whole(body)).await {
            Ok(body) => body,
            Err(_) => Err((408, "the request did not arrive in time")),
        },
    };
    let body = match body {
        Ok(body) => body,
        Err((status, why)) => return Ok(response(Answer::refusal(status, why), &shared)),
    };
    let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    // A target with a host in it means that host (RFC 9112, 3.2.2).
    let host = head.uri.authority().map(|authority| authority.as_str()).or(text(header::HOST));
    let head = Head {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        host,
        origin: text(header::ORIGIN),
        authorization: text(header::AUTHORIZATION),
        if_none_match: text(header::IF_NONE_MATCH),
        body: &body,
    };
    let views = shared.views.borrow().clone();
    let history = |id: &str, range| shared.histories.json(id, range, now());
    let answer = answer(&head, &World { config: &shared.config, views: &views, history: &history });
    let answer = match answer.body {
        Body::Wish { id, wish } => Answer::of(ask(&shared.house, &id, wish).await),
        _ => answer,
    };
    Ok(response(answer, &shared))
}

/// Asks a battery.
async fn ask(house: &House, id: &str, wish: Wish) -> Outcome {
    match house.door(id) {
        Some(door) => door.ask(wish, "the dashboard".to_owned()).await,
        None => Outcome::NotSupported,
    }
}

/// The whole body, if it is not too long.
async fn whole(mut body: Incoming) -> Result<Vec<u8>, (u16, &'static str)> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| (400, "the request broke off"))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if bytes.len() > LONGEST_BODY {
            return Err((413, "the request is too long"));
        }
    }
    Ok(bytes)
}

fn response(answer: Answer, shared: &Shared) -> Response<Content> {
    let Answer { mut status, content_type, tag, allow, body } = answer;
    let content = match body {
        // It was asked, and its answer stands here in its place.
        Body::Wish { .. } => Content::Whole(None),
        Body::Constant(bytes) => Content::Whole(Some(Bytes::from_static(bytes))),
        Body::Text(text) => Content::Whole(Some(Bytes::from(text))),
        Body::Events => match shared.streams.clone().try_acquire_owned() {
            Ok(permit) => {
                let (tell, pieces) = mpsc::channel(1);
                let views = shared.views.clone();
                tokio::spawn(async move {
                    events::tell(views, tell).await;
                    drop(permit);
                });
                Content::Stream(pieces)
            }
            Err(_) => {
                status = 503;
                Content::Whole(Some(Bytes::from_static(b"too many pages are open\n")))
            }
        },
    };
    let mut response = Response::new(content);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    put(headers, header::CONTENT_TYPE, content_type);
    let cache = if tag.is_some() { "no-cache" } else { "no-store" };
    put(headers, header::CACHE_CONTROL, cache);
    if let Some(value) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
        headers.append(header::ETAG, value);
    }
    if let Some(allow) = allow {
        put(headers, header::ALLOW, allow);
    }
    for (name, value) in SECURITY {
        put(headers, HeaderName::from_static(name), value);
    }
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.append(name, HeaderValue::from_static(value));
}

/// The page may load what is ours, and nobody may frame it or read us from elsewhere.
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
