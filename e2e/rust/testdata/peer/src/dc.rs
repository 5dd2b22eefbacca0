//! The crate dcsctp.

use crate::{received, say, Outgoing, Peer};
use dcsctp::api::{
    DcSctpSocket, Message, Options, PpId, SendError, SendOptions, Socket, SocketEvent, SocketTime, StreamId,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub struct Dc {
    socket: Socket,
    start: Instant,
}

impl Dc {
    pub fn new(arguments: &[String]) -> Dc {
        let options = Options {
            local_port: 5001,
            remote_port: 5000,
            rto_initial: Duration::from_millis(100),
            rto_min: Duration::from_millis(100),
            rto_max: Duration::from_secs(1),
            t1_init_timeout: Duration::from_millis(100),
            t1_cookie_timeout: Duration::from_millis(100),
            t2_shutdown_timeout: Duration::from_millis(100),
            max_timer_backoff_duration: Some(Duration::from_secs(1)),
            delayed_ack_max_timeout: Duration::from_millis(20),
            max_retransmissions: None,
            max_init_retransmits: None,
            enable_message_interleaving: arguments.iter().any(|a| a == "interleaving=1"),
            ..Default::default()
        };
        Dc { socket: Socket::new("peer", &options), start: Instant::now() }
    }

    fn report(&mut self, event: SocketEvent, packets: &mut Vec<Vec<u8>>) {
        match event {
            SocketEvent::SendPacket(packet) => packets.push(packet),
            SocketEvent::OnConnected() => say("up".to_string()),
            SocketEvent::OnClosed() => say("closed".to_string()),
            SocketEvent::OnConnectionRestarted() => say("restarted".to_string()),
            SocketEvent::OnAborted(kind, text) => say(format!("aborted {kind:?} {text}")),
            SocketEvent::OnError(kind, text) => say(format!("error {kind:?} {text}")),
            SocketEvent::OnStreamsResetPerformed(ids) => resets("out", &ids),
            SocketEvent::OnStreamsResetFailed(ids) => resets("failed", &ids),
            SocketEvent::OnIncomingStreamReset(ids) => resets("in", &ids),
            _ => {}
        }
    }
}

fn resets(direction: &str, ids: &[StreamId]) {
    for id in ids {
        say(format!("reset {direction} {}", id.0));
    }
}

impl Peer for Dc {
    fn connect(&mut self, _: Instant, _: SocketAddr) {
        self.socket.connect();
    }

    fn input(&mut self, now: Instant, _: SocketAddr, packet: &[u8]) {
        self.socket.advance_time(SocketTime::zero() + (now - self.start));
        self.socket.handle_input(packet);
    }

    fn poll(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.socket.advance_time(SocketTime::zero() + (now - self.start));
        let mut packets = Vec::new();
        // Messages first: what came before a reset is reported before it.
        while let Some(m) = self.socket.get_next_message() {
            received(m.stream_id.0, m.ppid.0, &m.payload);
        }
        while let Some(event) = self.socket.poll_event() {
            self.report(event, &mut packets);
        }
        packets
    }

    fn send(&mut self, m: &Outgoing) -> bool {
        let options = SendOptions {
            unordered: m.unordered,
            lifetime: (m.policy == 1).then(|| Duration::from_millis(m.value.into())),
            max_retransmissions: (m.policy == 3).then_some(m.value as u16),
            ..Default::default()
        };
        let message = Message::new(StreamId(m.stream), PpId(crate::PPID), m.payload.clone());
        match self.socket.send(message, &options) {
            Err(SendError::ResourceExhaustion) => false,
            Err(e) => {
                say(format!("error send: {e}"));
                true
            }
            Ok(()) => true,
        }
    }

    fn reset(&mut self, streams: &[u16]) {
        let ids: Vec<StreamId> = streams.iter().map(|s| StreamId(*s)).collect();
        if let Err(e) = self.socket.reset_streams(&ids) {
            say(format!("error reset: {e}"));
        }
    }

    fn shutdown(&mut self) {
        self.socket.shutdown();
    }

    fn abort(&mut self) {
        self.socket.close();
    }
}
