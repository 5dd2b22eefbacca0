//go:build !js

package sluice

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
)

// Multicast DNS (RFC 6762).
const (
	mdnsTimeout  = 10 * time.Second // bounds the search for one name
	mdnsRepeat   = time.Second      // between the first two questions, then doubling (section 5.2)
	mdnsMaxWait  = 4 * time.Second
	mdnsQuiet    = time.Second // an answer is not repeated earlier (section 6)
	mdnsTTL      = 120         // seconds that an answer is good for (section 10)
	mdnsMaxNames = 256
	mdnsTopBit   = 1 << 15 // of a class: unicast answers welcome, or others to be forgotten (sections 5.4, 10.2)
)

// mdnsGroup is where questions and answers go.
var mdnsGroup = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

// mdnsNode finds the address behind the .local names that peers put into
// candidates instead of addresses, and answers for those of ours
// (draft-ietf-mmusic-mdns-ice-candidates). Its socket is opened when it is needed
// first, not with every agent as the ICE library would.
type mdnsNode struct {
	loopback bool // on loopback interfaces, too
	log      scopedLogger

	mu      sync.Mutex
	conn    *ipv4.PacketConn // nil before the first name and after close
	socket  *net.UDPConn     // below conn
	joined  []net.Interface
	links   []*net.IPNet // the networks that this host is in
	ours    map[string]*mdnsName
	waiting map[string][]chan netip.Addr
	closed  bool
	reading sync.WaitGroup
}

// mdnsName is a name of ours.
type mdnsName struct {
	addr     netip.Addr
	answered map[int]time.Time // when last, by interface
}

// hide returns a name for an address of ours, the same for the same address.
func (n *mdnsNode) hide(addr netip.Addr) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, o := range n.ours {
		if o.addr == addr {
			return name, n.open()
		}
	}
	if len(n.ours) >= mdnsMaxNames {
		return "", errors.New("sluice: too many addresses to hide")
	}
	if err := n.open(); err != nil {
		return "", err
	}
	var id [16]byte
	rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0F|0x40, id[8]&0x3F|0x80
	name := fmt.Sprintf("%x-%x-%x-%x-%x.local", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	if n.ours == nil {
		n.ours = make(map[string]*mdnsName)
	}
	n.ours[name] = &mdnsName{addr: addr, answered: make(map[int]time.Time)}
	return name, nil
}

// resolve asks for name until it is answered, ctx ends or time is up.
func (n *mdnsNode) resolve(ctx context.Context, name string) (netip.Addr, error) {
	name = strings.ToLower(name)
	question, err := mdnsQuestion(name)
	if err != nil {
		return netip.Addr{}, err
	}
	answer := make(chan netip.Addr, 1)
	n.mu.Lock()
	if err := n.open(); err != nil {
		n.mu.Unlock()
		return netip.Addr{}, err
	}
	if n.waiting == nil {
		n.waiting = make(map[string][]chan netip.Addr)
	}
	n.waiting[name] = append(n.waiting[name], answer)
	n.mu.Unlock()
	defer n.forget(name, answer)
	ctx, cancel := context.WithTimeout(ctx, mdnsTimeout)
	defer cancel()
	wait := mdnsRepeat
	for {
		n.send(question, 0)
		again := time.NewTimer(wait)
		select {
		case addr := <-answer:
			again.Stop()
			return addr, nil
		case <-ctx.Done():
			again.Stop()
			return netip.Addr{}, ctx.Err()
		case <-again.C:
			wait = min(2*wait, mdnsMaxWait)
		}
	}
}

// forget takes a question out.
func (n *mdnsNode) forget(name string, answer chan netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting[name] = slices.DeleteFunc(n.waiting[name], func(c chan netip.Addr) bool { return c == answer })
	if len(n.waiting[name]) == 0 {
		delete(n.waiting, name)
	}
}

// open opens the socket on first use, and joins the group on interfaces that are
// new. n.mu is held.
func (n *mdnsNode) open() error {
	if n.closed {
		return net.ErrClosed
	}
	if n.conn == nil {
		socket, err := net.ListenUDP("udp4", mdnsGroup) // of a group, so that others can have the port, too
		if err != nil {
			return fmt.Errorf("sluice: multicast DNS: %w", err)
		}
		n.socket, n.conn = socket, ipv4.NewPacketConn(socket)
		n.joined = nil
		// Without the interface answers go to all; without the destination see onLink.
		_ = n.conn.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true)
		_ = n.conn.SetMulticastLoopback(true)
		_ = n.conn.SetMulticastTTL(255)
		n.reading.Add(1)
		go n.read(n.conn)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("sluice: multicast DNS: %w", err)
	}
	n.links = networks()
	for _, i := range interfaces {
		known := slices.ContainsFunc(n.joined, func(j net.Interface) bool { return j.Index == i.Index })
		local := i.Flags&net.FlagLoopback != 0
		if known || i.Flags&net.FlagUp == 0 || local && !n.loopback || !local && i.Flags&net.FlagMulticast == 0 {
			continue
		}
		if err := n.conn.JoinGroup(&i, mdnsGroup); err != nil {
			n.log.Debugf("multicast DNS on %s: %v", i.Name, err)
			continue
		}
		n.joined = append(n.joined, i)
	}
	return nil
}

// send sends a message over an interface, over all if that is 0.
func (n *mdnsNode) send(b []byte, index int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn == nil {
		return
	}
	for _, i := range n.joined {
		if index != 0 && i.Index != index {
			continue
		}
		err := n.conn.SetMulticastInterface(&i)
		if err == nil {
			_, err = n.conn.WriteTo(b, nil, mdnsGroup)
		}
		if err != nil {
			n.log.Debugf("multicast DNS on %s: %v", i.Name, err)
		}
	}
}

