package syslog

import (
	"io"

	"github.com/faultline-io/faultline/services/gateway/frames"
)

// Stream cuts a connection into messages: each with its length before it (RFC 6587's octet counting), or each a line, also mixed. A message
// may have at most so many bytes; what is beyond is cut off.
type Stream struct {
	in   *frames.Reader
	skip int // what is left of a message that was cut
}

// NewStream returns a stream over src; grow is asked before memory grows.
func NewStream(src io.Reader, maxBytes int, grow func(int64) error) *Stream {
	return &Stream{in: frames.New(src, '\n', maxBytes, grow)}
}

// Ready reports whether Next has a message without reading.
func (s *Stream) Ready() bool { return s.skip == 0 && s.in.Ready() }

// Next returns the next message, valid until the next call. Errors are those of src; it can be called again after one that passes.
func (s *Stream) Next() ([]byte, error) {
	for s.skip > 0 {
		n, err := s.in.Discard(s.skip)
		if err != nil {
			return nil, err
		}
		s.skip -= n
	}
	if err := s.in.SkipCut(); err != nil {
		return nil, err
	}
	size, header, err := s.count()
	if err != nil {
		return nil, err
	}
	if header == 0 {
		return s.in.Next()
	}
	return s.counted(size, header)
}

// maxDigits bounds a length: a message of less than a gigabyte.
const maxDigits = 9

// count reads "123 <" without taking it; header is how long the length is with its space, 0 when there is none.
func (s *Stream) count() (size, header int, err error) {
	for i := 0; i <= maxDigits+1; i++ {
		b, err := s.in.Peek(i + 1)
		if err == io.EOF && len(b) <= i {
			if i == 0 {
				return 0, 0, io.EOF
			}
			return 0, 0, nil
		}
		if err != nil {
			return 0, 0, err
		}
		switch c := b[i]; {
		case c >= '0' && c <= '9' && i < maxDigits && (i > 0 || c != '0'):
			size = size*10 + int(c-'0')
		case c == ' ' && i > 0:
			if b, err = s.in.Peek(i + 2); err != nil && err != io.EOF {
				return 0, 0, err
			}
			if len(b) < i+2 || b[i+1] != '<' {
				return 0, 0, nil
			}
			return size, i + 1, nil
		default:
			return 0, 0, nil
		}
	}
	return 0, 0, nil
}

// counted takes a message of a known length. Nothing is taken before all of it is there, so that a pause in its middle loses nothing.
func (s *Stream) counted(size, header int) ([]byte, error) {
	b, err := s.in.Take(header + size)
	if err == io.EOF {
		b, err = s.in.Rest() // The connection ended within the message: what came is better than nothing.
		return b[min(header, len(b)):], err
	}
	if err != nil {
		return nil, err
	}
	if s.in.Cut() {
		s.skip = header + size - len(b)
	}
	return b[header:], nil
}
