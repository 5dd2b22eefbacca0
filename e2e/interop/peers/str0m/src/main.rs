//! str0m as a peer of the interop tests; package interop describes what it reads and writes.

#[path = "../../rust/lines.rs"]
mod lines;

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use lines::{limit, number, payload, reply, text, write, Check};
use serde_json::{json, Value};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

/// What the threads that read hand to the one that works.
enum Arrival {
    Command(Value),
    Packet(SocketAddr, Vec<u8>),
    End,
}

/// What a channel has to do, in order.
enum Task {
    Send(bool, Vec<u8>),
    Reply(Value, Value),
    Close,
}

struct Channel {
    label: String,
    incoming: bool,
    open: bool,
    check: Check,
    tasks: VecDeque<Task>,
    bulk: Option<Bulk>,
}

/// Messages that are sent for a time.
struct Bulk {
    command: Value,
    size: usize,
    end: Instant,
    sent: u64,
}

struct Connection {
    number: Value,
    rtc: Rtc,
    early: Vec<ChannelConfig>, // channels from before the negotiation
    pending: Option<SdpPendingOffer>,
    negotiated: bool,
    channels: HashMap<ChannelId, Channel>,
    ended: bool,
}

/// At most so much is buffered by bulk, and by str0m altogether, in bytes.
const BULK_BUFFER: usize = 1 << 20;
const ALL_BUFFERS: usize = 8 << 20;

fn main() {
    write(json!({"event": "ready", "name": "str0m", "version": env!("STR0M_VERSION")}));
    let socket = UdpSocket::bind((lines::host(), 0)).expect("a socket");
    let arrivals = read(&socket);
    let address = socket.local_addr().expect("its address");
    let mut connection: Option<Connection> = None;
    loop {
        let mut wait = Duration::from_millis(100);
        if let Some(c) = &mut connection {
            wait = c.poll(&socket).saturating_duration_since(Instant::now()).min(wait);
            if c.work() {
                wait = Duration::ZERO;
            }
        }
        let mut arrival = arrivals.recv_timeout(wait);
        loop {
            match arrival {
                Ok(Arrival::Command(command)) if text(&command, "op") == "new" => {
                    if let Some(mut c) = connection.take() {
                        c.end();
                        c.poll(&socket);
                    }
                    connection = Some(Connection::new(command["pc"].clone(), address));
                    reply(&command["id"], Ok(json!({})));
                }
                Ok(Arrival::Command(command)) => match &mut connection {
                    Some(c) => c.carry_out(command),
                    None => reply(&command["id"], Err("no connection".into())),
                },
                Ok(Arrival::Packet(from, bytes)) => {
                    if let Some(c) = &mut connection {
                        c.packet(from, address, &bytes);
                        c.poll(&socket); // str0m queues few packets between two polls
                    }
                }
                Ok(Arrival::End) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => break,
            }
            arrival = arrivals.try_recv().map_err(|_| RecvTimeoutError::Timeout);
        }
        if let Some(c) = &mut connection {
            c.input(Input::Timeout(Instant::now()));
        }
    }
}

/// Reads commands and packets on threads of their own.
fn read(socket: &UdpSocket) -> Receiver<Arrival> {
    let (sender, arrivals) = channel();
    let packets = sender.clone();
    let socket = socket.try_clone().expect("the socket once more");
    std::thread::spawn(move || {
        let mut buf = vec![0; 1 << 16];
        loop {
            if let Ok((n, from)) = socket.recv_from(&mut buf) {
                if packets.send(Arrival::Packet(from, buf[..n].to_vec())).is_err() {
                    return;
                }
            }
        }
    });
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            match serde_json::from_str(&line.unwrap_or_default()) {
                Ok(command) => drop(sender.send(Arrival::Command(command))),
                Err(e) => eprintln!("not a command: {e}"),
            }
        }
        drop(sender.send(Arrival::End));
    });
    arrivals
}

impl Connection {
    fn new(number: Value, address: SocketAddr) -> Connection {
        let mut rtc = Rtc::builder()
            .set_sctp_max_buffered_amount(ALL_BUFFERS)
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a candidate"));
        Connection { number, rtc, early: vec![], pending: None, negotiated: false, channels: HashMap::new(), ended: false }
    }

    fn input(&mut self, input: Input) {
        if let Err(e) = self.rtc.handle_input(input) {
            eprintln!("input: {e}");
            self.rtc.disconnect();
            self.over();
        }
    }

