//go:build !js

package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// config is what the command line sets. Zero values select the defaults.
type config struct {
	Members int           // how many may be in the room, default 32
	History int           // entries kept for latecomers, default 200
	MaxFile int64         // bytes of one file, default 4 GiB
	Grace   time.Duration // how long a lost member keeps the place, default 4 s
	Log     *slog.Logger  // default silent
}

func (c *config) setDefaults() {
	if c.Members <= 0 {
		c.Members = 32
	}
	if c.History <= 0 {
		c.History = 200
	}
	if c.MaxFile <= 0 {
		c.MaxFile = 4 << 30
	}
	if c.Grace <= 0 {
		c.Grace = 4 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// room is the meeting place: who is there, what was said, what is on offer.
// It knows connections only as links, so it runs in a test without a network.
type room struct {
	cfg   config
	epoch string // changes with every start of the program

	mu      sync.Mutex // guards all below and the marked fields of link, member and share
	links   map[*link]struct{}
	members []*member // in order of arrival
	history history
	shares  map[string]*share
	files   int // ever offered
	closed  bool
}

// member is a person in the room. It outlives its connection by the grace
// period, so that a reload is not a departure.
type member struct {
	id    string // public, derived from the key
	nick  string
	link  *link // nil while the connection is lost
	shaky bool  // the connection reports trouble
	gone  *time.Timer
}

var (
	errFull   = errors.New("the room is full")
	errClosed = errors.New("the room is closing")
)

func newRoom(cfg config) *room {
	cfg.setDefaults()
	return &room{
		cfg:     cfg,
		epoch:   rand.Text(),
		links:   make(map[*link]struct{}),
		shares:  make(map[string]*share),
		history: history{limit: cfg.History, limitBytes: 1 << 20},
	}
}

// connect reserves a place for a new connection. hangUp closes the connection
// and may be called from any goroutine, more than once.
func (r *room) connect(hangUp func()) (*link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	// A few places more than members: a reloaded page connects again before
	// its old connection is known to be dead.
	if len(r.links) >= r.cfg.Members+8 {
		return nil, errFull
	}
	l := newLink(r, hangUp)
	r.links[l] = struct{}{}
	return l, nil
}

// close ends all connections, and waits for the goroutines of the room.
func (r *room) close() {
	r.mu.Lock()
	r.closed = true
	links := make([]*link, 0, len(r.links))
	for l := range r.links {
		l.bye("closing", "The room is closing.")
		links = append(links, l)
	}
	for _, m := range r.members {
		if m.gone != nil {
			m.gone.Stop()
		}
	}
	r.mu.Unlock()
	for _, l := range links {
		l.wg.Wait()
	}
}

// handle acts on one request of a link.
func (r *room) handle(l *link, q request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.closing {
		return
	}
	if q.Type == "hello" {
		r.hello(l, q)
		return
	}
	if l.who == nil {
		l.bye("protocol", "The first message must be a hello.")
		return
	}
	switch q.Type {
	case "say":
		r.say(l.who, entry{Kind: "say", Text: q.Text, Ref: q.Ref})
	case "nick":
		r.rename(l.who, q.Nick)
	case "offer":
		r.offer(l, q)
	case "withdraw":
		if s := r.shares[q.ID]; s != nil && s.owner == l.who {
			r.withdraw(s)
		}
	case "leave":
		who := l.who
		l.bye("left", "You left the room.")
		r.remove(who)
	}
}

// hello seats the link: in the place it had, or in a new one.
func (r *room) hello(l *link, q request) {
	if l.who != nil {
		l.bye("protocol", "A second hello.")
		return
	}
	id := memberID(q.Key)
	m := r.member(id)
	isNew := m == nil
	if isNew {
		if len(r.members) >= r.cfg.Members {
			l.bye("full", "The room is full.")
			return
		}
		m = &member{id: id}
		r.members = append(r.members, m)
	}
	if m.gone != nil {
		m.gone.Stop()
		m.gone = nil
	}
	if m.link != nil {
		m.link.bye("replaced", "You joined again from another window.")
	}
	m.link, m.shaky, l.who = l, false, m
	l.seated.Stop()
	r.keepShares(m, q.Files)

	fresh := q.Room != r.epoch
	if fresh {
		q.After = 0
	}
	l.send(encode(event{Type: "welcome", V: protocolVersion, Room: r.epoch, You: m.id, Fresh: fresh, Limits: &publicLimits{
		Nick: maxNick, Text: maxText, File: r.cfg.MaxFile, Held: maxHeld, Window: fileWindow, Chunk: maxChunk}}))
	for _, b := range r.history.after(q.After) {
		l.send(b)
	}
	l.send(encode(event{Type: "ready"}))

	if isNew {
		m.nick = r.freeNick(q.Nick, m)
		r.cfg.Log.Info("joined", "nick", m.nick)
		r.say(m, entry{Kind: "join"})
	} else if q.Nick != m.nick {
		r.rename(m, q.Nick)
	}
	r.announcePeople()
}

// lost is called when a link has ended, for whatever reason.
func (r *room) lost(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.links, l)
	m := l.who
	if m == nil || m.link != l || r.member(m.id) != m {
		return
	}
	m.link = nil
	r.cfg.Log.Info("connection ended", "nick", m.nick)
	if r.closed {
		return
	}
	m.gone = time.AfterFunc(r.cfg.Grace, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if m.link == nil && r.member(m.id) == m {
			r.remove(m)
		}
	})
	r.announcePeople()
}

