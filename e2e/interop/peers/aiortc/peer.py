"""aiortc as a peer of the interop tests; package interop describes what it reads and writes."""

import asyncio
import json
import struct
import sys
import time
import traceback
import zlib

import aiortc
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

MAX_PAYLOAD = 1 << 20


def make_noise():
    x, words = 1, []
    for _ in range((MAX_PAYLOAD + (1 << 16)) // 4):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        words.append(x)
    return struct.pack("<%dI" % len(words), *words)


NOISE = make_noise()
LETTERS = bytes(97 + (b & 15) for b in range(256))


def payload(n, size):
    start = n & 0xFFFF
    return NOISE[start : start + size]


def write(**members):
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()


class Channel:
    """What is kept of an RTCDataChannel."""

    def __init__(self, peer, dc, incoming):
        self.dc, self.pc, self.label = dc, peer.number, dc.label
        self.checking, self.received, self.wrong = False, 0, 0
        peer.channels[dc.label] = self
        dc.on("message", self.on_message)
        dc.on("close", lambda: self.report("close"))
        dc.on("open", lambda: self.opened(incoming))
        if dc.readyState == "open":
            self.opened(incoming)

    def report(self, event, **members):
        write(event=event, pc=self.pc, label=self.label, **members)

    def opened(self, incoming):
        dc = self.dc
        self.report("open", protocol=dc.protocol, stream=dc.id, incoming=incoming, negotiated=dc.negotiated,
                    ordered=dc.ordered, maxRetransmits=dc.maxRetransmits, maxPacketLifeTime=dc.maxPacketLifeTime)

    def on_message(self, data):
        text = isinstance(data, str)
        if not self.checking:
            data = data.encode() if text else data
            self.report("message", text=text, size=len(data), crc=zlib.crc32(data))
        elif text:
            self.checking = False
            self.report("checked", received=self.received, wrong=self.wrong)
        else:
            if len(data) > MAX_PAYLOAD or data != payload(self.received, len(data)):
                self.wrong += 1
            self.received += 1


class Peer:
    """The present connection and its channels."""

    def __init__(self):
        self.connection, self.number, self.channels = None, 0, {}

    async def new(self, command):
        if self.connection:
            await self.connection.close()
        self.number, self.channels = command["pc"], {}
        pc, number = RTCPeerConnection(RTCConfiguration(iceServers=[])), self.number
        self.connection = pc
        pc.on("connectionstatechange", lambda: write(event="state", pc=number, state=pc.connectionState))
        pc.on("datachannel", lambda dc: Channel(self, dc, True))

    async def local(self, description):
        await self.connection.setLocalDescription(description)
        return {"sdp": self.connection.localDescription.sdp}

    async def offer(self, _):
        return await self.local(await self.connection.createOffer())

    async def answer(self, command):
        await self.connection.setRemoteDescription(RTCSessionDescription(command["sdp"], "offer"))
        return await self.local(await self.connection.createAnswer())

    async def accept(self, command):
        await self.connection.setRemoteDescription(RTCSessionDescription(command["sdp"], "answer"))

    async def open(self, command):
        names = ("ordered", "protocol", "maxRetransmits", "maxPacketLifeTime", "negotiated")
        init = {name: command[name] for name in names if name in command}
        if "stream" in command:
            init["id"] = command["stream"]
        Channel(self, self.connection.createDataChannel(command["label"], **init), False)

    async def send(self, command):
        channel = self.channels[command["label"]]
        for n in range(command["from"], command["from"] + command["count"]):
            data = payload(n, command["size"])
            channel.dc.send(data.translate(LETTERS).decode() if command["text"] else data)

    async def check(self, command):
        self.channels[command["label"]].checking = True

    async def bulk(self, command):
        dc, sent = self.channels[command["label"]].dc, 0
        end = time.monotonic() + command["ms"] / 1000
        while time.monotonic() < end:
            if dc.bufferedAmount > 1 << 20:
                await asyncio.sleep(0.002)
                continue
            dc.send(payload(sent, command["size"]))
            sent += 1
            await asyncio.sleep(0)
        dc.send("end")
        return {"sent": sent}

    async def close(self, command):
        self.channels[command["label"]].dc.close()

    async def end(self, _):
        await self.connection.close()

    async def carry_out(self, command):
        try:
            result = await getattr(self, command["op"])(command)
            write(id=command["id"], **(result or {}))
        except Exception:
            write(id=command["id"], error=traceback.format_exc())


async def main():
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    write(event="ready", name="aiortc", version=aiortc.__version__)
    peer, tasks = Peer(), set()
    while line := await reader.readline():
        task = asyncio.create_task(peer.carry_out(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
