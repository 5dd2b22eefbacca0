package dtlsrecord

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

const (
	// maxHeld and maxHeldBytes bound the records that are held until the handshake
	// is over and Receive was called.
	maxHeld      = 64
	maxHeldBytes = 64 << 10

	// maxEarly bounds the handshake records of epoch 1 that come before there are
	// keys; the last ones are kept. The one that counts is of finishedSize bytes, but with other cipher suites than AES-GCM.
	maxEarly      = 8
	maxEarlyBytes = 256
	finishedSize  = Before + messageHeader + 12 + After

	// alertPatience is how long the handshake may get on after an alert that is not
	// encrypted: only if it does not, the alert is believed.
	alertPatience = time.Second
)

// Alerts (RFC 5246, section 7.2).
const (
	alertSize        = 2
	alertWarning     = 1
	alertFatal       = 2
	alertCloseNotify = 0
)

// An AlertError is a fatal alert of the peer, received encrypted.
type AlertError struct{ Description byte } // RFC 5246, section 7.2

func (e *AlertError) Error() string {
	return fmt.Sprintf("dtlsrecord: the peer ended the connection with alert %d", e.Description)
}

// receiving is what a Session needs to receive.
type receiving struct {
	mu        sync.Mutex
	f         func(payloads [][]byte, err error) // the receiver; nil: hold
	opener    *Opener                            // nil before there are keys, and after the end
	library   bool                               // protects the records
	reading   bool                               // there is a goroutine that reads them from the library
	concluded bool                               // the end has been told

	keyed       bool            // there are keys
	finished    bool            // the library got the peer's Finished
	established bool            // the handshake is over
	assembler   assembler       // of messages of epoch 0, but for ClientHello
	hello       *partialMessage // a ClientHello that is not whole
	settled     bool            // the library has got a flight, and gets all else: see judge
	doubted     bool            // something was of another handshake
	foreign     [][32]byte      // digests of flights that were looked into and are no good
	checks      int             // verifications that these took; at most maxChecks before the last
	refused     *time.Timer     // set while a flight that is no good waits for a better one
	progress    int             // messages that have come in
	signed      bool            // the library is about to get the client's CertificateVerify: see deliverEarly
	early       []early         // handshake records of epoch 1, before there are keys

	held      [][]byte // records of epoch 1 that have to wait
	heldBytes int

	alert      *time.Timer // set while an alert is doubted
	alertSince int         // progress when it came
}

// early is a record that came before there are keys.
type early struct {
	record    []byte
	delivered bool // the library has it
}

// batch is what goes to the receiver in one call.
type batch struct {
	payloads [][]byte
}

// batchSize is for how many payloads a batch has room from the start.
const batchSize = 64

var batches = sync.Pool{New: func() any { return &batch{make([][]byte, 0, batchSize)} }}

// Receive sets the function that gets what the peer has sent: payloads that came in
// together, in their order, valid only during the call; and once, with no payloads,
// the error that ended the Session: io.EOF if the peer closed it. After Close it gets
// nothing. No lock is held: f may be called from several goroutines at once, by those
// that call HandleDatagrams, and within f everything may be called. What comes before
// is held, 64 records and 64 KiB at most, and handed over within Receive. nil takes
// the function away.
func (s *Session) Receive(f func(payloads [][]byte, err error)) {
	r := &s.receive
	r.mu.Lock()
	if r.concluded {
		r.mu.Unlock()
		if why := s.ended.Load(); f != nil && !why.local {
			f(nil, why.err)
		}
		return
	}
	b := batches.Get().(*batch)
	r.f = f
	if r.established && f != nil {
		s.openHeld(b)
	}
	s.release(b)
}

// HandleDatagrams takes datagrams that came in, from the peer or from anybody who
// pretends to be it. It does not wait, and overwrites their bytes. The receiver runs
// within.
func (s *Session) HandleDatagrams(datagrams [][]byte) {
	b := batches.Get().(*batch)
	s.receive.mu.Lock()
	for _, datagram := range datagrams {
		s.datagram(datagram, b)
	}
	s.release(b)
}

