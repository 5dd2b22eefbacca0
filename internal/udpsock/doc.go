// Package udpsock does with UDP sockets what package net has no methods for: it sends
// and receives many datagrams with one call of the system, waits for many sockets with one
// goroutine, and sets whether the network may fragment datagrams and the bits of congestion
// notification. Where a system has no way to do so, a call carries one datagram, and
// functions return errors.ErrUnsupported.
package udpsock