    fn packet(&mut self, source: SocketAddr, destination: SocketAddr, bytes: &[u8]) {
        if let Ok(contents) = bytes.try_into() {
            let received = Receive { proto: Protocol::Udp, source, destination, contents };
            let input = Input::Receive(Instant::now(), received);
            if self.rtc.accepts(&input) {
                self.input(input);
            }
        }
    }

    /// Sends what is to be sent, reports what happened, and returns when there is more.
    fn poll(&mut self, socket: &UdpSocket) -> Instant {
        while self.rtc.is_alive() {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(t)) => drop(socket.send_to(&t.contents, t.destination)),
                Ok(Output::Timeout(t)) => return t,
                Ok(Output::Event(e)) => self.event(e),
                Err(e) => {
                    eprintln!("output: {e}");
                    self.rtc.disconnect();
                }
            }
        }
        self.over();
        Instant::now() + Duration::from_secs(1)
    }

    fn tell(&self, mut event: Value, label: Option<&str>) {
        event["pc"] = self.number.clone();
        if let Some(label) = label {
            event["label"] = label.into();
        }
        write(event);
    }

    fn event(&mut self, e: Event) {
        match e {
            Event::Connected => self.tell(json!({"event": "state", "state": "connected"}), None),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.tell(json!({"event": "state", "state": "disconnected"}), None)
            }
            Event::ChannelOpen(id, label) => self.opened(id, label),
            Event::ChannelData(d) => {
                let Some(ch) = self.channels.get_mut(&d.id) else { return };
                let label = ch.label.clone();
                if let Some(report) = ch.check.take(!d.binary, &d.data) {
                    self.tell(report, Some(&label));
                }
            }
            Event::ChannelClose(id) => self.closed(id),
            Event::Closed => self.over(),
            _ => {}
        }
    }

    fn opened(&mut self, id: ChannelId, label: String) {
        let config = self.rtc.channel(id).and_then(|c| c.config().cloned()).unwrap_or_default();
        let stream = self.rtc.direct_api().sctp_stream_id_by_channel_id(id);
        let ch = self.channels.entry(id).or_insert_with(|| Channel::new(label, true));
        ch.open = true;
        let (retransmits, lifetime) = match config.reliability {
            Reliability::Reliable => (None, None),
            Reliability::MaxRetransmits { retransmits } => (Some(retransmits), None),
            Reliability::MaxPacketLifetime { lifetime } => (None, Some(lifetime)),
        };
        let open = json!({"event": "open", "incoming": ch.incoming, "protocol": config.protocol, "stream": stream,
            "negotiated": config.negotiated.is_some(), "ordered": config.ordered,
            "maxRetransmits": retransmits, "maxPacketLifeTime": lifetime});
        let label = ch.label.clone();
        self.tell(open, Some(&label));
    }

    fn closed(&mut self, id: ChannelId) {
        if let Some(ch) = self.channels.remove(&id) {
            self.tell(json!({"event": "close"}), Some(&ch.label));
        }
    }

    /// Reports the end of the connection, and of all channels, once.
    fn over(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        for id in self.channels.keys().copied().collect::<Vec<_>>() {
            self.closed(id);
        }
        self.tell(json!({"event": "state", "state": "closed"}), None);
    }

    fn end(&mut self) {
        if let Err(e) = self.rtc.close() {
            eprintln!("close: {e}");
        }
    }

    fn carry_out(&mut self, command: Value) {
        let id = command["id"].clone();
        match self.command(command) {
            Ok(None) => {}
            Ok(Some(members)) => reply(&id, Ok(members)),
            Err(e) => reply(&id, Err(e)),
        }
    }

    /// Carries out a command; without members the reply follows later.
    fn command(&mut self, command: Value) -> Result<Option<Value>, String> {
        match text(&command, "op") {
            "offer" => return self.offer().map(Some),
            "answer" => return self.answer(text(&command, "sdp")).map(Some),
            "accept" => {
                let answer = SdpAnswer::from_sdp_string(text(&command, "sdp")).map_err(|e| e.to_string())?;
                let pending = self.pending.take().ok_or("no offer")?;
                self.rtc.sdp_api().accept_answer(pending, answer).map_err(|e| e.to_string())?;
                self.negotiated = true;
                return Ok(Some(json!({})));
            }
            "open" => return Ok(Some(self.open(&command))),
            "end" => {
                self.end();
                return Ok(Some(json!({})));
            }
            _ => {}
        }
        let label = text(&command, "label");
        let ch = self.channels.values_mut().find(|ch| ch.label == label);
        let ch = ch.ok_or_else(|| format!("no channel {label}"))?;
        match text(&command, "op") {
            "send" => {
                let (from, size, text) = (number(&command, "from"), number(&command, "size") as usize, command["text"] == true);
                for i in 0..number(&command, "count") {
                    ch.tasks.push_back(Task::Send(!text, payload(from + i, size, text)));
                }
                ch.tasks.push_back(Task::Reply(command["id"].clone(), json!({})));
                return Ok(None);
            }
            "bulk" => {
                let end = Instant::now() + Duration::from_millis(number(&command, "ms"));
                ch.bulk = Some(Bulk { size: number(&command, "size") as usize, end, sent: 0, command });
                return Ok(None);
            }
            "check" => ch.check.on = true,
            "close" => ch.tasks.push_back(Task::Close),
            op => return Err(format!("unknown command {op}")),
        }
        Ok(Some(json!({})))
    }

    fn offer(&mut self) -> Result<Value, String> {
        let mut api = self.rtc.sdp_api();
        for config in self.early.drain(..) {
            let label = config.label.clone();
            let id = api.add_channel_with_config(config);
            self.channels.insert(id, Channel::new(label, false));
        }
        let (offer, pending) = api.apply().ok_or("nothing to negotiate")?;
        self.pending = Some(pending);
        Ok(json!({"sdp": offer.to_sdp_string()}))
    }

    fn answer(&mut self, sdp: &str) -> Result<Value, String> {
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|e| e.to_string())?;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|e| e.to_string())?;
        self.negotiated = true;
        for config in std::mem::take(&mut self.early) {
            self.create(config);
        }
        Ok(json!({"sdp": answer.to_sdp_string()}))
    }

    fn open(&mut self, command: &Value) -> Value {
        let reliability = match (limit(command, "maxRetransmits"), limit(command, "maxPacketLifeTime")) {
            (Some(retransmits), _) => Reliability::MaxRetransmits { retransmits },
            (_, Some(lifetime)) => Reliability::MaxPacketLifetime { lifetime },
            _ => Reliability::Reliable,
        };
        let negotiated = if command["negotiated"] == true { limit(command, "stream") } else { None };
        let config = ChannelConfig {
            label: text(command, "label").into(),
            protocol: text(command, "protocol").into(),
            ordered: command["ordered"] != false,
            reliability,
            negotiated,
        };
        if self.negotiated {
            self.create(config);
        } else {
            self.early.push(config);
        }
        json!({})
    }

    fn create(&mut self, config: ChannelConfig) {
        let label = config.label.clone();
        let id = self.rtc.direct_api().create_data_channel(config);
        self.channels.insert(id, Channel::new(label, false));
    }

    /// Does what the channels have to do, as far as there is room. It returns whether anything was done.
    fn work(&mut self) -> bool {
        let mut done = false;
        for (&id, ch) in &mut self.channels {
            if ch.open {
                done |= ch.work(&mut self.rtc, id);
            }
        }
        done
    }
}

