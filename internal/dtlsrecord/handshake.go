package dtlsrecord

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"

	"github.com/pion/dtls/v2"
)

// Handshake runs the handshake. When it returns, payloads may be written; with
// Config.FalseStart that is before it is over, and a failure after that is told to
// the receiver. Cancelling ctx ends it only until then, its deadline also later.
//
// The error is that of the library, of ctx, net.ErrClosed after Close, or an
// *AlertError; the Session has ended then.
func (s *Session) Handshake(ctx context.Context) error {
	if !s.cfg.FalseStart || !s.cfg.Client || s.cfg.Library {
		return s.handshake(ctx)
	}
	rest, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if deadline, ok := ctx.Deadline(); ok {
		rest, cancel = context.WithDeadline(context.WithoutCancel(ctx), deadline)
	}
	result := make(chan error, 1)
	go func() {
		defer cancel()
		result <- s.handshake(rest)
	}()
	select {
	case err := <-result:
		return err
	case <-s.writable:
		return nil
	case <-ctx.Done():
		cancel()
		if err := <-result; err == nil {
			return nil // just then it was over
		}
		return ctx.Err()
	}
}

// handshake runs the handshake to its end.
func (s *Session) handshake(ctx context.Context) error {
	if s.cfg.DTLS == nil {
		return errTwice
	}
	conn, err := s.attend(ctx)
	s.cfg.DTLS = nil // it may be large
	if err == nil {
		err = s.establish(conn)
	}
	if err != nil {
		s.end(&ending{err: err}, false)
	}
	if why := s.ended.Load(); why != nil {
		return why.err
	}
	return nil
}

// establish ends the handshake: the library has found it good. What was held is
// opened, and the library put away.
func (s *Session) establish(conn *dtls.Conn) error {
	b := batches.Get().(*batch)
	r := &s.receive
	r.mu.Lock()
	library := r.library
	var err error
	switch {
	case s.ended.Load() != nil:
	case !r.keyed:
		err = errNoKeys
	default:
		if library {
			s.mu.Lock()
			s.library = conn
			s.mu.Unlock()
		}
		s.send.establish(s)
		r.establish(s, b)
	}
	s.release(b)
	if !library || err != nil || s.ended.Load() != nil {
		conn.Close() // what it says now is not sent, see openOwn
	}
	return err
}

// establish of the sending side: the library has no more to say.
func (t *sending) establish(s *Session) {
	t.mu.Lock()
	defer t.unlock(s)
	if t.own != nil {
		t.own.erase()
		t.own, t.frame = nil, nil
	}
	s.openWriting()
}

// keyLog is where the library writes "CLIENT_RANDOM", the client's random and the
// master secret, in hexadecimal, as soon as it has the latter: before Finished is
// sent, and, as a client, after the server's certificate and signature were verified.
type keyLog struct {
	s *Session
	a *attempt
}

func (k keyLog) Write(line []byte) (int, error) {
	n := len(line)
	f := bytes.Fields(line)
	var random [32]byte
	var master [48]byte
	defer clear(master[:])
	if len(f) != 3 || string(f[0]) != "CLIENT_RANDOM" || len(f[1]) != 2*len(random) || len(f[2]) != 2*len(master) {
		return n, nil
	}
	if _, err := hex.Decode(random[:], f[1]); err != nil {
		return n, nil
	}
	if _, err := hex.Decode(master[:], f[2]); err != nil {
		return n, nil
	}
	clear(line) // the library wrote it for us and does not use it again
	if k.s.chosen() == k.a {
		k.s.setKeys(random, master)
	}
	return n, nil
}

// setKeys makes the keys of epoch 1, once, and takes records that came before them.
func (s *Session) setKeys(clientRandom [32]byte, master [48]byte) {
	r, t := &s.receive, &s.send
	r.mu.Lock()
	defer s.release(nil)
	if s.ended.Load() != nil || r.keyed {
		return
	}
	s.mu.Lock()
	s.secrets.ClientRandom, s.secrets.Master = clientRandom, master
	secrets := s.secrets
	s.mu.Unlock()
	defer clear(secrets.Master[:])

	if !r.library {
		sealer, opener, own, err := secrets.protection(s.cfg.Client)
		var unknown *SuiteError
		if errors.As(err, &unknown) {
			r.library = true
		} else {
			r.opener = opener
			t.mu.Lock()
			t.sealer, t.own = sealer, own
			t.unlock(s)
		}
	}
	t.mu.Lock()
	t.library = r.library
	t.unlock(s)
	r.keyed = true
	s.openEarly()
}
