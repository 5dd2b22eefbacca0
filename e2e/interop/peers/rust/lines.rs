//! What the peers in Rust share: the lines they write, and the payloads.

use std::io::Write;
use std::sync::OnceLock;

use serde_json::{json, Value};

/// Writes one object as a line.
pub fn write(object: Value) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{object}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Replies to a command: with the members of an object, or with an error.
pub fn reply(id: &Value, result: Result<Value, String>) {
    let mut object = match result {
        Ok(members) => members,
        Err(text) => json!({ "error": text }),
    };
    object["id"] = id.clone();
    write(object);
}

/// The address of this machine that is not of loopback, or that of loopback.
pub fn host() -> std::net::Ipv4Addr {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let mut all = found.iter().filter_map(|i| match i.ip() {
        std::net::IpAddr::V4(a) if !a.is_loopback() => Some(a),
        _ => None,
    });
    all.next().unwrap_or(std::net::Ipv4Addr::LOCALHOST)
}

const MAX_PAYLOAD: usize = 1 << 20;

fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut buf = Vec::with_capacity(MAX_PAYLOAD + (1 << 16));
        let mut x: u32 = 1;
        while buf.len() < MAX_PAYLOAD + (1 << 16) {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            buf.extend_from_slice(&x.to_le_bytes());
        }
        buf
    })
}

/// The n-th payload of a size.
pub fn payload(n: u64, size: usize, text: bool) -> Vec<u8> {
    let start = (n & 0xffff) as usize;
    let cut = &noise()[start..start + size];
    if text {
        return cut.iter().map(|b| b'a' + (b & 15)).collect();
    }
    cut.to_vec()
}

/// What came in on a channel since the command check.
#[derive(Default)]
pub struct Check {
    pub on: bool,
    received: u64,
    wrong: u64,
}

impl Check {
    /// Takes a message, and returns what to report, if anything.
    pub fn take(&mut self, text: bool, data: &[u8]) -> Option<Value> {
        if !self.on {
            let crc = crc32fast::hash(data);
            return Some(json!({"event": "message", "text": text, "size": data.len(), "crc": crc}));
        }
        if text {
            self.on = false;
            return Some(json!({"event": "checked", "received": self.received, "wrong": self.wrong}));
        }
        let start = (self.received & 0xffff) as usize;
        if data.len() > MAX_PAYLOAD || data != &noise()[start..start + data.len()] {
            self.wrong += 1;
        }
        self.received += 1;
        None
    }
}

/// A number of a command, or 0.
pub fn number(command: &Value, name: &str) -> u64 {
    command[name].as_u64().unwrap_or(0)
}

/// A text of a command, or an empty one.
pub fn text<'a>(command: &'a Value, name: &str) -> &'a str {
    command[name].as_str().unwrap_or("")
}

/// A number of 16 bits of a command, if it is there.
pub fn limit(command: &Value, name: &str) -> Option<u16> {
    command[name].as_u64().map(|n| n as u16)
}
