//! The crate sctp-proto.

use crate::{Engine, MAX_MESSAGE, PACKET_SIZE};
use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload, PayloadProtocolIdentifier,
    ServerConfig, StreamEvent, TransportConfig,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Of the common header and that of a DATA chunk.
const HEADERS: u32 = 28;

pub struct Proto {
    endpoint: Endpoint,
    transport: Arc<TransportConfig>,
    association: Option<(AssociationHandle, Association)>,
    connected: bool,
    buffer: usize,
    out: VecDeque<Bytes>,
    readable: VecDeque<u16>,
    message: Vec<u8>,
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5000))
}

impl Proto {
    fn poll(&mut self) {
        let Some((_, a)) = self.association.as_mut() else { return };
        while let Some(event) = a.poll() {
            match event {
                Event::Connected => self.connected = true,
                Event::HandshakeFailed { reason } => panic!("{reason}"),
                Event::AssociationLost { reason } => panic!("{reason}"),
                Event::Stream(StreamEvent::Readable { id }) => self.readable.push_back(id),
                _ => {}
            }
        }
        while a.accept_stream().is_some() {}
        while a.poll_endpoint_event().is_some() {}
    }
}

impl Engine for Proto {
    type Packet = Bytes;

    fn new(_start: Instant, initiate: bool, buffer: usize) -> Proto {
        let transport = Arc::new(
            TransportConfig::default()
                .with_max_receive_buffer_size(buffer as u32)
                .with_max_send_message_size(MAX_MESSAGE as u32)
                .with_max_receive_message_size(MAX_MESSAGE as u32),
        );
        let server = (!initiate).then(|| {
            let mut server = ServerConfig::new();
            server.transport = transport.clone();
            Arc::new(server)
        });
        let mut config = EndpointConfig::new();
        config.max_payload_size(PACKET_SIZE as u32 - HEADERS);
        Proto {
            endpoint: Endpoint::new(Arc::new(config), server),
            transport,
            association: None,
            connected: false,
            buffer,
            out: VecDeque::new(),
            readable: VecDeque::new(),
            message: Vec::new(),
        }
    }

    fn connect(&mut self, _now: Instant) {
        let mut config = ClientConfig::new();
        config.transport = self.transport.clone();
        self.association = Some(self.endpoint.connect(config, address()).expect("connect"));
    }

    fn connected(&self) -> bool {
        self.connected
    }

    fn input(&mut self, now: Instant, packet: Bytes) {
        match self.endpoint.handle(now, address(), None, None, packet) {
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, a)) = self.association.as_mut() {
                    a.handle_event(event);
                }
            }
            Some((handle, DatagramEvent::NewAssociation(a))) => self.association = Some((handle, a)),
            None => {}
        }
        self.poll();
    }

    fn output(&mut self, now: Instant) -> Option<Bytes> {
        if self.out.is_empty() {
            if let Some((_, a)) = self.association.as_mut() {
                if let Some(t) = a.poll_transmit(now) {
                    if let Payload::RawEncode(contents) = t.payload {
                        self.out.extend(contents);
                    }
                }
            }
        }
        while let Some(t) = self.endpoint.poll_transmit() {
            if let Payload::RawEncode(contents) = t.payload {
                self.out.extend(contents);
            }
        }
        self.out.pop_front()
    }

    fn send(&mut self, _now: Instant, stream: u16, message: &[u8]) -> bool {
        let Some((_, a)) = self.association.as_mut() else { return false };
        if a.stream(stream).is_err() {
            a.open_stream(stream, PayloadProtocolIdentifier::Binary).expect("open stream");
        }
        let mut s = a.stream(stream).expect("stream");
        if s.buffered_amount().unwrap_or(0) + message.len() > self.buffer {
            return false;
        }
        s.write_with_ppi(message, PayloadProtocolIdentifier::Binary).expect("write");
        true
    }

    fn receive(&mut self, f: &mut dyn FnMut(u16, &[u8])) {
        let Some((_, a)) = self.association.as_mut() else { return };
        while let Some(id) = self.readable.pop_front() {
            let mut stream = a.stream(id).expect("stream");
            while let Ok(Some(chunks)) = stream.read_sctp() {
                self.message.resize(chunks.len(), 0);
                chunks.read(&mut self.message).expect("read");
                f(id, &self.message);
            }
        }
    }

    fn deadline(&mut self) -> Option<Instant> {
        self.association.as_ref().and_then(|(_, a)| a.poll_timeout())
    }

    fn expire(&mut self, now: Instant) {
        if let Some((_, a)) = self.association.as_mut() {
            if a.poll_timeout().is_some_and(|at| at <= now) {
                a.handle_timeout(now);
            }
        }
        self.poll();
    }
}