// release gives up the receiving lock and hands over the batch, which may be nil. If
// the Session has ended meanwhile it does what is left to do, which who ended it could
// not without the lock.
func (s *Session) release(b *batch) {
	r := &s.receive
	s.flush()
	f := r.f
	why := s.conclude()
	r.mu.Unlock()
	if b != nil {
		s.deliver(b, f)
		batches.Put(b)
	}
	if f != nil && why != nil {
		f(nil, why.err)
	}
	if s.ended.Load() != nil && why == nil {
		s.finish()
	}
}

// finish concludes, unless somebody else will or has.
func (s *Session) finish() {
	r := &s.receive
	if !r.mu.TryLock() {
		return // the holder does it when letting go
	}
	f := r.f
	why := s.conclude()
	r.mu.Unlock()
	if f != nil && why != nil {
		f(nil, why.err)
	}
}

// conclude erases keys and drops what was kept, once the Session has ended. It returns
// what the receiver is to be told, if anything. The receiving lock is held, so keys
// that were being made when the Session ended are there by now, and no others will be.
func (s *Session) conclude() *ending {
	r := &s.receive
	why := s.ended.Load()
	if why == nil || r.concluded {
		return nil
	}
	if r.opener != nil {
		r.opener.erase()
	}
	s.send.end(s)
	s.mu.Lock()
	clear(s.secrets.Master[:])
	s.mu.Unlock()
	if r.alert != nil {
		r.alert.Stop()
	}
	if r.refused != nil {
		r.refused.Stop()
	}
	r.concluded = true
	r.f, r.opener, r.alert, r.assembler, r.hello, r.foreign, r.early, r.held = nil, nil, nil, assembler{}, nil, nil, nil, nil
	if why.local {
		return nil
	}
	return why
}

// deliver hands a batch to the receiver.
func (s *Session) deliver(b *batch, f func([][]byte, error)) {
	if n := len(b.payloads); n > 0 {
		s.counters.received.Add(uint64(n))
		if f != nil {
			f(b.payloads, nil)
		}
		clear(b.payloads)
		b.payloads = b.payloads[:0]
	}
}

// establish of the receiving side. The lock is held.
func (r *receiving) establish(s *Session, b *batch) {
	r.established = true
	r.assembler, r.hello, r.early = assembler{}, nil, nil
	if r.alert != nil {
		r.alert.Stop()
		r.alert = nil
	}
	if r.f != nil || r.library {
		s.openHeld(b)
	}
}

// openHeld handles what was held, now that it can be.
func (s *Session) openHeld(b *batch) {
	r := &s.receive
	if r.library && !r.reading && r.f != nil {
		r.reading = true
		go s.readLibrary()
	}
	held := r.held
	r.held, r.heldBytes = nil, 0
	for _, record := range held {
		s.record(record, b)
	}
}

// flush lets the library have what was delivered to it.
func (s *Session) flush() {
	s.receive.signed = false
	if !s.shim.flush() {
		s.counters.drop(dropNoRoom)
	}
}

// datagram handles the records of a datagram.
func (s *Session) datagram(datagram []byte, b *batch) {
	for len(datagram) > 0 {
		record, rest := nextRecord(datagram)
		if record == nil || record[1] != 0xFE {
			s.counters.drop(dropMalformed)
			return
		}
		s.record(record, b)
		datagram = rest
	}
}

// record handles one record.
func (s *Session) record(record []byte, b *batch) {
	r := &s.receive
	switch epoch := epochOf(record); {
	case s.ended.Load() != nil:
		s.counters.drop(dropLate)
	case len(record) == headerSize:
		s.counters.drop(dropMalformed) // the library would throw away all that comes with it
	case epoch > 1:
		s.counters.drop(dropEpoch)
	case epoch == 0 && r.established:
		s.counters.drop(dropPlaintext)
	case epoch == 0:
		s.plainRecord(record)
	case record[0] == typeHandshake:
		s.handshakeRecord(record)
	case !r.established, !r.library && r.f == nil:
		s.hold(record)
	case r.library:
		s.shim.deliver(record)
	default:
		s.open(record, b)
	}
}