// trouble notes whether the connection of the link reports a problem that may
// still pass.
func (r *room) trouble(l *link, shaky bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := l.who; m != nil && m.link == l && m.shaky != shaky {
		m.shaky = shaky
		r.announcePeople()
	}
}

// remove ends the stay of a member.
func (r *room) remove(m *member) {
	for i := range r.members {
		if r.members[i] == m {
			r.members = append(r.members[:i:i], r.members[i+1:]...)
			break
		}
	}
	if m.gone != nil {
		m.gone.Stop()
	}
	r.keepShares(m, nil)
	r.cfg.Log.Info("left", "nick", m.nick)
	r.say(m, entry{Kind: "leave"})
	r.announcePeople()
}

func (r *room) rename(m *member, nick string) {
	nick = r.freeNick(nick, m)
	if nick == m.nick {
		r.announcePeople() // the page may show the name it asked for
		return
	}
	r.say(m, entry{Kind: "nick", Text: nick})
	m.nick = nick
	r.announcePeople()
}

// freeNick returns the name, with a number if somebody else has it.
func (r *room) freeNick(nick string, but *member) string {
	taken := func(s string) bool {
		for _, m := range r.members {
			if m != but && strings.EqualFold(m.nick, s) {
				return true
			}
		}
		return false
	}
	free := nick
	for n := 2; taken(free); n++ {
		suffix := " " + strconv.Itoa(n)
		free = cleanLine(nick, maxNick-len(suffix)) + suffix
	}
	return free
}

// say puts an entry into the history and sends it to everybody.
func (r *room) say(m *member, e entry) {
	e.At, e.From, e.Nick = time.Now().UnixMilli(), m.id, m.nick
	r.broadcast(r.history.add(&e))
}

func (r *room) announcePeople() {
	people := make([]person, len(r.members))
	for i, m := range r.members {
		people[i] = person{ID: m.id, Nick: m.nick, Away: m.link == nil || m.shaky}
	}
	r.broadcast(encode(event{Type: "people", People: people}))
}

func (r *room) broadcast(b []byte) {
	for _, m := range r.members {
		if m.link != nil {
			m.link.send(b)
		}
	}
}

// point passes the pointer of a member to the others.
func (r *room) point(l *link, p live) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.who == nil {
		return
	}
	p.I = l.who.id
	b := encode(p)
	for _, m := range r.members {
		if m.link != nil && m.link != l && m.link.live != nil {
			m.link.live.TrySend(b)
		}
	}
}

func (r *room) member(id string) *member {
	for _, m := range r.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

// memberID derives the public name of a place from its secret, so that a
// member keeps the id, and the authorship of what it said, across absences.
func memberID(key string) string {
	sum := sha256.Sum256([]byte("browser-chat member " + key))
	return hex.EncodeToString(sum[:6])
}
