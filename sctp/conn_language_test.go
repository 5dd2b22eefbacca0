package sctp

import "testing"

func TestLanguage(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, flags: whole, ppid: 51, payload: "hello"})
	tc.want("9260-5.1-d: the first DATA is acknowledged at once", "SACK cum=0 gaps= dups=")
	tc.wantEvent("there is a message", EventReadable)
	tc.wantRead("the message is delivered", 0, "hello")
	tc.send(Message{Stream: 3, PPID: 53, Payload: payload(2000)})
	tc.want("a message larger than a packet is cut", "DATA tsn=0 sid=3 ssn=0 flags=B ppid=53 len=1160")
	tc.want("the rest", "DATA tsn=1 sid=3 ssn=0 flags=E ppid=53 len=840")
	tc.wantIdle("that is all")
	tc.write(sack{cum: 1})
	tc.wantIdle("SACK needs no answer")
}
