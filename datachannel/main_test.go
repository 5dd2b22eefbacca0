package datachannel

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// TestMain fails if a test leaves a goroutine of this module behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if leaked := leakedGoroutines(); leaked != "" && code == 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", leaked)
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines returns the stacks of goroutines that run code of this module,
// the calling one apart. One that is about to end gets the chance to.
func leakedGoroutines() string {
	var leaked string
	for range 1000 {
		runtime.Gosched()
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		leaked = ""
		for i, stack := range bytes.Split(buf, []byte("\n\n")) {
			if i > 0 && bytes.Contains(stack, []byte("sluice-rtc/sluice/")) {
				leaked += string(stack) + "\n\n"
			}
		}
		if leaked == "" {
			break
		}
	}
	return leaked
}

var background = context.Background()

// latency is the one-way delay of the links in tests.
const latency = 20 * time.Millisecond

// link returns the two ends of a link with latency, to which change may add.
func link(change func(*netsim.PipeConfig)) (a, b *netsim.Conn) {
	cfg := netsim.PipeConfig{AtoB: netsim.Conditions{Latency: latency}, BtoA: netsim.Conditions{Latency: latency}, ReceiveQueue: 8 << 20}
	if change != nil {
		change(&cfg)
	}
	return netsim.Pipe(cfg)
}

// A pair is two sessions: a is the DTLS client, b the server.
type pair struct {
	t    *testing.T
	a, b *Session
}

// setup describes a pair.
type setup struct {
	a, b           Config
	paramsA        Params // the roles are set
	paramsB        Params
	link           func(*netsim.PipeConfig)
	before         func(*pair) // runs before the sessions start
	keepConnecting bool        // do not wait for the association
}

// bubble runs test in a synctest bubble on a connected pair, and ends it.
func bubble(t *testing.T, cfg setup, test func(*testing.T, *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t, a: NewSession(cfg.a), b: NewSession(cfg.b)}
		defer p.end()
		if cfg.before != nil {
			cfg.before(p)
		}
		ca, cb := link(cfg.link)
		cfg.paramsA.DTLSClient = true
		check(t, p.a.Start(ca, cfg.paramsA))
		check(t, p.b.Start(cb, cfg.paramsB))
		if !cfg.keepConnecting {
			check(t, p.a.WaitConnected(background))
			check(t, p.b.WaitConnected(background))
		}
		test(t, p)
	})
}

// end ends both sessions and waits until nothing is left of them.
func (p *pair) end() {
	for _, s := range []*Session{p.a, p.b} {
		s.Abort("end of the test")
		if s.conn != nil {
			<-s.conn.Done()
		}
	}
}

// settle lets everything happen that does not wait for more than a second.
func settle() {
	netsim.Elapse(time.Second)
	synctest.Wait()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// value fails the test if a call had an error, and passes on what it returned.
func value[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func ptr[T any](v T) *T { return &v }

// open creates a channel on a and accepts it on b, which has no OnChannel.
func (p *pair) open(label string, init *Init) (a, b *Channel) {
	p.t.Helper()
	a = value(p.a.CreateChannel(label, init))(p.t)
	b = p.accept(p.b)
	settle()
	wantState(p.t, a, Open)
	wantState(p.t, b, Open)
	return a, b
}

// accept waits for a channel on one of the sessions.
func (p *pair) accept(s *Session) *Channel {
	p.t.Helper()
	ctx, cancel := timeout(time.Minute)
	defer cancel()
	return value(s.Accept(ctx))(p.t)
}

// negotiate creates a negotiated channel on both ends.
func (p *pair) negotiate(id uint16, init Init) (a, b *Channel) {
	p.t.Helper()
	init.Negotiated, init.ID = true, &id
	return value(p.a.CreateChannel("", &init))(p.t), value(p.b.CreateChannel("", &init))(p.t)
}

func wantState(t *testing.T, ch *Channel, want ReadyState) {
	t.Helper()
	if got := ch.ReadyState(); got != want {
		t.Fatalf("channel %q is %v, want %v", ch.Label(), got, want)
	}
}

func wantID(t *testing.T, ch *Channel, want uint16) {
	t.Helper()
	if id, ok := ch.ID(); !ok || id != want {
		t.Errorf("channel %q has id %d, %v, want %d", ch.Label(), id, ok, want)
	}
}

// wantMessage reads one message and compares it.
func wantMessage(t *testing.T, ch *Channel, want string, isText bool) {
	t.Helper()
	ctx, cancel := timeout(time.Minute)
	defer cancel()
	m, err := ch.ReadMessage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Data) != want || m.IsText != isText {
		t.Fatalf("message %.40q (%d bytes), text %v, want %.40q (%d bytes), text %v", m.Data, len(m.Data), m.IsText, want, len(want), isText)
	}
}

// journal collects what callbacks report, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// watch sets all callbacks of ch but OnBufferedAmountLow.
func (j *journal) watch(ch *Channel) {
	ch.OnOpen(func() { j.add("open %v", ch.ReadyState()) })
	ch.OnMessage(func(m Message) { j.add("message %.20s", m.Data) })
	ch.OnError(func(err error) { j.add("error %v", err.(*RTCError).Detail) })
	ch.OnClosing(func() { j.add("closing %v", ch.ReadyState()) })
	ch.OnClose(func() { j.add("close %v", ch.ReadyState()) })
}

// want compares the lines since the last time, after everything settled.
func (j *journal) want(t *testing.T, lines ...string) {
	t.Helper()
	settle()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, lines) {
		t.Fatalf("events\n%q, want\n%q", j.lines, lines)
	}
	j.lines = nil
}

