// Package udpsock sets what package net has no methods for on UDP sockets: whether
// the network may fragment a datagram, and the bits of congestion notification.
// Where a system has no way to do so, functions return errors.ErrUnsupported.
package udpsock
