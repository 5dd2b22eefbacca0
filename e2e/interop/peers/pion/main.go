// Command pion is pion/webrtc as a peer of the interop tests; package interop describes
// what it reads and writes.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

type command struct {
	ID                int     `json:"id"`
	Op                string  `json:"op"`
	PC                int     `json:"pc"`
	SDP               string  `json:"sdp"`
	Label             string  `json:"label"`
	Protocol          *string `json:"protocol"`
	Ordered           *bool   `json:"ordered"`
	MaxRetransmits    *uint16 `json:"maxRetransmits"`
	MaxPacketLifeTime *uint16 `json:"maxPacketLifeTime"`
	Negotiated        *bool   `json:"negotiated"`
	Stream            *uint16 `json:"stream"`
	From              int     `json:"from"`
	Count             int     `json:"count"`
	Size              int     `json:"size"`
	Text              bool    `json:"text"`
	MS                int     `json:"ms"`
}

type object = map[string]any

// output is what everybody writes to.
var output struct {
	sync.Mutex
	*json.Encoder
}

func write(o object) {
	output.Lock()
	defer output.Unlock()
	if err := output.Encode(o); err != nil {
		os.Exit(1)
	}
}

// A connection is a PeerConnection and its channels by label.
type connection struct {
	*webrtc.PeerConnection
	number   int
	mu       sync.Mutex
	channels map[string]*channel
}

type channel struct {
	*webrtc.DataChannel
	mu              sync.Mutex
	checking        bool
	received, wrong int
}

func main() {
	output.Encoder = json.NewEncoder(os.Stdout)
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/pion/webrtc/v4" {
				version = strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	write(object{"event": "ready", "name": "pion/webrtc", "version": version})
	noise()
	var c *connection
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var cmd command
		if err := json.Unmarshal(lines.Bytes(), &cmd); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if cmd.Op == "bulk" {
			go func() { answer(cmd, c) }()
			continue
		}
		if cmd.Op != "new" {
			answer(cmd, c)
			continue
		}
		if c != nil {
			_ = c.Close()
		}
		var err error
		c, err = begin(cmd.PC)
		finish(cmd, object{}, err)
	}
}

func finish(cmd command, reply object, err error) {
	reply["id"] = cmd.ID
	if err != nil {
		reply["error"] = err.Error()
	}
	write(reply)
}

func answer(cmd command, c *connection) {
	reply := object{}
	finish(cmd, reply, c.carryOut(cmd, reply))
}

func begin(number int) (*connection, error) {
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	c := &connection{PeerConnection: pc, number: number, channels: make(map[string]*channel)}
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		write(object{"event": "state", "pc": number, "state": s.String()})
	})
	pc.OnDataChannel(func(dc *webrtc.DataChannel) { c.adopt(dc, true) })
	return c, nil
}

func (c *connection) carryOut(cmd command, reply object) (err error) {
	switch cmd.Op {
	case "offer":
		return c.describe(reply, func() (webrtc.SessionDescription, error) { return c.CreateOffer(nil) })
	case "answer":
		if err := c.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: cmd.SDP}); err != nil {
			return err
		}
		return c.describe(reply, func() (webrtc.SessionDescription, error) { return c.CreateAnswer(nil) })
	case "accept":
		return c.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: cmd.SDP})
	case "open":
		dc, err := c.CreateDataChannel(cmd.Label, &webrtc.DataChannelInit{
			Ordered: cmd.Ordered, MaxRetransmits: cmd.MaxRetransmits, MaxPacketLifeTime: cmd.MaxPacketLifeTime,
			Protocol: cmd.Protocol, Negotiated: cmd.Negotiated, ID: cmd.Stream})
		if err == nil {
			c.adopt(dc, false)
		}
		return err
	case "end":
		return c.Close()
	}
	c.mu.Lock()
	ch := c.channels[cmd.Label]
	c.mu.Unlock()
	if ch == nil {
		return fmt.Errorf("no channel %q", cmd.Label)
	}
	switch cmd.Op {
	case "send":
		for i := range cmd.Count {
			data := payload(cmd.From+i, cmd.Size, cmd.Text)
			if cmd.Text {
				err = ch.SendText(string(data))
			} else {
				err = ch.Send(data)
			}
			if err != nil {
				return err
			}
		}
	case "check":
		ch.mu.Lock()
		ch.checking = true
		ch.mu.Unlock()
	case "bulk":
		reply["sent"], err = ch.bulk(cmd.Size, time.Duration(cmd.MS)*time.Millisecond)
	case "close":
		return ch.Close()
	default:
		return fmt.Errorf("unknown command %q", cmd.Op)
	}
	return err
}

