//! The open connections of each worker, and which of them end: clients that take or send too little
//! ([`crate::config::Timeouts`]), and, when there are too many connections, those that are least worth keeping.
//!
//! The HTTP server asks an answer's body for more only when the client has taken what came before, so a body cannot
//! notice a client that reads nothing. The kernel knows how many bytes each client has acknowledged; a task on each
//! worker's thread asks for that once a second.

mod body;
mod pace;
mod payload;
mod socket;

use std::{
    cell::RefCell,
    collections::HashMap,
    net::IpAddr,
    rc::{Rc, Weak},
    time::Duration,
};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{Extensions, Payload, ServiceRequest, ServiceResponse},
    middleware::Next,
    rt,
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use self::{
    body::Delivered,
    pace::Pace,
    socket::{Delivery, Socket},
};
use crate::{
    config::Timeouts,
    domain::{limits::Permit, throttle},
};

/// How often connections are looked at.
const TICK: Duration = Duration::from_secs(1);
/// An answer above so many bytes keeps its permits until the client has them all; a smaller one is in the kernel's
/// hands as soon as it is written.
const SMALL: u64 = 64 * 1024;

thread_local! {
    /// The connections of the worker that runs on this thread.
    static OPEN: RefCell<Open> = RefCell::default();
}

#[derive(Default)]
struct Open {
    connections: Vec<Weak<RefCell<State>>>,
    is_watched: bool,
}

/// A connection, as its requests know it.
#[derive(Clone)]
pub struct Connection(Rc<RefCell<State>>);

struct State {
    socket: Socket,
    network: Option<IpAddr>,
    timeouts: Timeouts,
    /// Whether a request is being received or answered, or a connection is new or waits for one.
    is_busy: bool,
    /// When that began.
    since: Instant,
    /// How slowly the client takes answers.
    pace: Pace,
    delivery: Delivery,
    /// What the request holds until its answer is delivered.
    permits: Vec<Permit>,
    is_ended: bool,
}

/// What a worker does with a new connection: keeps at most `comfortable` of them as far as it can choose.
pub fn opened(stream: &TcpStream, data: &mut Extensions, timeouts: Timeouts, comfortable: usize) {
    let socket = match Socket::of(stream) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be watched");
            return;
        }
    };
    let connection = Connection(Rc::new(RefCell::new(State {
        socket,
        network: stream.peer_addr().ok().map(|peer| throttle::network_of(peer.ip().to_canonical())),
        timeouts,
        is_busy: false,
        since: Instant::now(),
        pace: Pace::new(&timeouts),
        delivery: Delivery { acknowledged: 0, is_pending: false },
        permits: Vec::new(),
        is_ended: false,
    })));
    OPEN.with_borrow_mut(|open| {
        open.make_room(comfortable);
        open.connections.push(Rc::downgrade(&connection.0));
        if !open.is_watched {
            open.is_watched = true;
            rt::spawn(watch());
        }
    });
    data.insert(connection);
}

/// Ends connections whose clients are too slow, and gives back what delivered answers held.
async fn watch() {
    loop {
        sleep(TICK).await;
        let connections = OPEN.with_borrow_mut(Open::living);
        for connection in connections {
            connection.borrow_mut().look();
        }
    }
}

impl Open {
    /// The connections that are still there.
    fn living(&mut self) -> Vec<Rc<RefCell<State>>> {
        let living: Vec<_> = self.connections.iter().filter_map(Weak::upgrade).collect();
        self.connections = living.iter().map(Rc::downgrade).collect();
        living
    }

    /// Ends one connection when there are too many. One that holds a permit stays: permits are bounded for each person.
    /// Of the others, those without a request go before those with one; then those of the network that has the most;
    /// then the one that waits longest.
    fn make_room(&mut self, comfortable: usize) {
        if self.connections.len() < comfortable {
            return;
        }
        let living = self.living();
        let dispensable: Vec<_> = living
            .iter()
            .filter(|state| !state.borrow().is_ended && state.borrow().permits.is_empty())
            .collect();
        let ended = living.iter().filter(|state| state.borrow().is_ended).count();
        if living.len() - ended < comfortable {
            return;
        }
        let mut by_network: HashMap<Option<IpAddr>, usize> = HashMap::new();
        for state in &dispensable {
            *by_network.entry(state.borrow().network).or_default() += 1;
        }
        let least_worth = dispensable.into_iter().min_by_key(|state| {
            let state = state.borrow();
            let of_its_network = by_network.get(&state.network).copied().unwrap_or_default();
            (state.is_busy, std::cmp::Reverse(of_its_network), state.since)
        });
        if let Some(state) = least_worth {
            state.borrow_mut().end("there are too many connections");
        }
    }
}

impl State {
    fn look(&mut self) {
        let Some(now) = self.socket.delivery() else { return };
        let was = std::mem::replace(&mut self.delivery, now);
        if was.is_pending && now.is_pending {
            self.pace.waited(TICK);
        }
        self.pace.moved(now.acknowledged.saturating_sub(was.acknowledged));
        if self.pace.left().is_zero() {
            self.end("its client took too little of an answer");
        }
        if !self.is_busy && !now.is_pending {
            self.permits.clear();
        }
    }

    fn end(&mut self, reason: &str) {
        if !self.is_ended {
            self.is_ended = true;
            self.socket.abort();
            tracing::debug!(network = ?self.network, reason, "a connection was ended");
        }
    }
}

impl Connection {
    fn begin(&self) {
        let mut state = self.0.borrow_mut();
        // What came before was delivered, or its client asks for more without reading: then it holds one answer's worth
        // of memory as before, and this request asks for permits of its own.
        state.permits.clear();
        (state.is_busy, state.since) = (true, Instant::now());
    }

    /// The body of an answer of `bytes` was handed over, or given up.
    fn answered(&self, bytes: u64) {
        let mut state = self.0.borrow_mut();
        (state.is_busy, state.since) = (false, Instant::now());
        if bytes <= SMALL {
            state.permits.clear();
        }
    }
}

/// Holds a permit until the answer to this request is delivered, or its connection ends.
pub fn hold(req: &HttpRequest, permit: Permit) {
    if let Some(connection) = req.conn_data::<Connection>() {
        connection.0.borrow_mut().permits.push(permit);
    }
}

/// Watches a request and its answer.
pub async fn track<B: MessageBody + 'static>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Delivered>, Error> {
    let connection = req.conn_data::<Connection>().cloned();
    if let Some(connection) = &connection {
        connection.begin();
        let timeouts = connection.0.borrow().timeouts;
        if let payload @ Payload::H1 { .. } = req.take_payload() {
            req.set_payload(payload::paced(payload, &timeouts));
        }
    }
    let under_way = body::UnderWay::new(connection);
    Ok(next.call(req).await?.map_body(|_, body| Delivered::new(body.boxed(), under_way)))
}
