package sctptrace

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

var start = time.Unix(1_700_000_000, 123_456_789)

// kept is a Tracer that keeps the packets.
type kept struct {
	packets [][]byte
	sent    []bool
}

func (k *kept) Trace(e sctp.TraceEvent) {
	if e.Kind == sctp.TracePacketSent || e.Kind == sctp.TracePacketReceived {
		k.packets = append(k.packets, bytes.Clone(e.Packet))
		k.sent = append(k.sent, e.Kind == sctp.TracePacketSent)
	}
}

// talk connects an association with this Tracer to another, sends a few messages
// and ends it. Each packet takes a millisecond.
func talk(t testing.TB, tracer sctp.Tracer) {
	now := start
	var ends [2]*sctp.Association
	for i := range ends {
		cfg := sctp.Config{Seed: [32]byte{byte(i + 1)}}
		if i == 0 {
			cfg.Trace = tracer
		}
		a, err := sctp.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = a
	}
	run := func() {
		for moved := true; moved; {
			moved = false
			for i, a := range ends {
				tx, ok := a.Transmit(now, nil)
				if ok {
					now = now.Add(time.Millisecond)
					ends[1-i].HandlePacket(now, 0, tx.Packet)
				}
				moved = moved || ok
				for _, ok := a.NextEvent(); ok; _, ok = a.NextEvent() {
				}
			}
		}
	}
	if err := ends[0].Connect(now); err != nil {
		t.Fatal(err)
	}
	run()
	for i := range 3 {
		m := sctp.Message{Stream: uint16(i), PPID: 51, ID: uint64(i), Payload: []byte(strings.Repeat("m", 700*i+1))}
		if err := ends[0].Send(now, m); err != nil {
			t.Fatal(err)
		}
	}
	run()
	ends[1].Abort(now, `"enough" said`)
	run()
}

// block takes a block off a pcapng file, and checks its frame.
func block(t *testing.T, b *[]byte) (kind uint32, body []byte) {
	t.Helper()
	if len(*b) < 12 {
		t.Fatalf("%d bytes are no block", len(*b))
	}
	kind, n := binary.LittleEndian.Uint32(*b), binary.LittleEndian.Uint32((*b)[4:])
	if n%4 != 0 || n < 12 || int(n) > len(*b) || binary.LittleEndian.Uint32((*b)[n-4:]) != n {
		t.Fatalf("block of type %#x has length %d", kind, n)
	}
	body = (*b)[8 : n-4]
	*b = (*b)[n:]
	return kind, body
}

// TestPcap reads what was written, byte for byte.
func TestPcap(t *testing.T) {
	for _, snapLen := range []int{0, 40} {
		var file bytes.Buffer
		var all kept
		p := NewPcap(&file, snapLen)
		talk(t, Tee(p, &all))
		if p.Err() != nil || len(all.packets) < 8 {
			t.Fatal(p.Err(), len(all.packets))
		}
		b := file.Bytes()
		kind, body := block(t, &b)
		if want := "\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x04\x00\x06\x00sluice\x00\x00\x00\x00\x00\x00"; kind != 0x0A0D0D0A || string(body) != want {
			t.Fatalf("section header %#x %q", kind, body)
		}
		kind, body = block(t, &b)
		if want := "\xf8\x00\x00\x00" + string([]byte{byte(snapLen), 0, 0, 0}) + "\x02\x00\x04\x00sctp\x09\x00\x01\x00\x09\x00\x00\x00\x00\x00\x00\x00"; kind != 1 || string(body) != want {
			t.Fatalf("interface %#x %q", kind, body)
		}
		last := uint64(0)
		for i, packet := range all.packets {
			kind, body = block(t, &b)
			u32 := func(i int) uint32 { return binary.LittleEndian.Uint32(body[i:]) }
			at := uint64(u32(4))<<32 | uint64(u32(8))
			taken := packet
			if snapLen > 0 {
				taken = packet[:min(len(packet), snapLen)]
			}
			if kind != 6 || u32(0) != 0 || int(u32(12)) != len(taken) || int(u32(16)) != len(packet) || !bytes.Equal(body[20:20+len(taken)], taken) {
				t.Fatalf("packet %d: %q", i, body)
			}
			if ns := start.UnixNano(); at < max(last, uint64(ns)) || at > uint64(ns)+uint64(time.Second) {
				t.Fatalf("packet %d at %d, the one before at %d", i, at, last)
			}
			last = at
			flags := "\x02\x00\x04\x00\x01\x00\x00\x00\x00\x00\x00\x00" // inbound
			if all.sent[i] {
				flags = strings.Replace(flags, "\x01", "\x02", 1)
			}
			if options := body[20+(len(taken)+3)&^3:]; string(options) != flags {
				t.Fatalf("packet %d, sent %v: options %q", i, all.sent[i], options)
			}
		}
		if len(b) != 0 {
			t.Fatalf("%d bytes follow", len(b))
		}
	}
}

