//! The crate sctp-proto.

use crate::{received, say, Outgoing, Peer};
use bytes::Bytes;
use sctp_proto::{
    generate_snap_token, Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ReliabilityType, ServerConfig, StreamEvent, TransportConfig,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

pub struct Proto {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    connected: bool,
    transport: Arc<TransportConfig>,
    token: Bytes,
}

impl Proto {
    pub fn new() -> Proto {
        let transport = Arc::new(
            TransportConfig::default()
                .with_local_port(5001)
                .with_remote_port(5000)
                .with_rto_initial_ms(100)
                .with_rto_min_ms(100)
                .with_rto_max_ms(1000)
                .with_max_init_retransmits(None)
                .with_max_data_retransmits(None),
        );
        let mut server = ServerConfig::new();
        server.transport = transport.clone();
        let endpoint = Endpoint::new(Arc::new(EndpointConfig::new()), Some(Arc::new(server)));
        let token = generate_snap_token(&transport).unwrap();
        Proto { endpoint, association: None, connected: false, transport, token }
    }

    fn begin(&mut self, mut config: ClientConfig, remote: SocketAddr) {
        config.transport = self.transport.clone();
        match self.endpoint.connect(config, remote) {
            Ok(association) => self.association = Some(association),
            Err(e) => say(format!("error connect: {e}")),
        }
    }

    fn report(&mut self) {
        let Some((_, a)) = self.association.as_mut() else { return };
        while let Some(event) = a.poll() {
            match event {
                Event::Connected => {
                    self.connected = true;
                    say("up".to_string());
                }
                Event::HandshakeFailed { reason } => say(format!("aborted {reason}")),
                Event::AssociationLost { reason } => say(format!("closed {reason}")),
                Event::Stream(StreamEvent::Finished { id }) => {
                    drain(a, id);
                    say(format!("reset in {id}"));
                }
                Event::Stream(StreamEvent::ResetComplete { id }) => say(format!("reset out {id}")),
                Event::Stream(StreamEvent::ResetFailed { id, .. }) => say(format!("reset failed {id}")),
                Event::Stream(StreamEvent::Readable { id }) => drain(a, id),
                _ => {}
            }
        }
        while a.accept_stream().is_some() {}
        for id in a.stream_ids() {
            drain(a, id);
        }
    }
}

/// Reads what a stream has.
fn drain(a: &mut Association, id: u16) {
    let Ok(mut stream) = a.stream(id) else { return };
    while let Ok(Some(chunks)) = stream.read_sctp() {
        let mut buf = vec![0; chunks.len()];
        if chunks.read(&mut buf).is_ok() {
            received(id, chunks.ppi as u32, &buf);
        }
    }
}

impl Peer for Proto {
    fn connect(&mut self, _: Instant, remote: SocketAddr) {
        self.begin(ClientConfig::new(), remote);
    }

    fn token(&self) -> Option<String> {
        Some(self.token.iter().map(|b| format!("{b:02x}")).collect())
    }

    fn connect_by_token(&mut self, remote: SocketAddr, theirs: Vec<u8>) {
        self.begin(ClientConfig::new().with_snap(self.token.clone(), theirs.into()), remote);
    }

    fn input(&mut self, now: Instant, remote: SocketAddr, packet: &[u8]) {
        match self.endpoint.handle(now, remote, None, None, Bytes::copy_from_slice(packet)) {
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, a)) = self.association.as_mut() {
                    a.handle_event(event);
                }
            }
            Some((handle, DatagramEvent::NewAssociation(a))) => self.association = Some((handle, a)),
            None => {}
        }
    }

    fn poll(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        if let Some((_, a)) = self.association.as_mut() {
            if a.poll_timeout().is_some_and(|at| at <= now) {
                a.handle_timeout(now);
            }
            while a.poll_endpoint_event().is_some() {}
        }
        self.report();
        if let Some((_, a)) = self.association.as_mut() {
            while let Some(t) = a.poll_transmit(now) {
                if let Payload::RawEncode(contents) = t.payload {
                    packets.extend(contents.iter().map(|b| b.to_vec()));
                }
            }
        }
        while let Some(t) = self.endpoint.poll_transmit() {
            if let Payload::RawEncode(contents) = t.payload {
                packets.extend(contents.iter().map(|b| b.to_vec()));
            }
        }
        packets
    }

    fn send(&mut self, m: &Outgoing) -> bool {
        if !self.connected {
            return false;
        }
        let Some((_, a)) = self.association.as_mut() else { return false };
        if a.stream(m.stream).is_err() && a.open_stream(m.stream, PayloadProtocolIdentifier::Binary).is_err() {
            return false; // its reset is under way
        }
        let Ok(mut stream) = a.stream(m.stream) else { return false };
        if stream.buffered_amount().unwrap_or(0) > 1 << 20 || !stream.is_writable() {
            return false;
        }
        let (kind, value) = match m.policy {
            1 => (ReliabilityType::Timed, m.value),
            3 => (ReliabilityType::Rexmit, m.value),
            _ => (ReliabilityType::Reliable, 0),
        };
        let _ = stream.set_reliability_params(m.unordered, kind, value);
        if let Err(e) = stream.write_with_ppi(&m.payload, PayloadProtocolIdentifier::Binary) {
            say(format!("error send: {e}"));
        }
        true
    }

    fn reset(&mut self, streams: &[u16]) {
        let Some((_, a)) = self.association.as_mut() else { return };
        for id in streams {
            let done = a.stream(*id).and_then(|mut s| s.close());
            if let Err(e) = done {
                say(format!("error reset: {e}"));
            }
        }
    }

    fn shutdown(&mut self) {
        if let Some((_, a)) = self.association.as_mut() {
            if let Err(e) = a.shutdown() {
                say(format!("error shutdown: {e}"));
            }
        }
    }

    fn abort(&mut self) {
        if let Some((_, a)) = self.association.as_mut() {
            let _ = a.close();
        }
    }
}
