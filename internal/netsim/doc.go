// Package netsim is a virtual network that carries datagrams in virtual time.
// Its links delay, queue, lose, reorder, duplicate, corrupt and refuse packets
// as [Conditions] say, each direction on its own. Every decision comes from a
// seed: the same seed and the same packets at the same times have the same
// fate, on every machine.
//
// It has two faces over one link model.
//
// [Network] is a heap of packets in flight, without clock, goroutine or lock.
// The caller owns the time:
//
//	n.Send(now, link, dir, packet)  put a packet on a link
//	n.Next()                        when the next packet arrives
//	n.Deliver(now)                  the packets that have arrived by now
//
// [Pipe] is a pair of message-preserving net.Conns joined by one link. It
// takes the time from package time, so in a testing/synctest bubble it runs in
// virtual time too.
//
// A condition that is switched on or off does not change the draws behind the
// others: with the same seed, the packets that loss strikes are the same ones
// with and without reordering. That makes a failure easy to narrow down.
package netsim
