//! Messages one way over an emulated link, in virtual time.

use crate::{check, stamp, Engine, Job};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

// The link of ../../../net_test.go: 100 Mbit/s, 50 ms there and back, a queue of 250 KB; nothing is
// lost on the way back.
const LATENCY: Duration = Duration::from_millis(25);
const NANOS_PER_BYTE: u64 = 80;
const QUEUE: Duration = Duration::from_nanos(250_000 * NANOS_PER_BYTE);

/// One direction of the link.
struct Way<P> {
    arriving: VecDeque<(Instant, P)>,
    free: Instant, // when what was sent has left
    narrow: bool,
    loss: f64,
    random: u64,
}

impl<P: AsRef<[u8]>> Way<P> {
    fn new(now: Instant, narrow: bool, loss: f64) -> Way<P> {
        Way { arriving: VecDeque::new(), free: now, narrow, loss, random: 0x9E37_79B9_7F4A_7C15 }
    }

    fn send(&mut self, now: Instant, packet: P) {
        if self.narrow {
            let waits = self.free.saturating_duration_since(now);
            if waits > QUEUE {
                return;
            }
            self.free = now + waits + Duration::from_nanos(packet.as_ref().len() as u64 * NANOS_PER_BYTE);
        } else {
            self.free = now;
        }
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if (self.random >> 11) as f64 / (1u64 << 53) as f64 >= self.loss {
            self.arriving.push_back((self.free + LATENCY, packet));
        }
    }

    fn take(&mut self, now: Instant) -> Option<P> {
        self.arriving.front().filter(|(at, _)| *at <= now)?;
        self.arriving.pop_front().map(|(_, packet)| packet)
    }

    fn next(&self) -> Option<Instant> {
        self.arriving.front().map(|(at, _)| *at)
    }
}

/// Sends for a time after connecting, and says what arrived in it.
pub fn bulk<E: Engine>(job: &Job) {
    let start = Instant::now();
    let mut now = start;
    let (mut a, mut b) = (E::new(now, true, job.buffer), E::new(now, false, job.buffer));
    let (mut there, mut back) = (Way::new(now, true, job.loss), Way::new(now, false, 0.0));
    let mut message = vec![0; job.size];
    let (mut sent, mut arrived, mut until) = (0u64, 0u64, None);
    a.connect(now);
    loop {
        if until.is_none() && a.connected() && b.connected() {
            until = Some(now + job.duration);
        }
        while until.is_some() {
            stamp(&mut message, sent);
            if !a.send(now, 0, &message) {
                break;
            }
            sent += 1;
        }
        while let Some(packet) = a.output(now) {
            there.send(now, packet);
        }
        b.receive(&mut |_, message| {
            check(message, job.size, arrived);
            arrived += 1;
        });
        while let Some(packet) = b.output(now) {
            back.send(now, packet);
        }
        let next = [a.deadline(), b.deadline(), there.next(), back.next()].into_iter().flatten().min().expect("nothing goes on");
        now = now.max(next);
        if until.is_some_and(|at| now >= at) {
            break;
        }
        while let Some(packet) = there.take(now) {
            b.input(now, packet);
        }
        while let Some(packet) = back.take(now) {
            a.input(now, packet);
        }
        a.expire(now);
        b.expire(now);
    }
    let bytes = arrived * job.size as u64;
    print!("messages={arrived} bytes={bytes} seconds={}", job.duration.as_secs_f64());
}