func (n *mdnsNode) read(conn *ipv4.PacketConn) {
	defer n.reading.Done()
	buf := make([]byte, 9000) // section 17
	for {
		size, cm, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		index := 0
		if cm != nil {
			index = cm.IfIndex
		}
		if n.onLink(cm, from) {
			n.handle(buf[:size], index, from)
		}
	}
}

// onLink reports whether a message was sent on a link of this host (section 11), to the
// group or by somebody in the same network. To all others it would tell the addresses
// that the names hide: the peer knows these names.
func (n *mdnsNode) onLink(cm *ipv4.ControlMessage, from net.Addr) bool {
	if cm != nil && cm.Dst.IsMulticast() {
		return true
	}
	u, ok := from.(*net.UDPAddr)
	n.mu.Lock()
	defer n.mu.Unlock()
	return ok && slices.ContainsFunc(n.links, func(l *net.IPNet) bool { return l.Contains(u.IP) })
}

// networks returns those that this host has an address in.
func networks() (nets []*net.IPNet) {
	addrs, _ := net.InterfaceAddrs() // without any, only messages to the group count
	for _, a := range addrs {
		if l, ok := a.(*net.IPNet); ok {
			nets = append(nets, l)
		}
	}
	return nets
}

// handle takes a message; what is no DNS is ignored. Of questions from other ports the
// first one of ours is answered: more would make much of little, for whoever is
// named as the sender.
func (n *mdnsNode) handle(b []byte, index int, from net.Addr) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil {
		return
	}
	if h.Response {
		n.handleAnswers(&p)
		return
	}
	u, ok := from.(*net.UDPAddr)
	legacy := ok && u.Port != mdnsGroup.Port // section 6.7
	for {
		q, err := p.Question()
		if err != nil {
			return
		}
		answer := n.answer(q, h.ID, index, legacy)
		switch {
		case answer == nil:
		case legacy:
			n.mu.Lock()
			if n.socket != nil {
				_, _ = n.socket.WriteTo(answer, u) // a loss is repaired by the next question
			}
			n.mu.Unlock()
			return
		default:
			n.send(answer, index)
		}
	}
}

// answer returns the answer to a question, nil if there is none or it was given
// just now.
func (n *mdnsNode) answer(q dnsmessage.Question, id uint16, index int, legacy bool) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	o := n.ours[canonicalName(q.Name)]
	if o == nil || q.Class&^mdnsTopBit != dnsmessage.ClassINET {
		return nil
	}
	kind := dnsmessage.TypeAAAA
	if o.addr.Is4() {
		kind = dnsmessage.TypeA
	}
	now := time.Now()
	if q.Type != kind && q.Type != dnsmessage.TypeALL || !legacy && now.Sub(o.answered[index]) < mdnsQuiet {
		return nil
	}
	header := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET | mdnsTopBit, TTL: mdnsTTL}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{Response: true, Authoritative: true})
	if legacy {
		header.Class = dnsmessage.ClassINET
		header.TTL = 10
		b = dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, Response: true, Authoritative: true})
		q.Class &^= mdnsTopBit
		if b.StartQuestions() != nil || b.Question(q) != nil {
			return nil
		}
	} else {
		o.answered[index] = now
	}
	err := b.StartAnswers()
	if err == nil && o.addr.Is4() {
		err = b.AResource(header, dnsmessage.AResource{A: o.addr.As4()})
	} else if err == nil {
		err = b.AAAAResource(header, dnsmessage.AAAAResource{AAAA: o.addr.As16()})
	}
	message, buildErr := b.Finish()
	if err != nil || buildErr != nil {
		return nil
	}
	return message
}

// handleAnswers tells those that wait.
func (n *mdnsNode) handleAnswers(p *dnsmessage.Parser) {
	if p.SkipAllQuestions() != nil {
		return
	}
	for {
		h, err := p.AnswerHeader()
		if err != nil {
			return
		}
		var addr netip.Addr
		switch h.Type {
		case dnsmessage.TypeA:
			var r dnsmessage.AResource
			if r, err = p.AResource(); err == nil {
				addr = netip.AddrFrom4(r.A)
			}
		case dnsmessage.TypeAAAA:
			var r dnsmessage.AAAAResource
			if r, err = p.AAAAResource(); err == nil {
				addr = netip.AddrFrom16(r.AAAA).Unmap()
			}
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			return
		}
		if addr.IsValid() && h.Class&^mdnsTopBit == dnsmessage.ClassINET && !addr.IsUnspecified() && !addr.IsMulticast() {
			n.found(canonicalName(h.Name), addr)
		}
	}
}

func (n *mdnsNode) found(name string, addr netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.waiting[name] {
		select {
		case c <- addr:
		default: // answered before
		}
	}
}

// close ends the socket; who waits is told by its context.
func (n *mdnsNode) close() {
	n.mu.Lock()
	n.closed = true
	conn := n.conn
	n.conn, n.socket = nil, nil
	n.mu.Unlock()
	if conn != nil {
		conn.Close()
		n.reading.Wait()
	}
}

// mdnsQuestion asks for both kinds of address.
func mdnsQuestion(name string) ([]byte, error) {
	dnsName, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, fmt.Errorf("sluice: name %q: %w", name, err)
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{})
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		if err := b.Question(dnsmessage.Question{Name: dnsName, Type: kind, Class: dnsmessage.ClassINET}); err != nil {
			return nil, fmt.Errorf("sluice: name %q: %w", name, err)
		}
	}
	return b.Finish()
}

// canonicalName is a name as it stands in candidates, in lower case.
func canonicalName(name dnsmessage.Name) string {
	return strings.ToLower(strings.TrimSuffix(name.String(), "."))
}
