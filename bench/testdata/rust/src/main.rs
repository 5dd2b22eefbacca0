//! One piece of work between two ends of a Rust crate, both on one thread, and what it
//! took as one line. Arguments and line are those of ../../../peer/main.go:
//!
//!     rust-peers dcsctp|sctp-proto memory bulk|pingpong|setup|idle [size=] [streams=] [buffer=] [seconds=] [count=]
//!     rust-peers dcsctp|sctp-proto link bulk [size=] [buffer=] [seconds=] [loss=]
//!
//! Packets are carried from one end to the other by hand. Where both wait for time to
//! pass, it is skipped: the clock is the real one and what was skipped. Over the link (link.rs) all
//! time is virtual.

mod dc;
mod link;
mod meter;
mod proto;

use meter::{resident, Meter};
use std::time::{Duration, Instant};

pub const PACKET_SIZE: usize = 1200;
pub const BUFFER_SIZE: usize = 1 << 20;
pub const MAX_MESSAGE: usize = 256 << 10;

/// How many packets go in one direction before the other side has its turn.
const PACKETS_AT_ONCE: usize = 32;

/// An end of an association.
pub trait Engine {
    type Packet: AsRef<[u8]>;
    /// The end that connects, or the one that waits for it.
    fn new(start: Instant, initiate: bool, buffer: usize) -> Self;
    fn connect(&mut self, now: Instant);
    fn connected(&self) -> bool;
    fn input(&mut self, now: Instant, packet: Self::Packet);
    /// The next packet to send.
    fn output(&mut self, now: Instant) -> Option<Self::Packet>;
    /// Takes a message, unless there is no room for it now.
    fn send(&mut self, now: Instant, stream: u16, message: &[u8]) -> bool;
    /// Calls f with each message that has come in.
    fn receive(&mut self, f: &mut dyn FnMut(u16, &[u8]));
    /// When to call expire, if ever.
    fn deadline(&mut self) -> Option<Instant>;
    fn expire(&mut self, now: Instant);
}

struct Job {
    size: usize,
    streams: u16,
    count: usize,
    buffer: usize, // that of each direction, bytes
    duration: Duration,
    loss: f64, // the part of the packets that the link loses
}

struct Pair<E: Engine> {
    a: E,
    b: E,
    skipped: Duration,
}

impl<E: Engine> Pair<E> {
    fn connected(buffer: usize) -> Pair<E> {
        let now = Instant::now();
        let mut p = Pair { a: E::new(now, true, buffer), b: E::new(now, false, buffer), skipped: Duration::ZERO };
        p.a.connect(now);
        while p.turn(&mut |_, _| {}, &mut |_, _| {}) {}
        assert!(p.a.connected() && p.b.connected(), "not connected");
        p
    }

    fn now(&self) -> Instant {
        Instant::now() + self.skipped
    }

    /// Carries some packets in each direction, and lets both sides read.
    fn turn(&mut self, at_a: &mut dyn FnMut(u16, &[u8]), at_b: &mut dyn FnMut(u16, &[u8])) -> bool {
        let now = self.now();
        let there = carry(now, &mut self.a, &mut self.b);
        self.b.receive(at_b);
        let back = carry(now, &mut self.b, &mut self.a);
        self.a.receive(at_a);
        there || back
    }

    /// Lets the time pass until something is due.
    fn skip(&mut self) {
        let next = [self.a.deadline(), self.b.deadline()].into_iter().flatten().min().expect("nothing goes on");
        self.skipped += next.saturating_duration_since(self.now());
        let now = self.now();
        self.a.expire(now);
        self.b.expire(now);
    }
}

fn carry<E: Engine>(now: Instant, from: &mut E, to: &mut E) -> bool {
    for i in 0..PACKETS_AT_ONCE {
        match from.output(now) {
            Some(packet) => to.input(now, packet),
            None => return i > 0,
        }
    }
    true
}

/// Each message begins and ends with its number on its stream.
fn stamp(message: &mut [u8], number: u64) {
    let end = message.len() - 8;
    message[end..].copy_from_slice(&number.to_be_bytes());
    message[..8].copy_from_slice(&number.to_be_bytes());
}

fn check(message: &[u8], size: usize, number: u64) {
    let bytes = number.to_be_bytes();
    assert!(
        message.len() == size && message[..8] == bytes && message[size - 8..] == bytes,
        "not message {number} of {size} bytes, but {} bytes",
        message.len()
    );
}

fn warm_up(job: &Job) -> Duration {
    (job.duration / 3).min(Duration::from_millis(200))
}