impl Channel {
    fn new(label: String, incoming: bool) -> Channel {
        Channel { label, incoming, open: false, check: Check::default(), tasks: VecDeque::new(), bulk: None }
    }

    fn work(&mut self, rtc: &mut Rtc, id: ChannelId) -> bool {
        let mut done = self.fill(rtc, id);
        while let Some(task) = self.tasks.pop_front() {
            match &task {
                Task::Send(binary, data) => {
                    let written = rtc.channel(id).map(|mut ch| ch.write(*binary, data));
                    match written {
                        Some(Ok(true)) => {}
                        Some(Err(e)) => eprintln!("{}: {e}", self.label),
                        _ => {
                            self.tasks.push_front(task);
                            return done;
                        }
                    }
                }
                Task::Reply(number, members) => reply(number, Ok(members.clone())),
                Task::Close => rtc.direct_api().close_data_channel(id),
            }
            done = true;
        }
        done
    }

    /// Queues messages of bulk.
    fn fill(&mut self, rtc: &mut Rtc, id: ChannelId) -> bool {
        let Some(bulk) = &mut self.bulk else { return false };
        if Instant::now() >= bulk.end {
            self.tasks.push_back(Task::Send(false, b"end".to_vec()));
            self.tasks.push_back(Task::Reply(bulk.command["id"].clone(), json!({"sent": bulk.sent})));
            self.bulk = None;
            return true;
        }
        let buffered = rtc.channel(id).map_or(0, |mut ch| ch.buffered_amount());
        let room = BULK_BUFFER.saturating_sub(buffered) / bulk.size.max(1);
        for _ in 0..room.min(64) {
            self.tasks.push_back(Task::Send(true, payload(bulk.sent, bulk.size, false)));
            bulk.sent += 1;
        }
        room > 0
    }
}
