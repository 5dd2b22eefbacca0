//! webrtc-rs as a peer of the interop tests; package interop describes what it reads and writes.

#[path = "../../rust/lines.rs"]
mod lines;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use lines::{limit, number, payload, reply, text, write, Check};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use serde_json::{json, Value};
use tokio::sync::{mpsc, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit, RTCDataChannelState};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, SettingEngineBuilder,
};

/// How long all candidates may take.
const GATHERING: Duration = Duration::from_secs(10);

/// The largest message that it takes, and sends.
const MAX_MESSAGE: u32 = 262144;

/// At most so much of bulk is on its way, in bytes.
const BULK_BUFFER: usize = 1 << 20;

struct Channel {
    dc: Arc<dyn DataChannel>,
    check: Mutex<Check>,
}

/// What the tasks of a connection share.
struct Shared {
    number: Value,
    channels: Mutex<HashMap<String, Arc<Channel>>>,
    gathered: watch::Sender<bool>,
}

struct Connection {
    pc: Arc<dyn PeerConnection>,
    shared: Arc<Shared>,
}

struct Handler(Arc<Shared>);

fn main() {
    write(json!({"event": "ready", "name": "webrtc-rs", "version": env!("WEBRTC_VERSION")}));
    // On one thread: on several the library now and then loses the events of a channel that opens while it is made.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (sender, mut commands) = mpsc::unbounded_channel::<Value>();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            match serde_json::from_str(&line.unwrap_or_default()) {
                Ok(command) => drop(sender.send(command)),
                Err(e) => eprintln!("not a command: {e}"),
            }
        }
    });
    runtime.block_on(async {
        let mut connection: Option<Arc<Connection>> = None;
        while let Some(command) = commands.recv().await {
            take(command, &mut connection).await;
        }
    });
}

/// Carries out a command and replies to it.
async fn take(command: Value, connection: &mut Option<Arc<Connection>>) {
    let id = command["id"].clone();
    if text(&command, "op") == "new" {
        if let Some(c) = connection.take() {
            let _ = c.pc.close().await;
        }
        let made = Connection::new(command["pc"].clone()).await;
        reply(&id, made.map(|c| *connection = Some(Arc::new(c))).map(|()| json!({})));
        return;
    }
    let Some(c) = connection.clone() else {
        reply(&id, Err("no connection".into()));
        return;
    };
    if text(&command, "op") == "bulk" {
        tokio::spawn(async move { reply(&id, c.carry_out(&command).await) });
    } else {
        reply(&id, c.carry_out(&command).await);
    }
}

fn said(e: impl std::fmt::Display) -> String {
    e.to_string()
}

impl Shared {
    fn tell(&self, mut event: Value, label: Option<&str>) {
        event["pc"] = self.number.clone();
        if let Some(label) = label {
            event["label"] = label.into();
        }
        write(event);
    }

    fn channel(&self, label: &str) -> Option<Arc<Channel>> {
        self.channels.lock().unwrap().get(label).cloned()
    }

    /// Reports the events of a channel until it is closed.
    async fn follow(self: Arc<Shared>, label: String, dc: Arc<dyn DataChannel>, incoming: bool) {
        let ch = Arc::new(Channel { dc, check: Mutex::default() });
        self.channels.lock().unwrap().insert(label.clone(), ch.clone());
        tokio::spawn(async move {
            // A negotiated channel that is made late is open without an event.
            let mut open = matches!(ch.dc.ready_state().await, Ok(RTCDataChannelState::Open));
            if open {
                self.tell(opened(&ch.dc, incoming).await, Some(&label));
            }
            while let Some(event) = ch.dc.poll().await {
                match event {
                    DataChannelEvent::OnOpen if !open => {
                        open = true;
                        self.tell(opened(&ch.dc, incoming).await, Some(&label));
                    }
                    DataChannelEvent::OnMessage(m) => {
                        let report = ch.check.lock().unwrap().take(m.is_string, &m.data);
                        if let Some(report) = report {
                            self.tell(report, Some(&label));
                        }
                    }
                    DataChannelEvent::OnClose => break,
                    _ => {}
                }
            }
            self.tell(json!({"event": "close"}), Some(&label));
        });
    }
}

async fn opened(dc: &Arc<dyn DataChannel>, incoming: bool) -> Value {
    let mut event = json!({"event": "open", "incoming": incoming,
        "protocol": dc.protocol().await.ok(), "negotiated": dc.negotiated().await.ok()});
    if !incoming {
        // Of announced channels it does not keep the limits.
        event["ordered"] = json!(dc.ordered().await.ok());
        event["maxRetransmits"] = json!(dc.max_retransmits().await.ok().flatten());
        event["maxPacketLifeTime"] = json!(dc.max_packet_life_time().await.ok().flatten());
    }
    event
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.0.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.0.tell(json!({"event": "state", "state": state.to_string()}), None);
    }

    async fn on_data_channel(&self, dc: Arc<dyn DataChannel>) {
        let shared = self.0.clone();
        tokio::spawn(async move {
            let label = dc.label().await.unwrap_or_default();
            shared.follow(label, dc, true).await;
        });
    }
}