// describe makes and sets the local description, with all candidates.
func (c *connection) describe(reply object, create func() (webrtc.SessionDescription, error)) error {
	gathered := webrtc.GatheringCompletePromise(c.PeerConnection)
	d, err := create()
	if err == nil {
		err = c.SetLocalDescription(d)
	}
	if err != nil {
		return err
	}
	<-gathered
	reply["sdp"] = c.LocalDescription().SDP
	return nil
}

// adopt reports the events of a channel from now on.
func (c *connection) adopt(dc *webrtc.DataChannel, incoming bool) {
	ch := &channel{DataChannel: dc}
	c.mu.Lock()
	c.channels[dc.Label()] = ch
	c.mu.Unlock()
	dc.OnOpen(func() {
		write(object{"event": "open", "pc": c.number, "label": dc.Label(), "protocol": dc.Protocol(), "stream": dc.ID(),
			"incoming": incoming, "negotiated": dc.Negotiated(), "ordered": dc.Ordered(),
			"maxRetransmits": dc.MaxRetransmits(), "maxPacketLifeTime": dc.MaxPacketLifeTime()})
	})
	dc.OnClose(func() { write(object{"event": "close", "pc": c.number, "label": dc.Label()}) })
	dc.OnMessage(func(m webrtc.DataChannelMessage) {
		if e := ch.receive(m); e != nil {
			e["pc"], e["label"] = c.number, dc.Label()
			write(e)
		}
	})
}

// receive takes a message, and returns what to report, if anything.
func (ch *channel) receive(m webrtc.DataChannelMessage) object {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	switch {
	case !ch.checking:
		return object{"event": "message", "text": m.IsString, "size": len(m.Data), "crc": crc32.ChecksumIEEE(m.Data)}
	case m.IsString:
		ch.checking = false
		return object{"event": "checked", "received": ch.received, "wrong": ch.wrong}
	case len(m.Data) > maxPayload || !bytes.Equal(m.Data, payload(ch.received, len(m.Data), false)):
		ch.wrong++
	}
	ch.received++
	return nil
}

// bulk sends for a time, with at most a megabyte buffered.
func (ch *channel) bulk(size int, d time.Duration) (n int, err error) {
	for end := time.Now().Add(d); time.Now().Before(end) && err == nil; {
		if ch.BufferedAmount() > 1<<20 {
			time.Sleep(2 * time.Millisecond)
			continue
		}
		err = ch.Send(payload(n, size, false))
		n++
	}
	if err == nil {
		err = ch.SendText("end")
	}
	return n, err
}

const maxPayload = 1 << 20

// noise is what payloads are cut from.
var noise = sync.OnceValue(func() []byte {
	buf := make([]byte, maxPayload+1<<16)
	x := uint32(1)
	for i := 0; i < len(buf); i += 4 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		binary.LittleEndian.PutUint32(buf[i:], x)
	}
	return buf
})

func payload(n, size int, text bool) []byte {
	cut := noise()[n&0xffff:][:size]
	if !text {
		return cut
	}
	letters := make([]byte, size)
	for i, b := range cut {
		letters[i] = 'a' + b&15
	}
	return letters
}
