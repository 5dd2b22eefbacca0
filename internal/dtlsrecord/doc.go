// Package dtlsrecord protects the records of DTLS 1.2 (RFC 6347) with AES-GCM
// (RFC 5288): what passes in epoch 1, after a handshake that another library runs.
//
// Secrets, what the handshake has agreed on, give a Sealer and an Opener to either
// side. Both work in place and allocate nothing: a payload that lies with Before
// bytes of room in front of it and After bytes behind it becomes a record there, and
// a record becomes its payload. Nonces are counted, never drawn; replays are found in
// a window of some 2000 records; keys are used no longer than RFC 9325 allows.
package dtlsrecord
