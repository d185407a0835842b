package wire

import (
	"bytes"
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func TestFields(t *testing.T) {
	var b []byte
	b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), math.MaxUint64)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), protowire.EncodeZigZag(-7))
	b = protowire.AppendFixed64(protowire.AppendTag(b, 300, protowire.Fixed64Type), math.Float64bits(1.5))
	b = protowire.AppendFixed32(protowire.AppendTag(b, 4, protowire.Fixed32Type), 9)
	b = protowire.AppendString(protowire.AppendTag(b, 5, protowire.BytesType), "text")
	r := Read(b)
	next := func(field, wireType int) {
		t.Helper()
		if !r.Next() || !r.Is(field, wireType) {
			t.Fatalf("field %d type %d (%v), want %d %d", r.Field, r.Type, r.Err(), field, wireType)
		}
	}
	next(1, Varint)
	if r.Int() != -1 {
		t.Error(r.Int())
	}
	next(2, Varint)
	if r.Sint() != -7 {
		t.Error(r.Sint())
	}
	next(300, Fixed64)
	if r.Float() != 1.5 {
		t.Error(r.Float())
	}
	next(4, Fixed32)
	if r.Num != 9 {
		t.Error(r.Num)
	}
	next(5, Bytes)
	if r.String() != "text" || r.Next() || r.Err() != nil {
		t.Errorf("%q %v", r.String(), r.Err())
	}
}

func TestRepeated(t *testing.T) {
	packed := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte{1, 0x80, 1, 3})
	single := protowire.AppendVarint(protowire.AppendTag(packed, 1, protowire.VarintType), 4)
	var got []uint64
	for r := Read(single); r.Next(); {
		if err := r.Uvarints(func(v uint64) { got = append(got, v) }); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 4 || got[1] != 128 || got[3] != 4 {
		t.Error(got)
	}
	r := Read(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), make([]byte, 9)))
	if r.Next(); r.Fixed64s(func(uint64) {}) == nil {
		t.Error("nine bytes of eight-byte numbers")
	}
}

// The walk takes what the reference implementation takes, groups apart, and sees the same values.
func FuzzRead(f *testing.F) {
	f.Add([]byte{0x08, 0x96, 0x01, 0x12, 0x02, 'h', 'i', 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4})
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := Read(b)
		for rest := b; ; {
			if !r.Next() {
				if r.Err() == nil && len(rest) != 0 {
					t.Fatalf("ended with %d bytes left", len(rest))
				}
				return
			}
			num, typ, n := protowire.ConsumeTag(rest)
			if n < 0 || int(num) != r.Field || int(typ) != r.Type {
				t.Fatalf("field %d type %d, reference says %d %d (%d)", r.Field, r.Type, num, typ, n)
			}
			m := protowire.ConsumeFieldValue(num, typ, rest[n:])
			if m < 0 {
				t.Fatalf("reference refuses field %d", num)
			}
			if typ == protowire.BytesType {
				if v, _ := protowire.ConsumeBytes(rest[n:]); !bytes.Equal(v, r.Data) {
					t.Fatalf("%q, reference says %q", r.Data, v)
				}
			}
			if rest = rest[n+m:]; !bytes.Equal(rest, r.Rest()) {
				t.Fatal("the rest differs")
			}
		}
	})
}