fn bulk<E: Engine>(job: &Job) {
    let mut pair = Pair::<E>::connected(job.buffer);
    let mut message = vec![0; job.size];
    let mut next = vec![0u64; job.streams.into()];
    let (mut sent, mut arrived) = (0u64, 0u64);
    let streams = u64::from(job.streams);
    let mut run = |sent: &mut u64, duration: Duration| {
        let until = Instant::now() + duration;
        loop {
            let now = pair.now();
            let over = now - pair.skipped > until;
            while !over {
                stamp(&mut message, *sent / streams);
                if !pair.a.send(now, (*sent % streams) as u16, &message) {
                    break;
                }
                *sent += 1;
            }
            let moved = pair.turn(&mut |_, _| {}, &mut |stream, message| {
                check(message, job.size, next[usize::from(stream)]);
                next[usize::from(stream)] += 1;
                arrived += 1;
            });
            if !moved {
                if over && arrived == *sent {
                    return;
                }
                pair.skip();
            }
        }
    };
    run(&mut sent, warm_up(job));
    let before = sent;
    let meter = Meter::start();
    run(&mut sent, job.duration);
    meter.report(sent - before, (sent - before) * job.size as u64);
}

fn ping_pong<E: Engine>(job: &Job) {
    let mut pair = Pair::<E>::connected(job.buffer);
    let mut message = vec![0; job.size];
    let mut times: Vec<Duration> = Vec::with_capacity(1 << 20);
    let mut meter: Option<Meter> = None;
    let mut until = Instant::now() + warm_up(job);
    let mut question: Option<Vec<u8>> = None;
    for n in 0u64.. {
        let mut begin = Instant::now();
        if begin > until {
            if meter.is_some() {
                break;
            }
            meter = Some(Meter::start());
            begin = Instant::now();
            until = begin + job.duration;
        }
        stamp(&mut message, n);
        let now = pair.now();
        assert!(pair.a.send(now, 0, &message), "no room");
        let mut back = false;
        while !back {
            let moved = pair.turn(
                &mut |_, answer| {
                    check(answer, job.size, n);
                    back = true;
                },
                &mut |_, message| question = Some(message.to_vec()),
            );
            if let Some(q) = question.take() {
                let now = pair.now();
                assert!(pair.b.send(now, 0, &q), "no room");
            } else if !moved && !back {
                pair.skip();
            }
        }
        if meter.is_some() && times.len() < times.capacity() {
            times.push(begin.elapsed());
        }
    }
    let n = times.len() as u64;
    meter.unwrap().report(n, n * job.size as u64);
    meter::report_quantiles(&mut times);
}

fn set_up<E: Engine>(job: &Job) {
    let mut times = Vec::new();
    let meter = Meter::start();
    let until = Instant::now() + job.duration;
    while Instant::now() < until {
        let begin = Instant::now();
        let _pair = Pair::<E>::connected(job.buffer);
        times.push(begin.elapsed());
    }
    meter.report(times.len() as u64, 0);
    meter::report_quantiles(&mut times);
}

fn idle<E: Engine>(job: &Job) {
    let mut pairs = Vec::with_capacity(job.count);
    pairs.push(Pair::<E>::connected(job.buffer)); // what is allocated once is
    let before = resident();
    for _ in 0..job.count {
        pairs.push(Pair::<E>::connected(job.buffer));
    }
    let ends = (2 * job.count) as f64;
    print!("ends={ends} memory={:.0} goroutines=0", (resident() - before) / ends);
}

fn run<E: Engine>(net: &str, work: &str, job: &Job) {
    match work {
        "bulk" if net == "link" => link::bulk::<E>(job),
        "bulk" => bulk::<E>(job),
        "pingpong" => ping_pong::<E>(job),
        "setup" => set_up::<E>(job),
        "idle" => idle::<E>(job),
        _ => panic!("no work {work}"),
    }
    println!();
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut job = Job { size: 64, streams: 1, count: 100, buffer: BUFFER_SIZE, duration: Duration::from_secs(1), loss: 0.0 };
    for arg in &args[3..] {
        let (name, value) = arg.split_once('=').expect("name=value");
        let value: f64 = value.parse().expect("a number");
        match name {
            "size" => job.size = value as usize,
            "streams" => job.streams = value as u16,
            "count" => job.count = value as usize,
            "buffer" => job.buffer = value as usize,
            "loss" => job.loss = value,
            "seconds" => job.duration = Duration::from_secs_f64(value),
            _ => panic!("argument {arg}"),
        }
    }
    match args[0].as_str() {
        "dcsctp" => run::<dc::Dc>(&args[1], &args[2], &job),
        "sctp-proto" => run::<proto::Proto>(&args[1], &args[2], &job),
        other => panic!("no stack {other}"),
    }
}