// hold keeps a copy of a record that comes too early.
func (s *Session) hold(record []byte) {
	r := &s.receive
	if len(r.held) >= maxHeld || r.heldBytes+len(record) > maxHeldBytes {
		s.counters.drop(dropNoRoom)
		return
	}
	r.held = append(r.held, bytes.Clone(record))
	r.heldBytes += len(record)
	s.counters.held.Add(1)
}

// open opens a record of epoch 1 that is not of the handshake.
func (s *Session) open(record []byte, b *batch) {
	payload, err := s.receive.opener.Open(record)
	if err != nil {
		s.counters.drop(dropReasonOf(err))
		if limit, ok := err.(*LimitError); ok {
			s.end(&ending{err: limit}, true)
		}
		return
	}
	switch record[0] {
	case typeApplicationData:
		if len(payload) == 0 {
			return // allowed, and says nothing
		}
		b.payloads = append(b.payloads, payload)
	case typeAlert:
		s.handleAlert(payload)
	default:
		s.counters.drop(dropIgnored)
	}
}

// handleAlert obeys an alert that was encrypted.
func (s *Session) handleAlert(alert []byte) {
	switch {
	case len(alert) != alertSize:
		s.counters.drop(dropMalformed)
	case alert[1] == alertCloseNotify:
		s.end(&ending{err: io.EOF}, true) // answered: RFC 5246, section 7.2.1
	case alert[0] == alertFatal:
		s.end(&ending{err: &AlertError{alert[1]}}, false)
	default:
		s.counters.drop(dropIgnored)
	}
}

// plainRecord handles a record of epoch 0 during the handshake.
func (s *Session) plainRecord(record []byte) {
	r := &s.receive
	body := record[headerSize:]
	switch record[0] {
	case typeHandshake:
		reason := eachFragment(body, s.handshakeFragment)
		r.assembler.drain(s.handshakeMessage)
		if reason != dropNothing {
			s.counters.drop(reason)
		}
	case typeChangeCipherSpec:
		// It says what the epoch of Finished says again, and says it unprotected: the
		// library gets one with Finished.
	case typeAlert:
		s.doubtAlert(body)
	case typeApplicationData:
		s.counters.drop(dropPlaintext)
	default:
		s.counters.drop(dropMalformed)
	}
}

// handshakeFragment takes a fragment of a message of epoch 0.
func (s *Session) handshakeFragment(fragment []byte) dropReason {
	r := &s.receive
	switch {
	case !s.cfg.Client && fragment[0] == messageClientHello:
		if r.settled {
			return dropNothing // seen before, or of another
		}
		return s.helloFragment(fragment)
	case !r.settled && !s.spoken():
		r.doubted = true
		return dropForeign
	}
	return r.assembler.addFragment(fragment)
}

// helloFragment takes a fragment of a ClientHello, of which one is put together at a time.
func (s *Session) helloFragment(fragment []byte) dropReason {
	r := &s.receive
	switch {
	case uint24(fragment[1:]) > maxDatagram, // more than the library reads
		numberOf(fragment) >= maxMessages:
		return dropNoRoom
	case r.hello == nil || !r.hello.agrees(fragment):
		r.hello = newPartial(fragment)
	}
	if r.hello.add(fragment); r.hello.missing > 0 {
		return dropNothing
	}
	message := r.hello.message
	r.hello = nil
	return s.clientHello(message)
}

// doubtAlert takes an alert that anybody may have sent. It counts if the peer says
// nothing new for a while: who has given up does not go on.
func (s *Session) doubtAlert(alert []byte) {
	r := &s.receive
	switch {
	case len(alert) != alertSize:
		s.counters.drop(dropMalformed)
	case r.alert != nil, alert[0] != alertFatal && alert[1] != alertCloseNotify:
		s.counters.drop(dropIgnored)
	default:
		believed := bytes.Clone(alert)
		r.alertSince = r.progress
		r.alert = time.AfterFunc(alertPatience, func() { s.believeAlert(believed) })
	}
}

