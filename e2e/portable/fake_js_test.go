package portable

import (
	"errors"
	"net"
	"runtime"
	"slices"
	"syscall/js"
	"testing"

	"github.com/sluice-rtc/sluice/datachannel"
)

// TestAgainstFake has an RTCDataChannel that does what browsers do rarely: a message comes before
// open, and the channel is closed while much is buffered and a WriteMessage waits.
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
	if want := []int{much, len("sent"), -1}; !slices.Equal(sent, want) {
		t.Errorf("sent %v, want %v", sent, want)
	}
	if err := <-waited; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the WriteMessage that waited: %v", err)
	}
}