// pattern returns n bytes of text that depend on seed.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + (byte(i)+byte(i>>8)+seed)%26
	}
	return b
}

// A rawPeer is an association without data channels on top, which speaks DCEP by
// hand, or refuses to.
type rawPeer struct {
	t    *testing.T
	conn *sctpnet.Conn

	mu     sync.Mutex
	resets []uint16 // streams that the other side reset
	done   []uint16 // our resets that it performed
}

// hostile runs test on a session, the DTLS server unless client, and a raw peer.
func hostile(t *testing.T, cfg Config, client bool, peer sctp.Config, test func(*testing.T, *Session, *rawPeer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ca, cb := link(nil)
		r := &rawPeer{t: t}
		r.conn = value(sctpnet.New(cb, sctpnet.Config{SCTP: peer, OnEvent: r.onEvent}, true))(t)
		s := value(New(ca, cfg, Params{DTLSClient: client}))(t)
		defer func() {
			s.Abort("end of the test")
			<-s.conn.Done()
			r.conn.Abort("end of the test")
			<-r.conn.Done()
		}()
		check(t, s.WaitConnected(background))
		check(t, r.conn.WaitConnected(background))
		test(t, s, r)
	})
}

func (r *rawPeer) onEvent(_ *sctpnet.Conn, ev sctp.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch ev.Kind {
	case sctp.EventStreamReset:
		r.resets = append(r.resets, ev.Stream)
	case sctp.EventStreamResetDone:
		r.done = append(r.done, ev.Stream)
	}
}

// accept waits for a channel on the session.
func (r *rawPeer) accept(s *Session) *Channel {
	r.t.Helper()
	ctx, cancel := timeout(time.Minute)
	defer cancel()
	return value(s.Accept(ctx))(r.t)
}

// wantResets compares which streams the session reset since the last time.
func (r *rawPeer) wantResets(ids ...uint16) {
	r.t.Helper()
	settle()
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.resets)
	if !slices.Equal(r.resets, ids) {
		r.t.Fatalf("the session reset streams %d, want %d", r.resets, ids)
	}
	r.resets = nil
}

func (r *rawPeer) send(stream uint16, ppid uint32, payload []byte) {
	r.t.Helper()
	check(r.t, r.conn.WriteMessage(background, sctp.Message{Stream: stream, PPID: ppid, Payload: payload}))
}

func (r *rawPeer) sendOpen(stream uint16, open dcep.Open) {
	r.t.Helper()
	r.send(stream, dcep.PPIDControl, value(dcep.AppendOpen(nil, open))(r.t))
}

// next reads the next message on a stream.
func (r *rawPeer) next(stream uint16) (sctp.MessageInfo, []byte) {
	r.t.Helper()
	var whole []byte
	buf := make([]byte, 4096)
	for {
		ctx, cancel := timeout(time.Minute)
		defer cancel()
		n, info, err := r.conn.ReadMessage(ctx, stream, buf)
		check(r.t, err)
		whole = append(whole, buf[:n]...)
		if info.Complete {
			return info, whole
		}
	}
}

// wantAck reads an ACK.
func (r *rawPeer) wantAck(stream uint16) {
	r.t.Helper()
	info, b := r.next(stream)
	if info.PPID != dcep.PPIDControl || info.Unordered || !bytes.Equal(b, []byte{2}) {
		r.t.Fatalf("on stream %d: %+v %x, want an ACK", stream, info, b)
	}
}

// wantNothing checks that nothing came in on a stream.
func (r *rawPeer) wantNothing(stream uint16) {
	r.t.Helper()
	settle()
	if info, err := r.conn.Peek(stream); err == nil {
		r.t.Fatalf("on stream %d: %+v, want nothing", stream, info)
	}
}

func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(background, d)
}
