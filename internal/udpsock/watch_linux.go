package udpsock

import (
	"os"
	"sync"
	"syscall"
)

// A watcher tells when there is something to receive at sockets that nobody reads: one goroutine
// for all of the process, where reading takes one for each.
//
// It has a set of epoll(7) of its own, in which a socket is armed for one event at a time and which
// is itself in that of Go's runtime. There is one from the first Await on until the last of the
// sockets that were ever in it is closed.
type watcher struct {
	mu      sync.Mutex
	set     *os.File // nil while there are no sockets
	fd      int      // of set
	lastID  uint64
	sockets map[uint64]*watched
}

// watched is a socket in the set. It is guarded by the watcher's lock.
type watched struct {
	id     uint64 // what events of it say; 0: it is not in the set
	f      func() // nil: somebody reads
	closed bool
}

var theWatcher = watcher{sockets: make(map[uint64]*watched)}

func (b *batching) await(f func()) bool {
	armed := false
	err := b.raw.Control(func(fd uintptr) { armed = theWatcher.await(&b.watch, int(fd), f) })
	return err == nil && armed
}

func (b *batching) forget() { theWatcher.forget(&b.watch) }

// await arms the socket.
func (w *watcher) await(s *watched, fd int, f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.closed {
		return false
	}
	op := syscall.EPOLL_CTL_MOD
	if s.id == 0 {
		if !w.open() {
			return false
		}
		w.lastID++
		op, s.id = syscall.EPOLL_CTL_ADD, w.lastID
		w.sockets[s.id] = s
	}
	s.f = f
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLONESHOT, Fd: int32(s.id), Pad: int32(s.id >> 32)}
	if syscall.EpollCtl(w.fd, op, fd, &event) != nil {
		s.f = nil
		if op == syscall.EPOLL_CTL_ADD {
			w.remove(s)
		}
		return false
	}
	return true
}

// open makes the set, if there is none, and a goroutine that waits for its events.
func (w *watcher) open() bool {
	if w.set != nil {
		return true
	}
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if syscall.SetNonblock(fd, true) != nil { // says to os that it can be polled
		syscall.Close(fd)
		return false
	}
	set := os.NewFile(uintptr(fd), "epoll")
	raw, err := set.SyscallConn()
	if err != nil {
		set.Close()
		return false
	}
	w.set, w.fd = set, fd
	go w.run(raw)
	return true
}

// run waits for events until the set is closed.
func (w *watcher) run(raw syscall.RawConn) {
	var events [64]syscall.EpollEvent
	n := 0
	for {
		if err := raw.Read(func(fd uintptr) bool {
			n, _ = syscall.EpollWait(int(fd), events[:], 0)
			return n > 0
		}); err != nil {
			return
		}
		for _, e := range events[:n] {
			if f := w.fired(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32); f != nil {
				f()
			}
		}
	}
}

// fired returns whom to call for an event.
func (w *watcher) fired(id uint64) (f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.sockets[id]; s != nil {
		f, s.f = s.f, nil
	}
	return f
}

// forget takes a socket out that is about to be closed, for which no event comes any more.
func (w *watcher) forget(s *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.closed, s.f = true, nil
	if s.id != 0 {
		w.remove(s)
	}
}

// remove takes a socket out, of which the system's set knows nothing (any more, or soon).
func (w *watcher) remove(s *watched) {
	delete(w.sockets, s.id)
	if s.id = 0; len(w.sockets) == 0 {
		w.set.Close()
		w.set = nil
	}
}
