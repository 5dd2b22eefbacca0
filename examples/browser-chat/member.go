//go:build !js

package main

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// outQueue is how many events may wait for a member. A member that falls
	// further behind is disconnected, so that it cannot hold up the room. The
	// events themselves are shared by all members.
	outQueue = 1024

	helloTimeout = 20 * time.Second // from the offer to the hello, ICE included
)

// link is one connection of a member, from the offer to its end.
type link struct {
	room   *room
	hangUp func()
	ctx    context.Context // done when the link has ended
	cancel context.CancelFunc
	ended  atomic.Bool
	wg     sync.WaitGroup
	out    chan []byte // events on their way to chat; closed by bye
	seated *time.Timer // ends a link that does not say hello

	// guarded by room.mu
	who     *member // nil before hello
	chat    pipe
	live    pipe
	takes   int
	closing bool // no event follows
}

// newLink is called with room.mu held.
func newLink(r *room, hangUp func()) *link {
	l := &link{room: r, hangUp: hangUp, out: make(chan []byte, outQueue)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.seated = time.AfterFunc(helloTimeout, l.end)
	return l
}

// attach gives the link a data channel that the other end opened. Channels
// with a label that is not in the protocol are closed.
func (l *link) attach(label string, p pipe) {
	r := l.room
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case l.ctx.Err() != nil || l.closing:
		p.Close()
	case label == labelChat && l.chat == nil:
		l.chat = p
		l.wg.Go(l.readChat)
		l.wg.Go(l.writeChat)
	case label == labelLive && l.live == nil:
		l.live = p
		l.wg.Go(l.readLive)
	case strings.HasPrefix(label, labelFile):
		r.attachFile(l, strings.TrimPrefix(label, labelFile), p)
	default:
		p.Close()
	}
}

// end ends the link. The first call hangs up and tells the room.
func (l *link) end() {
	if l.ended.Swap(true) { // not a Once: hangUp may call back
		return
	}
	l.cancel()
	l.seated.Stop()
	l.hangUp()
	l.room.lost(l)
}

// send queues an event; called with room.mu held.
func (l *link) send(b []byte) {
	if l.closing {
		return
	}
	if len(l.out) >= outQueue-1 { // the last place is for the bye
		l.bye("slow", "Your connection is too slow for this room.")
		return
	}
	l.out <- b
}

// bye ends the link after the queued events and a last one that says why;
// called with room.mu held.
func (l *link) bye(code, reason string) {
	if l.closing {
		return
	}
	l.closing = true
	l.out <- encode(event{Type: "bye", Code: code, Reason: reason})
	close(l.out)
	if l.chat == nil {
		l.wg.Go(l.end)
	}
}

// complain tells the member about a request that was not carried out.
func (l *link) complain(code, reason, ref string) {
	l.send(encode(event{Type: "problem", Code: code, Reason: reason, Ref: ref}))
}

func (l *link) writeChat() {
	defer l.end()
	for {
		select {
		case <-l.ctx.Done():
			return
		case b, ok := <-l.out:
			if !ok { // bye was said: the other end hangs up
				select {
				case <-l.ctx.Done():
				case <-time.After(byeTimeout):
				}
				return
			}
			ctx, cancel := context.WithTimeout(l.ctx, writeTimeout)
			err := l.chat.WriteMessage(ctx, b, true)
			cancel()
			if err != nil {
				return
			}
		}
	}
}

func (l *link) readChat() {
	defer l.end()
	limit := bucket{rate: 5, burst: 20}
	strikes := bucket{rate: 1, burst: 100} // requests over the limit or malformed
	for {
		b, isText, err := l.chat.ReadMessage(l.ctx)
		if err != nil {
			return
		}
		var code string
		q, err := parseRequest(b)
		now := time.Now()
		switch {
		case err != nil:
			code = "protocol"
		case !isText:
			code, err = "protocol", errProtocol
		case !limit.take(now):
			code, err = "rate", errRate
		default:
			l.room.handle(l, q)
			continue
		}
		l.room.mu.Lock()
		switch {
		case !strikes.take(now):
			l.bye("flood", "Too many messages.")
		case l.who == nil:
			l.bye(code, sentence(err))
		default:
			l.complain(code, sentence(err), q.Ref)
		}
		l.room.mu.Unlock()
	}
}

func (l *link) readLive() {
	limit := bucket{rate: 50, burst: 100}
	for {
		b, _, err := l.live.ReadMessage(l.ctx)
		if err != nil {
			return // the chat channel says when the link is at its end
		}
		if !limit.take(time.Now()) {
			continue
		}
		switch m, ok := parseLive(b); {
		case !ok:
		case m.T == "ping":
			l.live.TrySend(encode(live{T: "pong", N: m.N}))
		case m.T == "ptr":
			l.room.point(l, m)
		}
	}
}
