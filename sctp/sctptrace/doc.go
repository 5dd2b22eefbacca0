// Package sctptrace writes down what happens in SCTP associations: packets as
// pcapng, which Wireshark and tshark open, and everything else beside them as a
// qlog file. Its types are Tracers for sctp.Config.Trace, and so for sctpnet,
// data channels and the root package, whose configurations contain that one.
//
// Both contain what the application sent. A file for others to look at may need
// NewPcap's snapLen; a qlog file has no payload.
//
// # The qlog file
//
// It is a JSON text sequence (RFC 7464) in the form of
// draft-ietf-quic-qlog-main-schema: a record that describes the file, then one for
// each event, with its time in milliseconds since the first one, a name, and data.
// group_id is the local verification tag of the association in hexadecimal; it is
// missing where there is none. Times and durations are in milliseconds, sizes in
// bytes, TSNs and tags as on the wire. Members that say nothing are left out.
//
//	sctp:packet_sent          path, length, header {source_port, destination_port,
//	sctp:packet_received        tag, checksum}, chunks [{type, flags, length, ...}]
//	sctp:packet_dropped       path, length, reason
//	sctp:state_updated        old, new
//	sctp:metrics_updated      path, cwnd, ssthresh, bytes_in_flight, mtu,
//	                            smoothed_rtt, rtt_variance, latest_rtt, rto, errors, down
//	sctp:recovery_updated     recovering
//	sctp:chunk_lost           tsn, stream
//	sctp:chunk_retransmitted  tsn, stream, count
//	sctp:data_dropped         tsn, stream, reason
//	sctp:message_abandoned    stream, message, reason, begun
//	sctp:timer_expired        timer
//	sctp:event                event, path, stream, message, begun, error
//
// Of chunks there are, besides:
//
//	DATA                      tsn, stream, ssn, ppid, size
//	I-DATA                    tsn, stream, mid, ppid or fsn, size
//	SACK, NR-SACK             cum_tsn, a_rwnd, gaps [[start, end]], duplicates [tsn]
//	INIT, INIT ACK            tag, a_rwnd, out_streams, in_streams, initial_tsn
//	FORWARD-TSN               cum_tsn, streams [[stream, ssn]]
//	I-FORWARD-TSN             cum_tsn, streams [[stream, mid]]
//	SHUTDOWN                  cum_tsn
//	ERROR, ABORT              causes [code]
//	RE-CONFIG                 parameters [type]
package sctptrace
