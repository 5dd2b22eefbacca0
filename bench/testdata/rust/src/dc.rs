//! The crate dcsctp.

use crate::{Engine, MAX_MESSAGE, PACKET_SIZE};
use dcsctp::api::{DcSctpSocket, ErrorKind, Message, Options, PpId, SendOptions, Socket, SocketEvent, SocketState, SocketTime, StreamId};
use std::time::Instant;

pub struct Dc {
    socket: Socket,
    start: Instant,
    send_options: SendOptions,
}

impl Dc {
    fn advance(&mut self, now: Instant) {
        self.socket.advance_time(SocketTime::zero() + (now - self.start));
    }
}

impl Engine for Dc {
    type Packet = Vec<u8>;

    fn new(start: Instant, _initiate: bool, buffer: usize) -> Dc {
        let options = Options {
            mtu: PACKET_SIZE,
            max_receiver_window_buffer_size: buffer,
            max_send_buffer_size: buffer,
            per_stream_send_queue_limit: buffer,
            max_message_size: MAX_MESSAGE,
            ..Default::default()
        };
        Dc { socket: Socket::new("end", &options), start, send_options: SendOptions::default() }
    }

    fn connect(&mut self, now: Instant) {
        self.advance(now);
        self.socket.connect();
    }

    fn connected(&self) -> bool {
        self.socket.state() == SocketState::Connected
    }

    fn input(&mut self, now: Instant, packet: Vec<u8>) {
        self.advance(now);
        self.socket.handle_input(&packet);
    }

    fn output(&mut self, _now: Instant) -> Option<Vec<u8>> {
        while let Some(event) = self.socket.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => return Some(packet),
                SocketEvent::OnError(ErrorKind::ResourceExhaustion, _) => {} // send has said so
                SocketEvent::OnAborted(kind, text) | SocketEvent::OnError(kind, text) => panic!("{kind:?} {text}"),
                _ => {}
            }
        }
        None
    }

    fn send(&mut self, now: Instant, stream: u16, message: &[u8]) -> bool {
        self.advance(now);
        self.socket.send(Message::new(StreamId(stream), PpId(53), message.to_vec()), &self.send_options).is_ok()
    }

    fn receive(&mut self, f: &mut dyn FnMut(u16, &[u8])) {
        while let Some(m) = self.socket.get_next_message() {
            f(m.stream_id.0, &m.payload);
        }
    }

    fn deadline(&mut self) -> Option<Instant> {
        let at = self.socket.poll_timeout();
        (at != SocketTime::infinite_future()).then(|| self.start + (at - SocketTime::zero()))
    }

    fn expire(&mut self, now: Instant) {
        self.advance(now);
    }
}
