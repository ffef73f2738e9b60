package condatest

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/zstd"
)

// must gives v. The makers of hostile archives have no errors of their own to
// report: what fails here is a mistake in the maker.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// zipPart is a member of a ZIP file that may lie. Fields that are nil or zero
// say the truth.
type zipPart struct {
	name       string
	data       []byte
	method     uint16
	flags      uint16
	descriptor bool // sizes and checksum behind the data

	gap       int    // bytes of nothing before the local header
	crc       uint32 // instead of the true one
	localName string // instead of name
	offset    *uint32
	plainSize uint32 // in both headers
}

// zipFile lies the parts behind prefix and closes them with a directory.
func zipFile(prefix string, parts ...zipPart) []byte {
	var out, dir bytes.Buffer
	out.WriteString(prefix)
	le := binary.LittleEndian
	for _, p := range parts {
		out.Write(make([]byte, p.gap))
		crc, size, plain := crc32.ChecksumIEEE(p.data), uint32(len(p.data)), uint32(len(p.data))
		if p.crc != 0 {
			crc = p.crc
		}
		if p.plainSize != 0 {
			plain = p.plainSize
		}
		flags := p.flags
		if p.descriptor {
			flags |= 8
		}
		localName := p.name
		if p.localName != "" {
			localName = p.localName
		}
		offset := uint32(out.Len())
		if p.offset != nil {
			offset = *p.offset
		}

		local := le.AppendUint32(nil, 0x04034b50)
		for _, v := range []uint16{20, flags, p.method, 0, 0x21} {
			local = le.AppendUint16(local, v)
		}
		sizes := []uint32{crc, size, plain}
		if p.descriptor {
			sizes = []uint32{0, 0, 0}
		}
		for _, v := range sizes {
			local = le.AppendUint32(local, v)
		}
		local = le.AppendUint16(local, uint16(len(localName)))
		local = le.AppendUint16(local, 0)
		out.Write(local)
		out.WriteString(localName)
		out.Write(p.data)
		if p.descriptor {
			tail := le.AppendUint32(nil, 0x08074b50)
			for _, v := range []uint32{crc, size, plain} {
				tail = le.AppendUint32(tail, v)
			}
			out.Write(tail)
		}

		entry := le.AppendUint32(nil, 0x02014b50)
		for _, v := range []uint16{20, 20, flags, p.method, 0, 0x21} {
			entry = le.AppendUint16(entry, v)
		}
		for _, v := range []uint32{crc, size, plain} {
			entry = le.AppendUint32(entry, v)
		}
		for _, v := range []uint16{uint16(len(p.name)), 0, 0, 0, 0} {
			entry = le.AppendUint16(entry, v)
		}
		entry = le.AppendUint32(entry, 0)
		entry = le.AppendUint32(entry, offset)
		dir.Write(entry)
		dir.WriteString(p.name)
	}
	end := le.AppendUint32(nil, 0x06054b50)
	for _, v := range []uint16{0, 0, uint16(len(parts)), uint16(len(parts))} {
		end = le.AppendUint16(end, v)
	}
	end = le.AppendUint32(end, uint32(dir.Len()))
	end = le.AppendUint32(end, uint32(out.Len()))
	end = le.AppendUint16(end, 0)
	return append(append(out.Bytes(), dir.Bytes()...), end...)
}

// file makes a header of a file and its content.
func file(name, content string) tarPart {
	return tarPart{&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}, content}
}

// link makes a header of another type.
func link(kind byte, name, target string) tarPart {
	return tarPart{&tar.Header{Name: name, Typeflag: kind, Linkname: target, Mode: 0o644}, ""}
}

// tarPart is a member of a tar.
type tarPart struct {
	header  *tar.Header
	content string
}

// tarOf makes a whole tar.
func tarOf(parts ...tarPart) []byte {
	b := tarHead(parts...)
	return append(b, make([]byte, 1024)...)
}

// tarHead makes a tar without its end.
func tarHead(parts ...tarPart) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, p := range parts {
		if err := w.WriteHeader(p.header); err != nil {
			panic(err)
		}
		must(w.Write([]byte(p.content)))
	}
	if err := w.Flush(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// tarHeader makes only the header of a file of size bytes.
func tarHeader(name string, size int64) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// compress makes one honest zstd frame.
func compress(b []byte) []byte {
	w := must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true)))
	return w.EncodeAll(b, nil)
}

// frame makes a zstd frame by hand: the window of the descriptor byte, data as
// it is and then blocks of 128 KiB of zeros, 4 bytes each.
func frame(window byte, data []byte, zeroBlocks int) []byte {
	const block = 128 << 10
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window}
	add := func(kind, size int, body []byte, last bool) {
		h := uint32(size)<<3 | uint32(kind)<<1
		if last {
			h |= 1
		}
		out = append(out, byte(h), byte(h>>8), byte(h>>16))
		out = append(out, body...)
	}
	for len(data) > 0 {
		n := min(len(data), block)
		add(0, n, data[:n], n == len(data) && zeroBlocks == 0)
		data = data[n:]
	}
	for i := range zeroBlocks {
		add(1, block, []byte{0}, i == zeroBlocks-1)
	}
	return out
}

// The descriptor bytes of windows.
const (
	window1M   = 10 << 3
	window8M   = 13 << 3
	window128M = 17 << 3
	window256M = 18 << 3
)

// bz2 makes one bzip2 stream; several in a row are one file.
func bz2(b []byte) []byte {
	var out bytes.Buffer
	w := must(bzip2.NewWriter(&out, &bzip2.WriterConfig{Level: 9}))
	must(w.Write(b))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}