// TestQlog reads the records, and compares those of packets with the packets.
func TestQlog(t *testing.T) {
	var file bytes.Buffer
	var all kept
	q := NewQlog(&file, `a "title"`)
	talk(t, Tee(&all, q))
	if q.Err() != nil {
		t.Fatal(q.Err())
	}
	records := strings.Split(file.String(), "\x1e")
	if records[0] != "" {
		t.Fatalf("the file begins with %q", records[0])
	}
	var header struct {
		Schema string `json:"file_schema"`
		Title  string `json:"title"`
		Trace  struct {
			Common struct {
				Reference struct {
					Epoch time.Time `json:"epoch"`
				} `json:"reference_time"`
			} `json:"common_fields"`
		} `json:"trace"`
	}
	if err := json.Unmarshal([]byte(records[1]), &header); err != nil {
		t.Fatal(err)
	}
	if header.Schema != "urn:ietf:params:qlog:file:sequential" || header.Title != `a "title"` || !header.Trace.Common.Reference.Epoch.Equal(start) {
		t.Fatalf("%+v", header)
	}
	var seen []string
	var last float64
	packets := 0
	for _, text := range records[2:] {
		var e struct {
			Time  float64        `json:"time"`
			Name  string         `json:"name"`
			Group string         `json:"group_id"`
			Data  map[string]any `json:"data"`
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if !strings.HasSuffix(text, "}\n") || e.Time < last || len(e.Group) != 8 {
			t.Fatalf("after %v: %s", last, text)
		}
		last = e.Time
		switch e.Name {
		case "sctp:packet_sent", "sctp:packet_received":
			if int(e.Data["length"].(float64)) != len(all.packets[packets]) || all.sent[packets] != (e.Name == "sctp:packet_sent") {
				t.Fatalf("packet %d: %s", packets, text)
			}
			packets++
			for _, c := range e.Data["chunks"].([]any) {
				seen = append(seen, c.(map[string]any)["type"].(string))
			}
			if e.Data["header"].(map[string]any)["checksum"] != "good" {
				t.Fatal(text)
			}
		case "sctp:state_updated":
			seen = append(seen, e.Data["new"].(string))
		case "sctp:event":
			seen = append(seen, e.Data["event"].(string))
		default:
			seen = append(seen, e.Name)
		}
	}
	for _, want := range []string{
		"INIT", "COOKIE-WAIT", "INIT ACK", "COOKIE ECHO", "COOKIE ACK", "ESTABLISHED", "connected", "sctp:metrics_updated",
		"I-DATA", "SACK", "message-sent", "message-delivered", "ABORT", "CLOSED", "closed",
	} {
		if !slices.Contains(seen, want) {
			t.Errorf("%s is missing in %v", want, seen)
		}
	}
	if packets != len(all.packets) {
		t.Errorf("%d packets of %d", packets, len(all.packets))
	}
	if !strings.Contains(file.String(), ` said`) {
		t.Error("the error of the end is missing")
	}
}

// TestQlogKinds: every kind of event gives a record of JSON, whatever is in it.
func TestQlogKinds(t *testing.T) {
	var file bytes.Buffer
	q := NewQlog(&file, "")
	for k := range sctp.TraceNotify + 2 {
		for _, packet := range []string{"", "short", "\x13\x88\x13\x88tag.\x00\x00\x00\x00" +
			"\x03\x00\x00\x08bad!\xc0\x00\x00\x08\x00\x00\x00\x05\xc2\x00\x00\x10\x00\x00\x00\x05\x00\x01\x00\x00\x00\x00\x00\x07" +
			"\x82\x00\x00\x08\x00\x0d\x00\x04\x09\x00\x00\x08\x00\x06\x00\x04\xff\x00\x00\x02"} {
			q.Trace(sctp.TraceEvent{
				Kind: k, Time: start, Packet: []byte(packet), Reason: sctp.ReasonPriority, Timer: sctp.TimerT1, Message: 1<<64 - 1,
				Metrics: sctp.PathStats{SRTT: 1, Errors: 1, Down: true}, Event: sctp.Event{Kind: 200, Err: errors.New("\x00\xff\n")},
			})
		}
	}
	records := strings.Split(file.String(), "\x1e")[1:]
	if len(records) != 1+3*int(sctp.TraceNotify+1) && len(records) != 1+3*int(sctp.TraceNotify) {
		t.Errorf("%d records", len(records))
	}
	for _, r := range records {
		if !json.Valid([]byte(r)) {
			t.Errorf("%s", r)
		}
	}
}

// broken is a Writer that fails.
type broken struct{ writes int }

func (b *broken) Write(p []byte) (int, error) { b.writes++; return 0, io.ErrShortWrite }

// TestBroken: nothing is written after an error, which is kept.
func TestBroken(t *testing.T) {
	var a, b broken
	p, q := NewPcap(&a, 0), NewQlog(&b, "")
	talk(t, Tee(p, q))
	if a.writes != 1 || b.writes != 1 || p.Err() != io.ErrShortWrite || q.Err() != io.ErrShortWrite {
		t.Fatal(a, b, p.Err(), q.Err())
	}
}

// TestAllocs: writing allocates nothing per event.
func TestAllocs(t *testing.T) {
	p, q := NewPcap(io.Discard, 0), NewQlog(io.Discard, "")
	tracer := Tee(p, q)
	var all kept
	talk(t, &all)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		i++
		tracer.Trace(sctp.TraceEvent{Time: start, Kind: sctp.TracePacketSent, Tag: 7, Packet: all.packets[i%len(all.packets)]})
		tracer.Trace(sctp.TraceEvent{Time: start, Kind: sctp.TraceMetrics, Tag: 7, Metrics: sctp.PathStats{SRTT: time.Second}})
	}); n != 0 {
		t.Errorf("%v allocations for two events", n)
	}
}
