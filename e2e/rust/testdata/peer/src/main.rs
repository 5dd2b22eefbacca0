//! One SCTP association of a Rust crate, driven by the tests of this directory.
//!
//!     peer dcsctp|sctp-proto [name=value]...
//!
//! It reads commands from standard input, one per line, and writes what happens to
//! standard output, one report per line. Packets travel over a UDP socket on 127.0.0.1:
//! one datagram is one SCTP packet. It ends when standard input does.
//!
//!     peer PORT                   UDP port of the peer; first of all
//!     connect
//!     token HEX                   connect by the peer's INIT token (SNAP)
//!     send SID STREAMS o|u POLICY VALUE COUNT SIZE SEQ
//!     reset SID...                outgoing streams
//!     shutdown
//!     abort

mod dc;
mod proto;

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{channel, TryRecvError};
use std::time::{Duration, Instant};

pub const PPID: u32 = 53;

/// A message to send. The policies are those of RFC 7496 as usrsctp numbers them:
/// 1 is a lifetime in milliseconds, 3 a number of retransmissions.
pub struct Outgoing {
    pub stream: u16,
    pub unordered: bool,
    pub policy: u32,
    pub value: u32,
    pub payload: Vec<u8>,
}

/// An association of one of the crates.
pub trait Peer {
    fn connect(&mut self, now: Instant, remote: SocketAddr);
    /// The INIT token of this side, if the crate knows SNAP.
    fn token(&self) -> Option<String> {
        None
    }
    fn connect_by_token(&mut self, _remote: SocketAddr, _theirs: Vec<u8>) {
        say("error no tokens".to_string());
    }
    fn input(&mut self, now: Instant, remote: SocketAddr, packet: &[u8]);
    /// Lets time pass, reports what happened, and returns the packets to send.
    fn poll(&mut self, now: Instant) -> Vec<Vec<u8>>;
    /// Takes a message, unless there is no room for it now.
    fn send(&mut self, message: &Outgoing) -> bool;
    fn reset(&mut self, streams: &[u16]);
    fn shutdown(&mut self);
    fn abort(&mut self);
}

/// Writes a report.
pub fn say(line: String) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Reports a message that came in: its number is in the first four bytes.
pub fn received(stream: u16, ppid: u32, payload: &[u8]) {
    let mut hash: u64 = 0xcbf29ce484222325;
    for b in payload {
        hash = (hash ^ u64::from(*b)).wrapping_mul(0x100000001b3);
    }
    let mut number = [0; 4];
    let n = payload.len().min(4);
    number[..n].copy_from_slice(&payload[..n]);
    say(format!(
        "msg {stream} {ppid} {} {} {hash:016x}",
        payload.len(),
        u32::from_be_bytes(number)
    ));
}

/// The content of a message: its number, then noise that follows from it.
fn content(seq: u32, size: usize) -> Vec<u8> {
    let mut b = seq.to_be_bytes().to_vec();
    let mut x = seq.wrapping_mul(2654435761).wrapping_add(1);
    while b.len() < size {
        x = x.wrapping_mul(1664525).wrapping_add(1013904223);
        b.push((x >> 24) as u8);
    }
    b.truncate(size);
    b
}

fn main() {
    let mut args = std::env::args().skip(1);
    let engine = args.next().unwrap_or_default();
    let options: Vec<String> = args.collect();
    let mut peer: Box<dyn Peer> = match engine.as_str() {
        "dcsctp" => Box::new(dc::Dc::new(&options)),
        "sctp-proto" => Box::new(proto::Proto::new()),
        _ => panic!("no engine {engine:?}"),
    };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    say(format!("port {}", socket.local_addr().unwrap().port()));
    if let Some(token) = peer.token() {
        say(format!("token {token}"));
    }

    let (lines, commands) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut remote: Option<SocketAddr> = None;
    let mut queue: VecDeque<Outgoing> = VecDeque::new();
    let mut buf = vec![0; 1 << 16];
    loop {
        match commands.try_recv() {
            Ok(line) => command(&mut *peer, &mut remote, &mut queue, &line),
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        if let Ok((n, from)) = socket.recv_from(&mut buf) {
            peer.input(Instant::now(), from, &buf[..n]);
        }
        let mut room = true;
        while room && !queue.is_empty() {
            room = peer.send(&queue[0]);
            if room {
                queue.pop_front();
            }
        }
        for packet in peer.poll(Instant::now()) {
            if let Some(to) = remote {
                let _ = socket.send_to(&packet, to);
            }
        }
    }
}

fn command(peer: &mut dyn Peer, remote: &mut Option<SocketAddr>, queue: &mut VecDeque<Outgoing>, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |i: usize| words.get(i).and_then(|w| w.parse::<u32>().ok()).unwrap_or(0);
    match words.first().copied().unwrap_or("") {
        "peer" => *remote = Some(SocketAddr::from(([127, 0, 0, 1], number(1) as u16))),
        "connect" => peer.connect(Instant::now(), remote.expect("connect before peer")),
        "token" => {
            let digits = |i: usize| u8::from_str_radix(&words[1][2 * i..2 * i + 2], 16).unwrap();
            let theirs = (0..words[1].len() / 2).map(digits).collect();
            peer.connect_by_token(remote.expect("token before peer"), theirs);
        }
        "send" => {
            for i in 0..number(6) {
                queue.push_back(Outgoing {
                    stream: (number(1) + i % number(2)) as u16,
                    unordered: words[3] == "u",
                    policy: number(4),
                    value: number(5),
                    payload: content(number(8) + i, number(7) as usize),
                });
            }
        }
        "reset" => {
            let streams: Vec<u16> = (1..words.len()).map(|i| number(i) as u16).collect();
            peer.reset(&streams);
        }
        "shutdown" => peer.shutdown(),
        "abort" => peer.abort(),
        other => say(format!("error unknown command {other}")),
    }
}
