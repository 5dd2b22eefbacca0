package sctp

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// handoverFields says for every field of an association what becomes of it in a
// handover. Whoever adds a field decides it here, and sees to it in handoverstate.go,
// or in Association.HandoverObstacles:
//
//	carried  it is part of the state
//	idle     there is an obstacle unless it is as after begin, or nothing depends on it then
//	anew     it begins again: what is known of the path, statistics, memory for reuse
//	config   it comes from the Config that Resume gets
//	parts    each of its own fields is listed
var handoverFields = map[string]string{
	"Association": "cfg config, common parts, state idle, ended idle, err idle, id parts, hs parts, peer parts, paths anew, closer idle, " +
		"out parts, sent parts, recovery idle, forward parts, window parts, tsns parts, in parts, ack parts, reconfig parts, " +
		"control idle, strays idle, events idle, counters anew, trace config",
	"identity":  "localPort carried, remotePort carried, localTag carried, peerTag carried",
	"handshake": "attempt idle, localTSN carried, learned anew, stale idle, cookieAck idle, peerKind carried, snap anew",
	"common":    "clock anew, rng config, secret carried, cfg config, kept anew",
	"peerInit": "tag carried, window carried, outStreams carried, inStreams carried, initialTSN carried, " +
		"forwardTSN carried, interleaving carried, reconfig carried, zeroChecksum carried, ecn carried, nrSack carried, pads carried",

	"outbound": "limit config, frugal config, held idle, scheduler config, interleaved carried, buffered idle, messages idle, refused idle, told anew, streams parts, turns idle, begun idle, " +
		"serving idle, lasting idle, until anew, pool anew, low idle, few idle, queued idle, waiting idle, allLow carried, isAllLow idle, arrivals anew, large idle, " +
		"limited idle, midway idle, parted idle, midways idle, drained idle",
	"streamTable": "at carried, n carried, first parts, more parts",
	"streamPages": "low parts, pages parts",
	"outStream": "standing anew, id carried, priority carried, ordered carried, unordered carried, head idle, tail idle, queued idle, threshold carried, " +
		"reset idle, abandoned anew, pending idle, asked idle, used carried, open idle",
	"sentQueue": "ring idle, cum carried, next carried, gapAcks idle, flight idle, flightPayload idle, outstanding idle, " +
		"lost idle, lostFrom idle, highestAcked idle, marked anew, order idle, rate anew, use anew, timing idle, timed idle, timedAt idle",
	"forwardState": "enabled carried, interleaved carried, point carried, due idle, lastAt idle, skips anew",
	"peerWindow":   "advertised carried, probing idle, probe idle, answered idle",

	"tsnMap":   "cum carried, highest carried, above idle, passed anew",
	"inbound":  "limit config, frugal config, bytes idle, entries idle, streams parts, interleaved carried, fragments idle, recent idle, beyond idle, cum idle, pool anew, readable idle, few idle, reads anew, touched anew",
	"inStream": "id carried, next carried, floor carried, fragments idle, announced idle, head idle, tail idle, waiting idle, ahead idle, sinceReset anew, eager config",
	"ackState": "due carried, delay carried, packets idle, lists idle, advertised carried, " +
		"packetData idle, packetNew idle, packetNow idle, first carried, final carried",

	"reconfig": "enabled carried, out carried, in carried, own parts, peer parts",
	"requester": "queue idle, stopped idle, seq carried, timer idle, current idle, inFlight idle, due idle, waiting idle, implied idle, " +
		"repeats idle, holding idle, asked idle, undrained idle, all idle, resetAt carried",
	"responder":     "next carried, dealings parts",
	"dealings":      "answers carried, answered carried, due idle, deferred idle, last parts, covered anew",
	"deferredReset": "seq carried, lastTSN carried, streams carried, sorted idle",
}

// TestHandoverFields: no field is forgotten.
func TestHandoverFields(t *testing.T) {
	seen := map[reflect.Type]bool{}
	named := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Array {
			typ = typ.Elem()
		}
		if seen[typ] {
			return
		}
		seen[typ] = true
		name, _, _ := strings.Cut(typ.Name(), "[") // of the type arguments
		named[name] = true
		decisions := map[string]string{}
		for d := range strings.SplitSeq(handoverFields[name], ", ") {
			field, decision, _ := strings.Cut(d, " ")
			decisions[field] = decision
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			switch decisions[f.Name] {
			case "":
				t.Errorf("what becomes of %s.%s when the association is handed over? Say it in handoverFields", name, f.Name)
			case "parts":
				walk(f.Type)
			case "carried", "idle", "anew", "config":
			default:
				t.Errorf("%s.%s: %q is no decision", name, f.Name, decisions[f.Name])
			}
			delete(decisions, f.Name)
		}
		for field := range decisions {
			t.Errorf("there is no field %s.%s", name, field)
		}
	}
	walk(reflect.TypeFor[Association]())
	for name := range handoverFields {
		if !named[name] {
			t.Errorf("%s is no part of an association", name)
		}
	}
}

// TestHandoverCarries: what is resumed, and handed over again, has the same state.
func TestHandoverCarries(t *testing.T) {
	tc := newConnected(t, Config{HeartbeatInterval: -1})
	for i, id := range []uint16{5, 700, 65534} {
		tc.a.SetBufferedAmountLowThreshold(id, 10+i)
		tc.a.SetStreamPriority(id, uint16(i))
		tc.send(Message{Stream: id, Payload: payload(10)})
	}
	tc.wantPackets("messages", 3)
	tc.write(data{tsn: 0, sid: 4, flags: whole, payload: "a"}, sack{cum: 2})
	tc.wantRead("what came", 4, "a")
	tc.drain()
	old := *tc.a
	state, err := tc.a.Handover(tc.now)
	if err != nil {
		t.Fatal(err)
	}
	resumed, err := Resume(tc.now, Config{Seed: [32]byte{77}, HeartbeatInterval: -1, MaxMTU: -1}, state)
	if err != nil {
		t.Fatal(err)
	}
	resumed.NextEvent()
	again, err := resumed.Handover(tc.now)
	if err != nil || !slices.Equal(state, again) {
		t.Fatalf("handed over again:\n%x, want\n%x, %v", again, state, err)
	}
	if old.id != resumed.id {
		t.Errorf("%+v, want %+v", resumed.id, old.id)
	}
}