impl Connection {
    async fn new(number: Value) -> Result<Connection, String> {
        let shared = Arc::new(Shared { number, channels: Mutex::default(), gathered: watch::Sender::new(false) });
        // Multicast is not to be had in the namespace.
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(MAX_MESSAGE))
            .build();
        let pc = PeerConnectionBuilder::new()
            .with_setting_engine(settings)
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_handler(Arc::new(Handler(shared.clone())))
            .with_udp_addrs(vec![format!("{}:0", lines::host())])
            .build()
            .await
            .map_err(said)?;
        Ok(Connection { pc: Arc::new(pc), shared })
    }

    /// Carries out a command, and returns the members of the reply.
    async fn carry_out(&self, command: &Value) -> Result<Value, String> {
        let sdp = text(command, "sdp").to_string();
        match text(command, "op") {
            "offer" => {
                let offer = self.pc.create_offer(None).await.map_err(said)?;
                return self.describe(offer).await;
            }
            "answer" => {
                let offer = RTCSessionDescription::offer(sdp).map_err(said)?;
                self.pc.set_remote_description(offer).await.map_err(said)?;
                let answer = self.pc.create_answer(None).await.map_err(said)?;
                return self.describe(answer).await;
            }
            "accept" => {
                let answer = RTCSessionDescription::answer(sdp).map_err(said)?;
                self.pc.set_remote_description(answer).await.map_err(said)?;
            }
            "open" => self.open(command).await?,
            "end" => self.pc.close().await.map_err(said)?,
            op => return self.channel_command(op, command).await,
        }
        Ok(json!({}))
    }

    /// Sets the local description, and returns it with all candidates.
    async fn describe(&self, description: RTCSessionDescription) -> Result<Value, String> {
        let mut gathered = self.shared.gathered.subscribe();
        self.pc.set_local_description(description).await.map_err(said)?;
        let complete = gathered.wait_for(|done| *done);
        tokio::time::timeout(GATHERING, complete).await.map_err(said)?.map_err(said)?;
        let local = self.pc.local_description().await.ok_or("no local description")?;
        Ok(json!({"sdp": local.sdp}))
    }

    async fn open(&self, command: &Value) -> Result<(), String> {
        let label = text(command, "label");
        let init = RTCDataChannelInit {
            ordered: command["ordered"] != false,
            max_retransmits: limit(command, "maxRetransmits"),
            max_packet_life_time: limit(command, "maxPacketLifeTime"),
            protocol: text(command, "protocol").into(),
            negotiated: if command["negotiated"] == true { limit(command, "stream") } else { None },
        };
        let dc = self.pc.create_data_channel(label, Some(init)).await.map_err(said)?;
        self.shared.clone().follow(label.into(), dc, false).await;
        Ok(())
    }

    async fn channel_command(&self, op: &str, command: &Value) -> Result<Value, String> {
        let label = text(command, "label");
        let ch = self.shared.channel(label).ok_or_else(|| format!("no channel {label}"))?;
        let size = number(command, "size") as usize;
        match op {
            "send" => {
                let from = number(command, "from");
                for n in from..from + number(command, "count") {
                    ch.send(n, size, command["text"] == true).await?;
                }
            }
            "check" => ch.check.lock().unwrap().on = true,
            "bulk" => return ch.bulk(size, Duration::from_millis(number(command, "ms"))).await,
            "close" => ch.dc.close().await.map_err(said)?,
            _ => return Err(format!("unknown command {op}")),
        }
        Ok(json!({}))
    }
}

impl Channel {
    async fn send(&self, n: u64, size: usize, text: bool) -> Result<(), String> {
        let data = payload(n, size, text);
        if text {
            let letters = String::from_utf8(data).map_err(said)?;
            return self.dc.send_text(&letters).await.map_err(said);
        }
        self.dc.send(BytesMut::from(&data[..])).await.map_err(said)
    }

    /// Sends for a time.
    async fn bulk(&self, size: usize, time: Duration) -> Result<Value, String> {
        let end = Instant::now() + time;
        let mut sent = 0;
        while Instant::now() < end {
            if self.dc.outstanding_bytes().await.map_err(said)? > BULK_BUFFER {
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            }
            self.send(sent, size, false).await?;
            sent += 1;
        }
        self.dc.send_text("end").await.map_err(said)?;
        Ok(json!({"sent": sent}))
    }
}
