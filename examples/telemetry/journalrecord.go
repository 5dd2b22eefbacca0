package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// errTorn is a record that was not written completely.
var errTorn = errors.New("a record is torn")

// recordReader reads records one after the other.
type recordReader struct {
	in  *bufio.Reader
	buf [maxRecord]byte
}

func newRecordReader(r io.Reader) *recordReader { return &recordReader{in: bufio.NewReader(r)} }

// next returns a record, valid until the next call. It is io.EOF behind the last
// one, and errTorn where what follows is none.
func (r *recordReader) next() ([]byte, error) {
	var header [recordHeader]byte
	switch _, err := io.ReadFull(r.in, header[:]); {
	case err == io.ErrUnexpectedEOF:
		return nil, errTorn
	case err != nil:
		return nil, err
	}
	n := binary.BigEndian.Uint32(header[:])
	if n > maxRecord {
		return nil, errTorn
	}
	data := r.buf[:n]
	switch _, err := io.ReadFull(r.in, data); {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return nil, errTorn
	case err != nil:
		return nil, err
	}
	if crc32.Checksum(data, castagnoli) != binary.BigEndian.Uint32(header[4:]) {
		return nil, errTorn
	}
	return data, nil
}