// believeAlert hands an alert to the library if the handshake has not got on since.
func (s *Session) believeAlert(alert []byte) {
	r := &s.receive
	r.mu.Lock()
	defer s.release(nil)
	if r.alert == nil || r.established || s.ended.Load() != nil {
		return
	}
	r.alert = nil
	if r.progress != r.alertSince || r.finished {
		s.counters.drop(dropPlaintext)
		return
	}
	s.eachShim(func(h *shim) {
		h.deliverPlain(typeAlert, alert)
		h.flush()
	})
}

// handshakeRecord handles a handshake record of epoch 1: the peer's Finished, or
// nothing that means anything.
func (s *Session) handshakeRecord(record []byte) {
	r := &s.receive
	switch {
	case !r.keyed:
		s.keepEarly(record)
		return
	case len(record) > maxDatagram: // nothing that is due, and more than the library can read
		s.counters.drop(dropMalformed)
		return
	case r.library:
		s.deliverFinished(record)
		return
	}
	switch {
	case !s.isFinished(record):
	case !r.finished:
		s.deliverFinished(record)
	case !s.cfg.Client:
		s.resendFinished()
	}
}

// keepEarly keeps a handshake record of epoch 1 until there are keys, in place of the oldest if need be.
func (s *Session) keepEarly(record []byte) {
	r := &s.receive
	if len(record) > maxEarlyBytes {
		s.counters.drop(dropNoRoom)
		return
	}
	if len(r.early) >= maxEarly {
		s.counters.drop(dropNoRoom) // the oldest, or this one
		if !r.dropEarly() {
			return
		}
	}
	r.early = append(r.early, early{bytes.Clone(record), s.deliverEarly(record)})
}

// isFinished opens a copy of a record, as the library opens it once more, and tells
// whether it is the peer's Finished.
func (s *Session) isFinished(record []byte) bool {
	message, err := s.receive.opener.Open(bytes.Clone(record))
	switch {
	case err != nil:
		s.counters.drop(dropReasonOf(err))
	case len(message) < messageHeader || message[0] != messageFinished:
		s.counters.drop(dropIgnored) // RFC 5246, section 7.4.1.1: HelloRequest may be ignored
	default:
		return true
	}
	return false
}

// deliverEarly hands the library a handshake record of epoch 1 that may be Finished with the client's
// CertificateVerify, if that came just before it, and tells whether it did. The library opens such
// a record as soon as it has made the keys. If it got Finished only then, as nobody
// here can tell before what the record is, it would verify the signature once more: a tenth of
// what a handshake costs a server. At no other time may it get one early: it would keep the record in
// a buffer that other connections read into. With CertificateVerify it has all that it waits
// for, and either takes the record at once or gives up.
func (s *Session) deliverEarly(record []byte) bool {
	r := &s.receive
	if !r.signed || len(record) != finishedSize {
		return false
	}
	s.shim.deliverPlain(typeChangeCipherSpec, []byte{1})
	s.shim.deliver(record)
	return true
}

// dropEarly forgets the oldest early record that the library does not have, if there is one: who forges some
// has all the time before Finished comes, and little after it, until there are keys.
func (r *receiving) dropEarly() bool {
	i := slices.IndexFunc(r.early, func(e early) bool { return !e.delivered })
	if i < 0 {
		return false
	}
	r.early = slices.Delete(r.early, i, i+1)
	return true
}

// openEarly handles the records that came before there were keys.
func (s *Session) openEarly() {
	r := &s.receive
	records := r.early
	r.early = nil
	for _, e := range records {
		if e.delivered && !r.library {
			r.finished = s.isFinished(e.record) || r.finished
		} else {
			s.handshakeRecord(e.record)
		}
	}
}

// deliverFinished hands the peer's Finished to the library, with the
// ChangeCipherSpec that precedes it. There are keys, so the library has had all
// messages that come before it.
func (s *Session) deliverFinished(record []byte) {
	if r := &s.receive; !r.finished {
		r.finished = true
		s.shim.deliverPlain(typeChangeCipherSpec, []byte{1})
	}
	s.shim.deliver(record)
}
