package portable

import (
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall/js"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// TestAgainstFake has an RTCDataChannel that does what browsers do rarely: a message comes before
// open, and the channel is closed while much is buffered and a WriteMessage waits. The browser
// is told of the close when it buffers nothing any more.
func TestAgainstFake(t *testing.T) {
	targets := js.Global().Get("EventTarget")
	pc, dc := targets.New(), targets.New()
	var sent []int
	create := js.FuncOf(func(js.Value, []js.Value) any { return dc })
	send := js.FuncOf(func(_ js.Value, args []js.Value) any {
		n := args[0].Get("length").Int()
		sent = append(sent, n)
		dc.Set("bufferedAmount", dc.Get("bufferedAmount").Int()+n)
		return nil
	})
	closing := js.FuncOf(func(js.Value, []js.Value) any { sent = append(sent, -1); return nil })
	defer create.Release()
	defer send.Release()
	defer closing.Release()
	pc.Set("createDataChannel", create)
	dc.Set("send", send)
	dc.Set("close", closing)
	dc.Set("bufferedAmount", 0)

	s := datachannel.NewBrowserSession(pc, datachannel.Config{})
	defer s.Abort("end of the test")
	ch, err := s.CreateChannel("", nil)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan string, 10)
	ch.OnOpen(func() { events <- "open" })
	ch.OnMessage(func(m datachannel.Message) { events <- string(m.Data) })
	dc.Call("dispatchEvent", js.Global().Get("MessageEvent").New("message", map[string]any{"data": "early"}))
	for range 10 {
		runtime.Gosched()
	}
	dc.Call("dispatchEvent", js.Global().Get("Event").New("open"))
	if first, second := <-events, <-events; first != "open" || second != "early" {
		t.Errorf("events %s, %s", first, second)
	}

	const much = 2 << 20
	if err := ch.WriteMessage(t.Context(), make([]byte, much), false); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- ch.WriteMessage(t.Context(), []byte("waits"), false) }()
	for ch.BufferedAmount() == much {
		runtime.Gosched()
	}
	if err := ch.Send([]byte("sent")); err != nil {
		t.Fatal(err)
	}
	ch.Close()
	for _, buffered := range []int{much + len("sent"), 1, 0} {
		if want := []int{much, len("sent")}; !slices.Equal(sent, want) {
			t.Errorf("with %d bytes buffered: sent %v, want %v", buffered, sent, want)
		}
		dc.Set("bufferedAmount", buffered)
		if threshold := dc.Get("bufferedAmountLowThreshold"); threshold.Type() != js.TypeNumber || threshold.Int() != 0 {
			t.Errorf("bufferedAmountLowThreshold %v", threshold)
		}
		dc.Call("dispatchEvent", js.Global().Get("Event").New("bufferedamountlow"))
	}
	if want := []int{much, len("sent"), -1}; !slices.Equal(sent, want) {
		t.Errorf("sent %v, want %v", sent, want)
	}
	if err := <-waited; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the WriteMessage that waited: %v", err)
	}
}

// fakeConnection makes a class of connections whose promises are never settled, and of which sctp is what the
// program sets. It returns what undoes that.
const fakeConnection = `
	const real = globalThis.RTCPeerConnection;
	globalThis.listening = 0;
	globalThis.handlers = [];
	class Transport extends EventTarget {
		state = 'connecting';
		addEventListener(...args) { listening++; super.addEventListener(...args); }
		removeEventListener(...args) { listening--; super.removeEventListener(...args); }
	}
	globalThis.RTCPeerConnection = class extends EventTarget {
		signalingState = 'stable';
		sctp = null;
		constructor() { super(); globalThis.fake = this; }
		setLocalDescription() { return {then(...of) { handlers.push(...of); }}; }
		replaceTransport() { this.sctp = new Transport(); this.sctp.transport = new Transport(); }
		close() {}
	};
	return () => { globalThis.RTCPeerConnection = real; };`

// TestNothingIsLeft has a connection whose transport is replaced many times, and which is closed while a promise
// waits: listeners do not become more, and functions of Go that promises call are one for all.
func TestNothingIsLeft(t *testing.T) {
	undo := js.Global().Get("Function").New(fakeConnection).Invoke()
	defer undo.Invoke()
	pc, err := sluice.NewPeerConnection(sluice.Config{})
	if err != nil {
		t.Fatal(err)
	}
	fake := js.Global().Get("fake")
	heard := make(chan sluice.SCTPTransportState, 10)
	for i := range 10 {
		fake.Call("replaceTransport")
		before := fake.Get("sctp")
		pc.SCTP().OnStateChange(func(s sluice.SCTPTransportState) { heard <- s })
		fake.Call("replaceTransport")
		pc.SCTP()
		before.Set("state", "closed")
		before.Call("dispatchEvent", js.Global().Get("Event").New("statechange"))
		if s := <-heard; s != sluice.SCTPTransportStateClosed {
			t.Errorf("the transport that was replaced is %s", s)
		}
		if n := js.Global().Get("listening").Int(); n > 2*3 {
			t.Fatalf("%d listeners after %d transports", n, 2*i+2)
		}
	}
	failed := make(chan error, 1)
	go func() { failed <- pc.SetLocalDescription(sluice.SessionDescription{}) }()
	handlers := js.Global().Get("handlers")
	for handlers.Length() < 2 {
		runtime.Gosched()
	}
	pc.Close()
	var closed *sluice.InvalidStateError
	if err := <-failed; !errors.As(err, &closed) {
		t.Errorf("the call that waited: %v", err)
	}
	for i := range 2 {
		f := handlers.Index(i)
		if name := f.Get("name").String(); !strings.HasPrefix(name, "bound ") {
			t.Errorf("the promise calls a function of its own, %q", name)
		}
		f.Invoke("late")
	}
	if n := js.Global().Get("listening").Int(); n != 0 {
		t.Errorf("%d listeners after Close", n)
	}
}

// TestGatheringAfterClose closes a connection while it sets a description that gathers anew: nobody waits for
// candidates afterwards.
func TestGatheringAfterClose(t *testing.T) {
	undo := js.Global().Get("Function").New(fakeConnection).Invoke()
	defer undo.Invoke()
	pc, err := sluice.NewPeerConnection(sluice.Config{})
	if err != nil {
		t.Fatal(err)
	}
	fake := js.Global().Get("fake")
	fake.Set("iceGatheringState", "complete")
	fake.Call("dispatchEvent", js.Global().Get("Event").New("icegatheringstatechange"))
	set := make(chan struct{})
	go func() { pc.SetLocalDescription(sluice.SessionDescription{}); close(set) }()
	for js.Global().Get("handlers").Length() == 0 {
		runtime.Gosched()
	}
	fake.Set("localDescription", map[string]any{"type": "offer", "sdp": "v=0\r\na=ice-ufrag:another\r\n"})
	pc.Close()
	<-set
	select {
	case <-pc.GatheringComplete():
	default:
		t.Error("gathering is to end after Close")
	}
}

// TestWorker has no RTCPeerConnection, as in a worker.
func TestWorker(t *testing.T) {
	const name = "RTCPeerConnection"
	class := js.Global().Get(name)
	js.Global().Set(name, js.Undefined())
	defer js.Global().Set(name, class)
	if pc, err := sluice.NewPeerConnection(sluice.Config{}); pc != nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, %v", pc, err)
	}
}
